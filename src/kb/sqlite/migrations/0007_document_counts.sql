-- Version 7 of the file format: documents that a run did not save a text of, because they failed or were skipped, or
-- are unchanged since then. `document.run_id` is the run that last saved a text of it, 0 if none has: only these a run
-- that is resumed has counted already.

ALTER TABLE run ADD COLUMN documents_failed INTEGER NOT NULL DEFAULT 0 CHECK (documents_failed >= 0);
ALTER TABLE run ADD COLUMN documents_skipped INTEGER NOT NULL DEFAULT 0 CHECK (documents_skipped >= 0);

-- Earlier versions also counted URLs that are no documents.
UPDATE run SET documents_crawled = documents_new + documents_changed + documents_unchanged;
