-- Version 6 of the file format: failures that the last completed run reported, texts of documents that are now
-- skipped, and the kb.toml of a run.

-- A failure that was there when a run completed: the next run reports it as known, unless it has changed.
CREATE TABLE known_failure (
  document_id INTEGER PRIMARY KEY,
  checksum INTEGER NOT NULL          -- that of the failure; 0 if it had none
) STRICT;
INSERT INTO known_failure (document_id, checksum)
SELECT document_id, ifnull(checksum, 0) FROM failure
WHERE kind <> 'skipped'
  AND run_id <= (SELECT max(id) FROM run WHERE status IN ('completed', 'completed_with_failures'));

-- The run that first found the document to be skipped although it has a text; NULL: it has none, or is not skipped.
ALTER TABLE failure ADD COLUMN skipped_since INTEGER;
UPDATE failure SET skipped_since = run_id
WHERE kind = 'skipped' AND EXISTS (SELECT 1 FROM revision WHERE document_id = failure.document_id);
CREATE INDEX failure_skipped_since ON failure (skipped_since) WHERE skipped_since IS NOT NULL;

-- The kb.toml of the run, relative to the folder of the knowledge base; empty: its settings were made in code.
ALTER TABLE run ADD COLUMN config_path TEXT NOT NULL DEFAULT '';
