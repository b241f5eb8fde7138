-- Version 2 of the file format. Appended to until it is released, never edited after.

-- So that `status` need not read every text to tell how long they are.
ALTER TABLE revision ADD COLUMN text_bytes INTEGER NOT NULL DEFAULT 0 CHECK (text_bytes >= 0);
UPDATE revision SET text_bytes = (SELECT length(text) FROM content WHERE content.id = content_id);

-- Pages of web sites that are known and not visited, because a limit of kb.toml is reached.
ALTER TABLE run ADD COLUMN pages_left_out INTEGER NOT NULL DEFAULT 0 CHECK (pages_left_out >= 0);

-- Files of web sites that are no pages, robots.txt and llms.txt: what need not be asked for more than once a day, and
-- what was there when it cannot be had.
CREATE TABLE web_file (
  source TEXT NOT NULL,
  url TEXT NOT NULL,
  settings TEXT NOT NULL,            -- hash of the source's settings when it was fetched
  fetched_ms INTEGER NOT NULL,
  body BLOB,                         -- NULL: it is not there
  PRIMARY KEY (source, url)
) STRICT, WITHOUT ROWID;

-- The url of the Markdown that stands for a page: the document is there. Where that cannot be had, the page stands
-- for itself for the rest of the run.
ALTER TABLE frontier ADD COLUMN twin TEXT;
ALTER TABLE frontier ADD COLUMN twin_failed INTEGER NOT NULL DEFAULT 0 CHECK (twin_failed IN (0, 1));
CREATE INDEX frontier_twin ON frontier (source, twin) WHERE twin IS NOT NULL;

-- Vectors that can be compared: those of one embedder.
CREATE TABLE vector_space (
  id INTEGER PRIMARY KEY,
  embed_fp TEXT NOT NULL UNIQUE,
  dim INTEGER NOT NULL CHECK (dim >= 1),
  width INTEGER NOT NULL CHECK (width BETWEEN 1 AND 127)  -- chunk ids that share a block
) STRICT;

-- The vectors of a space for the chunk ids block * width .. block * width + width - 1, as far as there are any.
-- A block fills a page of the file, so that an exact comparison with every vector reads whole pages and nothing else.
CREATE TABLE vector_block (
  id INTEGER PRIMARY KEY,            -- vector_space.id << 40 | block
  slots BLOB NOT NULL,               -- a byte for each vector, ascending: chunk id - block * width + 1
  entries BLOB NOT NULL              -- for each vector: scale (f32), xxh3-64 of chunk id (i64), scale and embedding,
                                     -- embedding (dim signed bytes); all little endian
) STRICT;

ALTER TABLE vector RENAME TO vector_row;

-- A row for each vector; component i times scale is that of a unit vector.
CREATE VIEW vector AS
SELECT chunk_id, dim, substr(entries, start, 4) AS scale, substr(entries, start + 4, 8) AS checksum,
       substr(entries, start + 12, dim) AS embedding
FROM (SELECT chunk.id AS chunk_id, dim, entries,
             (instr(slots, CAST(char(chunk.id % width + 1) AS BLOB)) - 1) * (dim + 12) + 1 AS start
      FROM chunk
      JOIN revision ON revision.id = chunk.revision_id
      JOIN vector_space ON vector_space.embed_fp = revision.embed_fp
      JOIN vector_block ON vector_block.id = (vector_space.id << 40) + chunk.id / width)
WHERE start > 0;
