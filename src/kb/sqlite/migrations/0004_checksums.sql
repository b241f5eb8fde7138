-- Version 3 of the file format: checksums of rows that nothing else in the file contradicts when a bit flips.

-- NULL: written by an older version, and as sound as its own rules.
ALTER TABLE revision ADD COLUMN checksum INTEGER;         -- of its document's address and of what reading it found
ALTER TABLE revision ADD COLUMN chunks_checksum INTEGER;  -- of the rows of its chunks, in order
ALTER TABLE failure ADD COLUMN checksum INTEGER;          -- of stage, kind and error
