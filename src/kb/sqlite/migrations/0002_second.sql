-- Version 2 of the file format. Appended to until it is released, never edited after.

-- So that `status` need not read every text to tell how long they are.
ALTER TABLE revision ADD COLUMN text_bytes INTEGER NOT NULL DEFAULT 0 CHECK (text_bytes >= 0);
UPDATE revision SET text_bytes = (SELECT length(text) FROM content WHERE content.id = content_id);
