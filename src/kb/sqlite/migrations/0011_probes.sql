-- Version 11 of the file format: a model that changes under its name is found.

-- The vector of a fixed sentence by the model that made the vectors of a fingerprint: little-endian floats.
CREATE TABLE probe (
  embed_fp TEXT PRIMARY KEY,
  vector BLOB NOT NULL CHECK (length(vector) > 0 AND length(vector) % 4 = 0)
) STRICT, WITHOUT ROWID;
