//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::cache::CacheArgs;
use super::exit_code;
#[cfg(feature = "serve")]
use super::mcp::McpArgs;
use super::model::ModelArgs;
use super::pages::PagesArgs;
#[cfg(feature = "serve")]
use super::serve::ServeArgs;
use crate::error::Error;
use crate::eval::Minimum;
use crate::kb::{Day, SearchMode, UriGlob};
use crate::operations::{self, FailOn};

/// Builds knowledge bases for retrieval from documents, and keeps them up to date.
///
/// kbingest reads folders, git repositories and web sites and writes one SQLite file that answers
/// hybrid (full-text and vector) search. Run it as often as you like, from a shell, from cron or
/// from CI: it processes only what changed, continues a run that was stopped or killed, and reports
/// the outcome in its exit code.
///
/// The settings are in a kb.toml; kb.example.toml explains every key. Commands other than `ingest`
/// also accept the knowledge base itself, so that you can search a copy without its kb.toml.
#[derive(Debug, Parser)]
#[command(version, after_help = exit_code::HELP, max_term_width = 100)]
pub struct Arguments {
    /// Shows no progress, and prints a summary only if something went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 900)]
    pub quiet: bool,
    /// Logs more to stderr: -v what is skipped, -vv also what sources leave out.
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 901)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Brings the knowledge base up to date with its sources.
    ///
    /// Lists every source, reads what is new or changed, splits it into chunks, embeds and indexes
    /// them, and removes what is gone. A document becomes visible to searches all at once, when its
    /// last chunk is stored. A run that was interrupted is continued.
    ///
    /// A document that cannot be read keeps its last good version and does not stop the run. When
    /// more than half of a source's documents (and more than ten) are gone, none of them is
    /// deleted: see --allow-deletes.
    ///
    /// Ctrl-C stops at the next checkpoint; press it twice to stop at once. Nothing is lost either
    /// way.
    #[command(after_long_help = INGEST_EXAMPLES)]
    Ingest(IngestArgs),
    /// Continues a run that was interrupted, cancelled or failed.
    ///
    /// Never starts a new run: if there is nothing to resume, it says so and exits with 0. If the
    /// crawl is complete and chunks are queued, it continues with embedding.
    Resume(ResumeArgs),
    /// Says what an ingest would do, and does none of it; the same as `ingest --dry-run`.
    ///
    /// Per source: new, changed and deleted documents, by name (-v: all). Then chunks and tokens to
    /// embed, with cost and time. Sources are asked as by a run, and the work is done on a copy
    /// in the folder for temporary files (TMPDIR), without embedding anything. Exits with the code
    /// that the run would have.
    #[command(after_long_help = PLAN_EXAMPLES)]
    Plan(IngestArgs),
    /// Shows the last run and the knowledge base, even during a run.
    ///
    /// Of the run: its state, phases (cleaning is chunking), counts, speed and time left. Of the
    /// knowledge base: documents, chunks, the queue, the model, and file sizes. Exits with 0
    /// whatever the state of the run.
    #[command(after_long_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Lists the pages of web sites, and says why each is or is not a document.
    ///
    /// A row per URL: source, state, URL, and the reason, or the URL that has the document;
    /// tab-separated. States: fetched and unchanged (a document), redirected (another page has the
    /// document), excluded, gone, refused, failed, queued (not visited yet), unseen (the last crawl
    /// found no link to it). Works during a run.
    #[command(after_long_help = PAGES_EXAMPLES)]
    Pages(PagesArgs),
    /// Asks the running ingest to stop at its next checkpoint, and waits for it.
    ///
    /// Its work is kept; `kbingest resume` continues it. If nothing is running, it says so and
    /// exits with 0. If the run has not stopped after --timeout seconds, it exits with 11.
    Cancel(CancelArgs),
    /// Finds the passages that answer a question.
    ///
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used. QUERY is a question, or words to find; put -- before one that begins with a dash.
    ///
    /// Words match by their stems, in any order; passages that contain all of them rank first if
    /// there are enough. "A phrase" in quotes, and title:, heading:, path:, language: or source:
    /// before a word or phrase, is required; -word excludes; prefix* matches words that begin with
    /// it. Anything else counts as words.
    ///
    /// Hybrid search ranks by bm25 / max(bm25) + w * cosine over the best 100 of each side; w comes
    /// from the model. Works during a run, and sees each document in its old or its new version.
    ///
    /// Exits with 0 even if nothing is found.
    #[command(after_long_help = SEARCH_EXAMPLES)]
    Search(SearchArgs),
    /// Measures search quality on queries with known answers, and fails if it got worse.
    ///
    /// QUERIES is a file with one object per line: {"id", "query", "relevant": [{"path", "grade",
    /// "start", "end"}]}. `path` (or `uri`) is the URI of a document inside its source, `grade`
    /// defaults to 1, and `start` and `end` are optional: the bytes of the passage in the file.
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used.
    ///
    /// Runs every query in every mode and measures the documents found: nDCG@10, MRR@10, recall@5,
    /// 10, 20 and 100, success@1 and 5. For spans it also measures recall, precision and IoU over
    /// the first five passages, and precision-omega, as Chroma's chunking evaluation defines them.
    /// Modes are compared by the paired bootstrap.
    ///
    /// Exits with 3 if a --min is not reached, or if a measure fell more than --max-drop below
    /// --baseline.
    #[command(after_long_help = EVAL_EXAMPLES)]
    Eval(EvalArgs),
    /// Prints the text that ingest would save for a file.
    ///
    /// Markdown and plain text are printed unchanged, every other format as Markdown. --json adds
    /// the title, the document's metadata, and the extractor used. Needs no knowledge base. Exits
    /// with 3 if ingest would fail on the file or skip it.
    Extract(DocumentArgs),
    /// Prints the chunks that ingest would make of a file.
    ///
    /// Each with its lines and bytes in the extracted text, its tokens as the model counts them,
    /// and the text that is embedded and indexed: title and headings, then the passage. Needs no
    /// knowledge base.
    Chunk(DocumentArgs),
    /// Shows what a kb.toml asks for beyond reading documents, and allows its current content.
    ///
    /// It may ask to run commands for documents, to send environment variables to a server, to
    /// connect to private hosts, and to fetch git URLs other than https and local ones. kbingest
    /// ingests such a kb.toml only after you have allowed it, whoever owns the file: it may have
    /// come with a clone or a download. After an edit of it, or of a program beside it that it
    /// runs, you have to allow it again.
    ///
    /// If nobody can answer a prompt, as in CI, set the environment variable KBINGEST_TRUST to the
    /// hash that --show prints; separate several by commas.
    Trust(TrustCommandArgs),
    /// Shows and shrinks the file that keeps the answers of models that cost.
    ///
    /// Such a model embeds no text twice, and scores no pair twice: vectors and scores are found
    /// again in this file, by other documents, runs and knowledge bases. It may be deleted at any
    /// time; then they are paid for again.
    Cache(CacheArgs),
    /// Fetches the models that kb.toml names on a hub, verifies them, or lists what was fetched.
    ///
    /// `[embed.onnx] model = "hf:OWNER/NAME@REVISION"` is fetched once, by the first ingest or by
    /// this command, into the user's cache folder; the model of `[search.rerank.onnx]` only by this
    /// command. Commit and sha256 are written to kbingest-models.lock beside kb.toml, and from then
    /// on no other content is used. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to
    /// Hugging Face's programs.
    Model(ModelArgs),
    /// Answers agents over stdin and stdout, by the Model Context Protocol.
    ///
    /// KB is a knowledge base file or a kb.toml; several may be given. Agents get the tools
    /// `search`, `read`, `list` and `status`, and documents as resources; docs/agents.md says how
    /// to add it to Claude Code, Cursor and others. Works during a run, and notices a new file.
    /// Ends when the agent closes stdin.
    #[cfg(feature = "serve")]
    Mcp(McpArgs),
    /// Answers programs over HTTP, with JSON, and agents at /mcp.
    ///
    /// KB is a knowledge base file or a kb.toml; several may be given. Routes: /search, /documents,
    /// /chunks, /status, /healthz, /metrics, /mcp; /openapi.json describes them, docs/http.md
    /// explains them. Listens on this machine only; elsewhere with a token. Works during a run, and
    /// notices a new file. Ends at SIGTERM or Ctrl-C, after requests at work are answered.
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    /// Checks that the knowledge base is sound; if not, lists the findings and exits with 12.
    ///
    /// Looks for what must never be: pages that SQLite cannot read, chunks without their document,
    /// vector or full-text row, spans outside their text, work that is in no queue. Names the
    /// document of each finding. Works during a run, and changes nothing unless --repair is given.
    Check(CheckArgs),
}

const INGEST_EXAMPLES: &str = "\
Examples:
  kbingest ingest                         the kb.toml of this folder
  kbingest ingest -q /srv/kb/kb.toml      for cron: prints only what went wrong
  kbingest ingest --json | jq .run.metrics

Exit codes: 0 done, 3 some documents failed, 11 another run is active, 21 deletions withheld;
`kbingest --help` lists them all.";

const PLAN_EXAMPLES: &str = "\
Examples:
  kbingest plan                           what would happen now
  kbingest plan --json | jq .tokens       before a run that costs";

const STATUS_EXAMPLES: &str = "\
Examples:
  kbingest status --watch                 follows a run
  kbingest status handbook.kb --failures  source, URI, kind, stage, error; tab-separated";

const PAGES_EXAMPLES: &str = "\
Examples:
  kbingest pages | grep install           why a page is missing
  kbingest pages --state gone,refused     only those";

const SEARCH_EXAMPLES: &str = "\
Examples:
  kbingest search \"how do I undo a release?\"
  kbingest search handbook.kb \"undo a release\" -k 3 --mode text
  kbingest search kb.toml \"undo a release\" --json | jq -r '.hits[].uri'";

const EVAL_EXAMPLES: &str = "\
Examples:
  kbingest eval examples/handbook/kb.toml examples/handbook/queries.jsonl
  kbingest eval queries.jsonl --mode hybrid --min 'recall@10=0.9' --min 'ndcg@10=0.7'
  kbingest eval queries.jsonl --json > baseline.json
  kbingest eval queries.jsonl --baseline baseline.json --max-drop 0.01 --report retrieval.html";

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, else plain lines.
    Auto,
    /// A bar.
    Bar,
    /// A line every few seconds.
    Plain,
    /// Nothing.
    None,
}

/// Which failed documents count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnArg {
    /// Any.
    Any,
    /// New or changed ones, and pages and files that kb.toml names one by one.
    New,
}

impl From<FailOnArg> for FailOn {
    fn from(argument: FailOnArg) -> Self {
        match argument {
            FailOnArg::Any => Self::Any,
            FailOnArg::New => Self::New,
        }
    }
}

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// The settings.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub config: PathBuf,
    /// Discards an interrupted run and starts over.
    #[arg(long)]
    pub restart: bool,
    /// Deletes documents of these sources, or of all, even if they are all or more than half of
    /// one, or if kb.toml no longer names it.
    #[arg(long, value_name = "SOURCE", num_args = 0..=1, require_equals = true, value_delimiter = ',')]
    pub allow_deletes: Option<Vec<String>>,
    /// Retries documents that failed permanently, even if neither they nor the settings changed.
    #[arg(long)]
    pub retry_failed: bool,
    /// Reads every document again and compares its content: for files that changed without a change
    /// of their size and time.
    #[arg(long)]
    pub reread: bool,
    /// Writes the knowledge base even to a network file system, whose locks cannot be trusted.
    #[arg(long)]
    pub allow_network_fs: bool,
    /// Updates a copy, runs these queries on it, as `eval` does, and publishes it only if --min and
    /// --baseline hold; otherwise exits with 22.
    #[arg(long, value_name = "QUERIES", requires = "gate")]
    pub publish_if_eval: Option<PathBuf>,
    /// Says what the run would do, like `kbingest plan`, and does none of it.
    #[arg(long, conflicts_with = "publish_if_eval")]
    pub dry_run: bool,
    /// The gate of `--publish-if-eval`.
    #[command(flatten)]
    pub gate: GateArgs,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Whose knowledge base is written.
    #[command(flatten)]
    pub adopt: AdoptArgs,
    /// How the run is executed and shown.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Whose knowledge base is written.
    #[command(flatten)]
    pub adopt: AdoptArgs,
    /// How the run is executed and shown.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Argument of every command that extracts documents or sends texts to a model.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// Allows, for this run only, what the settings ask for: commands to run, environment variables
    /// to send, private hosts. `kbingest trust` shows it, and allows it until it changes.
    #[arg(long)]
    pub trust: bool,
}

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub struct TrustCommandArgs {
    /// The settings.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub config: PathBuf,
    /// Shows what it asks for, and its hash, without allowing it.
    #[arg(long)]
    pub show: bool,
    /// Withdraws the permission.
    #[arg(long, conflicts_with = "show")]
    pub revoke: bool,
}

/// Argument of every command that writes a knowledge base.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Writes the knowledge base even if it belongs to another user, who may have planted it, or to
    /// another kb.toml.
    #[arg(long)]
    pub adopt: bool,
}

impl AdoptArgs {
    /// Fails if the knowledge base at `kb` belongs to another user and `--adopt` is not given.
    pub fn judge(&self, kb: &Path) -> Result<(), Error> {
        if self.adopt { Ok(()) } else { operations::refuse_others(kb) }
    }
}

/// Arguments of every command that runs the pipeline.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Threads for embedding; 0 means one per processor.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Which failed documents end the run with exit code 3: any, or only those whose failure is new
    /// or changed since the last completed run.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = FailOnArg::Any)]
    pub fail_on: FailOnArg,
    /// Prints the report of the run as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    /// How progress is shown, on stderr.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ProgressMode::Auto)]
    pub progress: ProgressMode,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    /// Refreshes the status every second until the run ends.
    #[arg(long)]
    pub watch: bool,
    /// Prints only one row per document that failed or was skipped.
    #[arg(long)]
    pub failures: bool,
}

/// Arguments of `cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// Seconds to wait for the run to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

/// What a search ranks by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Words and meaning.
    Hybrid,
    /// Words only.
    Text,
    /// Meaning only.
    Vector,
}

impl Mode {
    /// Returns the mode of the search.
    pub fn search_mode(self) -> SearchMode {
        match self {
            Self::Hybrid => SearchMode::Hybrid,
            Self::Text => SearchMode::Text,
            Self::Vector => SearchMode::Vector,
        }
    }
}

/// Arguments of `search`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest search [OPTIONS] [KB_TOML] <QUERY>")]
pub struct SearchArgs {
    /// The optional target, and the query; the command's own text explains them. As two
    /// arguments, clap would refuse a query after `--`.
    #[arg(value_names = ["KB_TOML", "QUERY"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_query: Vec<OsString>,
    /// Number of hits.
    #[arg(short = 'k', long = "limit", value_name = "N", default_value_t = 5)]
    pub limit: usize,
    /// What hits are ranked by.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Hybrid)]
    pub mode: Mode,
    /// Only documents of this source.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only documents whose URI matches this glob, as in "operations/**"; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<UriGlob>,
    /// Only documents with this in their metadata, as in 'author=Ann Lee' or tags=boats; may be
    /// repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub meta: Vec<(String, String)>,
    /// Only documents dated this day or later in their metadata, as in 2025-01-31, 2025-01 or 2025.
    #[arg(long, value_name = "DATE")]
    pub after: Option<Day>,
    /// Only documents dated before this day in their metadata.
    #[arg(long, value_name = "DATE")]
    pub before: Option<Day>,
    /// Shows each chunk separately: merges no neighbours, omits no repeated texts.
    #[arg(long)]
    pub no_fold: bool,
    /// Searches for what is typed: corrects no misspelt word, and keeps phrases and exclusions that
    /// leave nothing.
    #[arg(long)]
    pub exact: bool,
    /// Keeps the order of the search: does not ask the reranker that kb.toml names.
    #[arg(long)]
    pub no_rerank: bool,
    /// Shows how each score is made up, and the words that matched.
    #[arg(long)]
    pub explain: bool,
    /// Neighbouring chunks shown on each side of a hit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub context: usize,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or_default();
    match (key.trim(), value.trim()) {
        ("", _) | (_, "") => Err("a key and a value are needed, as in 'author=Ann Lee'".to_owned()),
        (key, value) => Ok((key.to_owned(), value.to_owned())),
    }
}

/// Arguments of `extract` and `chunk`.
#[derive(Debug, Args)]
pub struct DocumentArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Settings to use; their sources need not exist. Default: the settings of an empty kb.toml.
    #[arg(long, value_name = "KB_TOML")]
    pub config: Option<PathBuf>,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest eval [OPTIONS] [KB_TOML] <QUERIES>")]
pub struct EvalArgs {
    /// The optional target, and the file of queries.
    #[arg(value_names = ["KB_TOML", "QUERIES"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_queries: Vec<PathBuf>,
    /// Measures only this mode; may be repeated. --min applies to the first one.
    #[arg(long, value_name = "MODE", value_enum)]
    pub mode: Vec<Mode>,
    /// Does not measure the first mode again with the reranker that kb.toml names.
    #[arg(long)]
    pub no_rerank: bool,
    /// Adds every query in every mode to --json: its measures and hits.
    #[arg(long, requires = "json")]
    pub details: bool,
    /// Chooses search.vector_weight on the queries of even number, checks it on the others, and
    /// prints the line for kb.toml.
    #[arg(long, conflicts_with_all = ["mode", "details", "gate", "report"])]
    pub tune: bool,
    /// The gate.
    #[command(flatten)]
    pub gate: GateArgs,
    /// Writes a page with plots to this file; the page loads nothing and needs no server.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// The gate: what has to hold for exit code 0.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Requires a value, as in recall@10=0.9 or text:ndcg@10=0.6; may be repeated.
    #[arg(long, value_name = "METRIC=VALUE", group = "gate")]
    pub min: Vec<Minimum>,
    /// Compares with an earlier report printed by --json.
    #[arg(long, value_name = "FILE", group = "gate")]
    pub baseline: Option<PathBuf>,
    /// How far a measure may fall below the baseline.
    #[arg(long, value_name = "D", default_value_t = 0.0, requires = "baseline", value_parser = drop)]
    pub max_drop: f64,
}

fn drop(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// Compares every row, text and vector with its checksum, and the full-text index with the
    /// texts.
    #[arg(long)]
    pub read_data: bool,
    /// If anything is found, builds a new file of everything that is intact, checks it, and
    /// replaces the old one; the next ingest reads every source again. If that is impossible, the
    /// file stays unchanged. Implies --read-data.
    #[arg(long)]
    pub repair: bool,
    /// Whose knowledge base is repaired.
    #[command(flatten)]
    pub adopt: AdoptArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}
