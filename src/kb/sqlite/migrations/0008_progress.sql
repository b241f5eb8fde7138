-- Version 8 of the file format: how far and how fast a run is.

-- Documents that the sources have; NULL: they are not all listed, and progress_percent is a lower bound.
ALTER TABLE run ADD COLUMN documents_listed INTEGER CHECK (documents_listed >= 0);
-- Over the last ten seconds of the process at work, when it last wrote.
ALTER TABLE run ADD COLUMN documents_per_second REAL NOT NULL DEFAULT 0 CHECK (documents_per_second >= 0);
ALTER TABLE run ADD COLUMN chunks_per_second REAL NOT NULL DEFAULT 0 CHECK (chunks_per_second >= 0);
-- NULL: cannot be estimated.
ALTER TABLE run ADD COLUMN seconds_left REAL CHECK (seconds_left >= 0);
-- Time that processes were at work, without the pauses between them; for earlier runs with them.
ALTER TABLE run ADD COLUMN worked_ms INTEGER NOT NULL DEFAULT 0 CHECK (worked_ms >= 0);
UPDATE run SET worked_ms = max(0, ifnull(ended_ms, heartbeat_ms) - started_ms);
