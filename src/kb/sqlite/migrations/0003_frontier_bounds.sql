-- Visits in a row, over all runs, that came to nothing: what failed before is visited after what did not.
ALTER TABLE frontier ADD COLUMN outages INTEGER NOT NULL DEFAULT 0 CHECK (outages >= 0);
-- Links of the page that are not queued, because too many urls wait. Such a page is read again by the next run.
ALTER TABLE frontier ADD COLUMN links_left_out INTEGER NOT NULL DEFAULT 0 CHECK (links_left_out >= 0);
DROP INDEX frontier_queued;
CREATE INDEX frontier_queued ON frontier (source, outages, depth, id) WHERE state = 'queued';
