-- Version 9 of the file format: what happens to a page is decided in one place, and documents that are lost have a grace.

-- What the last request for the url led to; NULL: it was never requested.
ALTER TABLE frontier ADD COLUMN answer TEXT;
-- When that was, milliseconds since 1970.
ALTER TABLE frontier ADD COLUMN asked_ms INTEGER NOT NULL DEFAULT 0;
-- The page that this one names as its original, which has the document.
ALTER TABLE frontier ADD COLUMN canonical TEXT;
-- 1: that page has turned out not to have it, in this run.
ALTER TABLE frontier ADD COLUMN canonical_failed INTEGER NOT NULL DEFAULT 0 CHECK (canonical_failed IN (0, 1));
ALTER TABLE frontier DROP COLUMN missing_runs;
-- The extractors are no longer among the settings of a page: its document has them.
UPDATE frontier SET settings = substr(settings, 1, 16);

-- A document of a web site that a complete crawl did not find, and the first run in a row that did not. It is deleted
-- if a later one does not find it either.
CREATE TABLE lost_document (
  document_id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  run_id INTEGER NOT NULL,
  since_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX lost_document_source ON lost_document (source);
