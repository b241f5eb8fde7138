-- Version 2 of the file format. Appended to until it is released, never edited after.

-- So that `status` need not read every text to tell how long they are.
ALTER TABLE revision ADD COLUMN text_bytes INTEGER NOT NULL DEFAULT 0 CHECK (text_bytes >= 0);
UPDATE revision SET text_bytes = (SELECT length(text) FROM content WHERE content.id = content_id);

-- Pages of web sites that are known and not visited, because a limit of kb.toml is reached.
ALTER TABLE run ADD COLUMN pages_left_out INTEGER NOT NULL DEFAULT 0 CHECK (pages_left_out >= 0);

-- Files of web sites that are no pages, robots.txt and llms.txt: what need not be asked for more than once a day, and
-- what was there when it cannot be had.
CREATE TABLE web_file (
  source TEXT NOT NULL,
  url TEXT NOT NULL,
  settings TEXT NOT NULL,            -- hash of the source's settings when it was fetched
  fetched_ms INTEGER NOT NULL,
  body BLOB,                         -- NULL: it is not there
  PRIMARY KEY (source, url)
) STRICT, WITHOUT ROWID;

-- The url of the Markdown that stands for a page: the document is there. Where that cannot be had, the page stands
-- for itself for the rest of the run.
ALTER TABLE frontier ADD COLUMN twin TEXT;
ALTER TABLE frontier ADD COLUMN twin_failed INTEGER NOT NULL DEFAULT 0 CHECK (twin_failed IN (0, 1));
CREATE INDEX frontier_twin ON frontier (source, twin) WHERE twin IS NOT NULL;
