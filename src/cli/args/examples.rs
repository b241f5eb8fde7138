//! Examples at the end of help texts.

/// Of `ingest`.
pub const INGEST: &str = "\
Examples:
  kbingest ingest                         the kb.toml of this folder
  kbingest ingest -q /srv/kb/kb.toml      for cron: prints only what went wrong
  kbingest ingest --json | jq .run.metrics

Exit codes: 0 done, 3 some documents failed, 11 another run is active, 21 deletions withheld;
`kbingest --help` lists them all.";

/// Of `plan`.
pub const PLAN: &str = "\
Examples:
  kbingest plan                           what would happen now
  kbingest plan --json | jq .tokens       before a run that costs";

/// Of `status`.
pub const STATUS: &str = "\
Examples:
  kbingest status --watch                 follows a run
  kbingest status handbook.kb --failures  source, URI, kind, stage, error; tab-separated";

/// Of `pages`.
pub const PAGES: &str = "\
Examples:
  kbingest pages | grep install           why a page is missing
  kbingest pages --state gone,refused     only those";

/// Of `search`.
pub const SEARCH: &str = "\
Examples:
  kbingest search \"how do I undo a release?\"
  kbingest search handbook.kb \"undo a release\" -k 3 --mode text
  kbingest search kb.toml \"undo a release\" --json | jq -r '.hits[].uri'";

/// Of `ls`.
pub const LS: &str = "\
Examples:
  kbingest ls                             all documents of the kb.toml of this folder
  kbingest ls handbook.kb '**/*.md' --sort date
  kbingest ls --long | grep failed        what failed, and why
  kbingest ls --json | jq -r '.documents[] | select(.chunks == 0).uri'";

/// Of `get`.
pub const GET: &str = "\
Examples:
  kbingest get handbook:runbooks/queue-disk-full.md
  kbingest get handbook:runbooks/queue-disk-full.md:43-48
  kbingest get handbook.kb https://docs.example.org/install --outline
  kbingest get handbook:index.md --json | jq .metadata";

/// Of `export`.
pub const EXPORT: &str = "\
Examples:
  kbingest export handbook.kb > handbook.jsonl
  kbingest export --chunks --vectors --output chunks.jsonl
  kbingest export --format csv --source handbook --path 'runbooks/**'";

/// Of `runs`.
pub const RUNS: &str = "\
Examples:
  kbingest runs -n 5                      the last five
  kbingest runs --json | jq '.runs[] | select(.run.metrics.documents_failed > 0).run.id'";

/// Of `diff`.
pub const DIFF: &str = "\
Examples:
  kbingest diff                           what the last run changed
  kbingest diff handbook.kb 12
  kbingest diff --since yesterday.kb | grep ^deleted";

/// Of `analyze`.
pub const ANALYZE: &str = "\
Examples:
  kbingest analyze \"how far behind is the replica?\"
  kbingest analyze handbook.kb \"replica lag\" --json | jq -r .expression";

/// Of `embed`.
pub const EMBED: &str = "\
Examples:
  kbingest embed \"how far behind is the replica?\"
  kbingest embed handbook.kb \"replica lag\" --json | jq -c .embedding";

/// Of `eval`.
pub const EVAL: &str = "\
Examples:
  kbingest eval examples/handbook/kb.toml examples/handbook/queries.jsonl
  kbingest eval queries.jsonl --mode hybrid --min 'recall@10=0.9' --min 'ndcg@10=0.7'
  kbingest eval queries.jsonl --json > baseline.json
  kbingest eval queries.jsonl --baseline baseline.json --max-drop 0.01 --report retrieval.html";
