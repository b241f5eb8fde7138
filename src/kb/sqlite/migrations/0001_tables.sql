-- Version 1 of the file format. Appended to, never edited.

-- Highest id given out so far. SQLite would give the id of a deleted row to the next one, and a late
-- vector would land in somebody else's chunk.
CREATE TABLE counter (
  name TEXT PRIMARY KEY CHECK (name IN ('document', 'content', 'revision', 'chunk', 'run')),
  last INTEGER NOT NULL CHECK (last >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, last) VALUES
  ('document', 0), ('content', 0), ('revision', 0), ('chunk', 0), ('run', 0);

-- An address, and what reading it last came to.
CREATE TABLE document (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  uri TEXT NOT NULL,
  version TEXT,                      -- of the bytes last read; NULL: only the content hash can tell
  extract_fp TEXT NOT NULL,          -- extractor that last tried
  run_id INTEGER NOT NULL            -- run that last read it
) STRICT;
-- Ordered as a sorted walk lists files, folder by folder, so that listing and ledger merge in one pass.
CREATE UNIQUE INDEX document_address ON document (source, replace(uri, '/', char(1)));

-- A text as it was saved; shared by the revisions of one document that differ in their chunks only.
CREATE TABLE content (
  id INTEGER PRIMARY KEY,
  text BLOB NOT NULL,                -- UTF-8
  checksum INTEGER NOT NULL          -- xxh3-64 of the text
) STRICT;

CREATE TABLE revision (
  id INTEGER PRIMARY KEY,
  document_id INTEGER NOT NULL REFERENCES document (id),
  content_id INTEGER NOT NULL REFERENCES content (id),
  run_id INTEGER NOT NULL,           -- the run that queued its chunks
  content_hash BLOB NOT NULL CHECK (length(content_hash) = 32),  -- blake3 of the bytes as read
  title TEXT NOT NULL,
  media_type TEXT NOT NULL CHECK (media_type IN ('text/markdown', 'text/plain', 'text/x-source')),
  encoding TEXT NOT NULL,
  metadata TEXT NOT NULL CHECK (json_valid(metadata)),
  state TEXT NOT NULL CHECK (state IN ('saved', 'chunked', 'live')),
  first_chunk INTEGER,               -- its chunks are first_chunk .. first_chunk + chunk_total - 1
  chunk_total INTEGER NOT NULL DEFAULT 0 CHECK (chunk_total >= 0),
  chunk_stored INTEGER NOT NULL DEFAULT 0 CHECK (chunk_stored BETWEEN 0 AND chunk_total),
  extract_fp TEXT NOT NULL,          -- the code and settings that made the text, its chunks, their vectors
  chunk_fp TEXT,
  embed_fp TEXT,
  CHECK ((state = 'saved') = (chunk_fp IS NULL)),
  CHECK ((state = 'saved') = (embed_fp IS NULL)),
  CHECK ((chunk_total = 0) = (first_chunk IS NULL)),
  CHECK (state <> 'saved' OR chunk_total = 0),
  CHECK (state <> 'live' OR chunk_stored = chunk_total)
) STRICT;
CREATE INDEX revision_document ON revision (document_id);
CREATE INDEX revision_content ON revision (content_id);
CREATE UNIQUE INDEX revision_live ON revision (document_id) WHERE state = 'live';
-- All that a search asks of a revision.
CREATE INDEX revision_searched ON revision (first_chunk, chunk_total, embed_fp) WHERE state = 'live';
CREATE UNIQUE INDEX revision_unfinished ON revision (document_id) WHERE state <> 'live';

CREATE TABLE chunk (
  id INTEGER PRIMARY KEY,
  revision_id INTEGER NOT NULL REFERENCES revision (id),
  ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
  start_byte INTEGER NOT NULL CHECK (start_byte >= 0),
  end_byte INTEGER NOT NULL CHECK (end_byte > start_byte),
  start_line INTEGER NOT NULL CHECK (start_line >= 1),
  end_line INTEGER NOT NULL CHECK (end_line >= start_line),
  prefix_start INTEGER,              -- bytes repeated before the span: table header, fence line
  prefix_end INTEGER,
  overlap_start INTEGER,             -- bytes overlap_start .. start_byte are repeated before the span
  heading_path TEXT NOT NULL,
  token_count INTEGER NOT NULL CHECK (token_count >= 0),
  key BLOB NOT NULL CHECK (length(key) = 16),                -- names the chunk across revisions
  input_hash BLOB NOT NULL CHECK (length(input_hash) = 16),  -- xxh3-128 of the embedded text
  CHECK ((prefix_start IS NULL) = (prefix_end IS NULL)),
  CHECK (prefix_end > prefix_start AND prefix_end <= start_byte),
  CHECK (overlap_start < start_byte)
) STRICT;
CREATE INDEX chunk_revision ON chunk (revision_id);

-- One signed byte per component; component times scale is the unit vector.
CREATE TABLE vector (
  chunk_id INTEGER PRIMARY KEY REFERENCES chunk (id),
  scale REAL NOT NULL CHECK (scale >= 0),
  embedding BLOB NOT NULL CHECK (length(embedding) > 0),
  checksum INTEGER NOT NULL          -- xxh3-64 of scale (f64, little endian) and embedding
) STRICT;

-- Rows are those of live chunks, rowid = chunk.id. Contentless: the text is in `content`. What is entered are
-- tokens, made by src/analysis and apart by spaces; the tokeniser takes them as they are.
CREATE VIRTUAL TABLE chunk_fts USING fts5 (
  title, heading, text, path, language,
  content = '', contentless_delete = 1, tokenize = "ascii tokenchars '_.-/:@+#'"
);
-- The code and settings that made these tokens; where they differ, the table above is made anew.
CREATE TABLE analysis (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  fingerprint TEXT NOT NULL
) STRICT;
INSERT INTO analysis (id, fingerprint) VALUES (1, '');
-- Merging is done once, at the end of a run, within a budget.
INSERT INTO chunk_fts (chunk_fts, rank) VALUES ('automerge', 0), ('crisismerge', 64), ('hashsize', 33554432);

-- Ranges of chunk ids whose vectors are wanted. Ids in a range may be gone: never given out again.
CREATE TABLE queue (
  first_chunk INTEGER PRIMARY KEY,
  last_chunk INTEGER NOT NULL CHECK (last_chunk >= first_chunk),
  state TEXT NOT NULL CHECK (state IN ('pending', 'claimed', 'dead')),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  is_alone INTEGER NOT NULL DEFAULT 0 CHECK (is_alone IN (0, 1)),  -- attempts count nothing else at work
  error TEXT CHECK ((error IS NOT NULL) = (state = 'dead'))
) STRICT;

-- Documents being read and chunked. Rows that outlive their process say what it was at when it died.
CREATE TABLE intake (
  source TEXT NOT NULL,
  uri TEXT NOT NULL,
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  is_alone INTEGER NOT NULL CHECK (is_alone IN (0, 1)),            -- attempts count nothing else at work
  in_flight INTEGER NOT NULL CHECK (in_flight IN (0, 1)),
  PRIMARY KEY (source, uri)
) STRICT, WITHOUT ROWID;

-- A row per document that is not taken in as it now is. It may have an older live revision.
CREATE TABLE failure (
  document_id INTEGER PRIMARY KEY REFERENCES document (id),
  run_id INTEGER NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('crawl', 'extract', 'chunk', 'embed')),
  kind TEXT NOT NULL CHECK (kind IN ('skipped', 'permanent', 'transient')),
  error TEXT NOT NULL
) STRICT;

CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL,            -- a number of the process at work; every write checks it
  status TEXT NOT NULL CHECK
    (status IN ('running', 'completed', 'completed_with_failures', 'cancelled', 'failed')),
  config_hash TEXT NOT NULL,
  started_ms INTEGER NOT NULL,
  heartbeat_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  pid INTEGER NOT NULL,
  host TEXT NOT NULL,
  message TEXT NOT NULL DEFAULT '',
  progress_percent REAL NOT NULL DEFAULT 0 CHECK (progress_percent BETWEEN 0 AND 100),
  documents_crawled INTEGER NOT NULL DEFAULT 0,
  documents_new INTEGER NOT NULL DEFAULT 0,
  documents_changed INTEGER NOT NULL DEFAULT 0,
  documents_unchanged INTEGER NOT NULL DEFAULT 0,
  documents_deleted INTEGER NOT NULL DEFAULT 0,
  documents_restaged INTEGER NOT NULL DEFAULT 0,
  deletions_withheld INTEGER NOT NULL DEFAULT 0,
  sources_unreachable INTEGER NOT NULL DEFAULT 0,
  bytes_read INTEGER NOT NULL DEFAULT 0,
  chunks_queued INTEGER NOT NULL DEFAULT 0,
  chunks_stored INTEGER NOT NULL DEFAULT 0,
  chunks_reused INTEGER NOT NULL DEFAULT 0,
  chunks_superseded INTEGER NOT NULL DEFAULT 0,
  batches_processed INTEGER NOT NULL DEFAULT 0,
  error TEXT CHECK (error IS NULL OR status IN ('failed', 'completed_with_failures')),
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  CHECK ((status = 'running') = (ended_ms IS NULL))
) STRICT;

CREATE TABLE phase (
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (name IN ('crawling', 'cleaning', 'embedding')),
  status TEXT NOT NULL CHECK (status IN ('pending', 'in_progress', 'completed')),
  changed_ms INTEGER NOT NULL,
  PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;

-- The urls of a web site, each as the last run that met it left it. A run that is gone on with visits what is
-- queued; a row says `fetched` only in the transaction that saves the text, never before.
CREATE TABLE frontier (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of discovery; never given out again
  source TEXT NOT NULL,
  url TEXT NOT NULL,                 -- normalised; the uri of its document, if it has one
  run_id INTEGER NOT NULL,           -- the run that state, depth and referrer are of
  state TEXT NOT NULL CHECK
    (state IN ('queued', 'fetched', 'unchanged', 'redirected', 'excluded', 'gone', 'refused', 'failed')),
  reason TEXT,                       -- why it is excluded, gone or failed; where it is redirected to
  depth INTEGER NOT NULL CHECK (depth >= 0),       -- links from a start
  redirects INTEGER NOT NULL DEFAULT 0,            -- of these, redirects that led here one after the other
  referrer INTEGER,                  -- id of the page that it was found on; NULL: where the crawl begins
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  not_before_ms INTEGER NOT NULL DEFAULT 0,
  etag TEXT,
  last_modified TEXT,
  lastmod TEXT,                      -- as a sitemap gives it now, and as it gave it when the page was fetched
  lastmod_fetched TEXT,
  settings TEXT,                     -- hash of the source's settings when it was fetched
  missing_runs INTEGER NOT NULL DEFAULT 0,         -- runs in a row that found it gone
  links TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(links))  -- ids of the urls that it links to
) STRICT;
CREATE UNIQUE INDEX frontier_url ON frontier (source, url);
CREATE INDEX frontier_queued ON frontier (source, depth, id) WHERE state = 'queued';

-- What people and other tools read.
CREATE VIEW chunks AS
SELECT chunk.id AS id, document.source AS source, document.uri AS uri, revision.title AS title,
       chunk.heading_path AS heading_path, chunk.ordinal AS ordinal,
       chunk.start_line AS start_line, chunk.end_line AS end_line,
       chunk.start_byte AS start_byte, chunk.end_byte AS end_byte,
       chunk.token_count AS token_count, lower(hex(chunk.key)) AS key,
       CAST(substr(content.text, chunk.start_byte + 1, chunk.end_byte - chunk.start_byte) AS TEXT) AS text
FROM chunk
JOIN revision ON revision.id = chunk.revision_id AND revision.state = 'live'
JOIN document ON document.id = revision.document_id
JOIN content ON content.id = revision.content_id;
