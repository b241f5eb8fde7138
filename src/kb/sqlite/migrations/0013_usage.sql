-- Version 13 of the file format: budgets hold for all processes of a run, and for a day.

-- What embedding has taken, while a budget was set.
CREATE TABLE usage (
  run_id INTEGER NOT NULL,
  day INTEGER NOT NULL,              -- since 1970, UTC
  tokens INTEGER NOT NULL CHECK (tokens >= 0),
  ms INTEGER NOT NULL CHECK (ms >= 0),
  PRIMARY KEY (run_id, day)
) STRICT, WITHOUT ROWID;
