-- Version 12 of the file format: a part of a table's row names its row.

-- Bytes repeated after the prefix: the first cell of the row that the chunk begins inside of.
ALTER TABLE chunk ADD COLUMN row_start INTEGER;
ALTER TABLE chunk ADD COLUMN row_end INTEGER
  CHECK ((row_start IS NULL) = (row_end IS NULL)) CHECK (row_end > row_start AND row_end <= start_byte);
