//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::exit_code;
use crate::error::Error;
use crate::eval::Minimum;
use crate::kb::SearchMode;
use crate::operations;

/// Builds knowledge bases for retrieval from documents, and keeps them true.
///
/// kbingest reads folders of documents and writes one SQLite file that answers hybrid (full-text and
/// vector) search. Run it again whenever you like, from a shell, from cron or from CI: it does only what
/// changed, a run that was stopped or killed goes on where it was, and its exit code tells the truth.
///
/// The settings are in a kb.toml; kb.example.toml explains every key. Commands other than `ingest` take the
/// knowledge base itself as well, so that a file that was shipped alone can be searched.
#[derive(Debug, Parser)]
#[command(version, after_help = exit_code::HELP, max_term_width = 100)]
pub struct Arguments {
    /// Shows no progress, and a summary only where something is not right.
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 900)]
    pub quiet: bool,
    /// Tells more on stderr: -v what is skipped, -vv also what sources leave out.
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 901)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Brings the knowledge base in line with its sources.
    ///
    /// Lists every source, reads what is new or changed, cuts it into chunks, embeds and indexes them, and
    /// removes what is gone. A document becomes visible to searches in one step, when its last chunk is
    /// stored. A run that was interrupted is continued.
    ///
    /// A document that cannot be read keeps its last good version and does not stop the run. When more than
    /// half of a source's documents (and more than ten) are gone, none of them is removed: see
    /// --allow-deletes.
    ///
    /// Ctrl-C stops at the next checkpoint; press it twice to stop at once. Nothing is lost either way.
    #[command(after_long_help = INGEST_EXAMPLES)]
    Ingest(IngestArgs),
    /// Goes on with a run that was interrupted, cancelled or failed.
    ///
    /// Never starts a new run: with nothing to resume it says so and exits with 0. Where the crawl is
    /// complete and chunks are queued, it goes straight to embedding.
    Resume(ResumeArgs),
    /// Shows the last run and the knowledge base, also while a run is going on.
    ///
    /// Of the run: how it stands, its phases, what it has done, its speed and the time left. Of the knowledge
    /// base: documents, chunks, what waits in the queue, its model, and the sizes of its files. Exits with 0
    /// whatever became of the run.
    #[command(after_long_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Asks the running ingest to stop at its next checkpoint, and waits for it.
    ///
    /// What it has done is kept; `kbingest resume` goes on from there. Where no run is going on it says so and
    /// exits with 0. Where the run is still at work after --timeout seconds, it exits with 11.
    Cancel(CancelArgs),
    /// Finds the passages that answer a question.
    ///
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder is used.
    /// QUERY is a question, or words to find; put -- before one that begins with a dash.
    ///
    /// Words are matched by their stems, in any order; passages that have all of them come first where there are
    /// enough. "A phrase" in quotes, and title:, heading:, path:, language: or source: before a word or phrase, is
    /// insisted on; -word leaves out; prefix* matches what begins so. What does not fit is taken as words.
    ///
    /// Hybrid search ranks by bm25 / max(bm25) + w * cosine over the best 100 of each side; w comes from the
    /// model. Works while a run is going on, and sees each document in its old or its new version.
    ///
    /// Exits with 0 also when nothing is found.
    #[command(after_long_help = SEARCH_EXAMPLES)]
    Search(SearchArgs),
    /// Measures searches on queries with known answers, and fails where they got worse.
    ///
    /// QUERIES is a file with one object a line: {"id", "query", "relevant": [{"path", "grade", "start", "end"}]}.
    /// `path` (or `uri`) is the address of a document inside its source, `grade` counts 1 where it is left out,
    /// and `start` and `end`, where given, are the bytes of the passage in the file. KB_TOML names the settings,
    /// or a knowledge base file; without it, the kb.toml of this folder is used.
    ///
    /// Searches for every query in every mode, and takes over the documents found: nDCG@10, MRR@10, recall@5, 10,
    /// 20 and 100, success@1 and 5; with spans also their recall, precision and IoU over the first five passages,
    /// and precision-omega, as Chroma's chunking evaluation defines them. Modes are compared by the paired
    /// bootstrap.
    ///
    /// Exits with 3 where a --min is not reached, or where a measure fell more than --max-drop below --baseline.
    #[command(after_long_help = EVAL_EXAMPLES)]
    Eval(EvalArgs),
    /// Prints the text that ingest would save of a file.
    ///
    /// Markdown and plain text come as they are, every other format as the Markdown that it is turned into.
    /// With --json also the title, what the document says of itself, and what extracted it. Needs no knowledge
    /// base. Exits with 3 where ingest would fail on the file or skip it.
    Extract(DocumentArgs),
    /// Prints the chunks that ingest would make of a file.
    ///
    /// Each with its lines and bytes in the extracted text, its tokens as the model counts them, and all that is
    /// embedded and indexed: title and headings, then the text. Needs no knowledge base.
    Chunk(DocumentArgs),
    /// Shows what a kb.toml asks for beyond reading documents, and allows it as it is now.
    ///
    /// Asked for are commands that are run for documents, environment variables that are sent to a server, hosts that
    /// are not public, and git urls other than https and local ones. A kb.toml that asks for something is not ingested
    /// before it was allowed, whoever owns it: it may have come with a clone or a download. An edit of it, or of a
    /// program beside it that it runs, has to be allowed again.
    ///
    /// Where nobody can be asked, as in CI, the environment variable KBINGEST_TRUST holds the hash that --show prints;
    /// several are apart by commas.
    Trust(TrustCommandArgs),
    /// Runs a command for the process that started it.
    #[command(hide = true)]
    Supervise(CommandArgs),
    /// Extracts documents of risky formats for the process that started it.
    #[command(hide = true)]
    ExtractWorker(WorkerArgs),
    /// Checks that the knowledge base is sound; exits with 12 and a list where it is not.
    ///
    /// Looks for what must never be: pages that SQLite cannot read, chunks without their document, vector or
    /// full-text row, spans outside their text, work that is in no queue. Names the document of each finding.
    /// Works while a run is going on, and changes nothing unless --repair is given.
    Check(CheckArgs),
}

const INGEST_EXAMPLES: &str = "\
Examples:
  kbingest ingest                         the kb.toml of this folder
  kbingest ingest -q /srv/kb/kb.toml      from cron: speaks only where something is not right
  kbingest ingest --json | jq .run.metrics

Exit codes: 0 done, 3 some documents failed, 11 another run is at work, 21 deletions withheld;
`kbingest --help` lists them all.";

const STATUS_EXAMPLES: &str = "\
Examples:
  kbingest status --watch                 follows a run
  kbingest status handbook.kb --failures  source, address, kind, stage, error; apart by tabs";

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

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// The settings.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub config: PathBuf,
    /// Drops what an interrupted run left half done, and begins anew.
    #[arg(long)]
    pub restart: bool,
    /// Lets deletions through even when more than half of a source's documents would go.
    #[arg(long)]
    pub allow_deletes: bool,
    /// Tries documents again that failed for good, though neither they nor the settings changed.
    #[arg(long)]
    pub retry_failed: bool,
    /// Writes the knowledge base to a network file system, where locks cannot be trusted.
    #[arg(long)]
    pub allow_network_fs: bool,
    /// Brings a copy up to date, searches it for these queries, as `eval` does, and replaces the knowledge base only
    /// where --min and --baseline hold; else exits with 22.
    #[arg(long, value_name = "QUERIES", requires = "gate")]
    pub publish_if_eval: Option<PathBuf>,
    /// What has to hold.
    #[command(flatten)]
    pub gate: GateArgs,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Whose knowledge base is written.
    #[command(flatten)]
    pub adopt: AdoptArgs,
    /// How the run is carried out and shown.
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
    /// How the run is carried out and shown.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Argument of every command that extracts documents.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// Allows for this one time what the settings ask for: commands that they run, environment variables that they
    /// send, hosts that are not public. `kbingest trust` shows it, and allows it from then on.
    #[arg(long)]
    pub trust: bool,
}

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub struct TrustCommandArgs {
    /// The settings.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub config: PathBuf,
    /// Shows what is asked for, and its hash; allows nothing.
    #[arg(long)]
    pub show: bool,
    /// Takes back that it was allowed.
    #[arg(long, conflicts_with = "show")]
    pub revoke: bool,
}

/// Argument of every command that writes a knowledge base.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Writes the knowledge base even where it belongs to another user, who may have put it there first.
    #[arg(long)]
    pub adopt: bool,
}

impl AdoptArgs {
    /// Fails where the knowledge base at `kb` is another user's and not to be adopted.
    pub fn judge(&self, kb: &Path) -> Result<(), Error> {
        if self.adopt { Ok(()) } else { operations::refuse_others(kb) }
    }
}

/// Arguments of every command that runs the pipeline.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Threads that embed; 0 means one for each processor.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
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
    /// Shows the status again every second until the run ends.
    #[arg(long)]
    pub watch: bool,
    /// Shows a row for every document that failed or was skipped, and nothing else.
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
    /// The target, which may be left out, and the query; the command's own text explains them. As two
    /// arguments, clap would refuse a query after `--`.
    #[arg(value_names = ["KB_TOML", "QUERY"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_query: Vec<String>,
    /// Hits shown.
    #[arg(short = 'k', long = "limit", value_name = "N", default_value_t = 5)]
    pub limit: usize,
    /// What hits are ranked by.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Hybrid)]
    pub mode: Mode,
    /// Only documents of this source.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only documents whose address matches this glob, as in "operations/**"; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<String>,
    /// Only documents with this in their metadata, as in 'author=Ann Lee' or tags=boats; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub meta: Vec<String>,
    /// Only documents whose metadata name this day or a later one, as in 2025-01-31, 2025-01 or 2025.
    #[arg(long, value_name = "DATE")]
    pub after: Option<String>,
    /// Only documents whose metadata name an earlier day.
    #[arg(long, value_name = "DATE")]
    pub before: Option<String>,
    /// Shows each chunk by itself: neighbours are not merged, repeated texts not left out.
    #[arg(long)]
    pub no_fold: bool,
    /// Shows how each score came about, and the words that matched.
    #[arg(long)]
    pub explain: bool,
    /// Neighbouring chunks shown on each side of a hit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub context: usize,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `extract` and `chunk`.
#[derive(Debug, Args)]
pub struct DocumentArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Settings to use; their sources need not be there. Default: those without a kb.toml.
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
    /// The target, which may be left out, and the file of queries.
    #[arg(value_names = ["KB_TOML", "QUERIES"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_queries: Vec<PathBuf>,
    /// Measures this mode only; may be repeated. The first one is the one that --min asks of.
    #[arg(long, value_name = "MODE", value_enum)]
    pub mode: Vec<Mode>,
    /// Adds every query in every mode to --json: its measures and what was found.
    #[arg(long, requires = "json")]
    pub details: bool,
    /// What has to hold.
    #[command(flatten)]
    pub gate: GateArgs,
    /// Writes a page with plots to this file; it needs no server and loads nothing.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What has to hold for exit code 0.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Insists on a value, as in recall@10=0.9 or text:ndcg@10=0.6; may be repeated.
    #[arg(long, value_name = "METRIC=VALUE", group = "gate")]
    pub min: Vec<Minimum>,
    /// Compares with an earlier report, which --json printed.
    #[arg(long, value_name = "FILE", group = "gate")]
    pub baseline: Option<PathBuf>,
    /// How far a measure may lie below the baseline.
    #[arg(long, value_name = "D", default_value_t = 0.0, requires = "baseline", value_parser = drop)]
    pub max_drop: f64,
}

fn drop(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}

/// Arguments of `extract-worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Bytes of address space at most.
    pub memory_bytes: u64,
    /// The process that started it.
    pub parent: u32,
}

/// Arguments of `supervise`.
#[derive(Debug, Args)]
pub struct CommandArgs {
    /// Bytes of data that each process may have.
    pub memory_bytes: u64,
    /// Program and arguments.
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// Reads every row, text and vector and compares it with its checksum, and the full-text index with the texts.
    #[arg(long)]
    pub read_data: bool,
    /// Where anything is found: builds a new file of all that is whole, checks it, and puts it into the place of the
    /// old one; the next ingest reads every source once more. Where that cannot be done, the file stays as it is.
    /// Implies --read-data.
    #[arg(long)]
    pub repair: bool,
    /// Whose knowledge base is mended.
    #[command(flatten)]
    pub adopt: AdoptArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}
