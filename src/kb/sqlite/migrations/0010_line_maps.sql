-- Version 10 of the file format: hits name the lines of the file, also where its text was converted.

-- The lines of the file that the lines of the text come from (crate kbingest-extract, LineMap); NULL: the same;
-- empty: unknown. Its bytes follow those of the text in the checksum.
ALTER TABLE content ADD COLUMN lines BLOB;
-- Formats without lines.
UPDATE content SET lines = x'' WHERE id IN (SELECT content_id FROM revision WHERE encoding IN
  ('pdf', 'office', 'opendocument', 'epub', 'fb2', 'mail', 'outlook', 'rtf'));
