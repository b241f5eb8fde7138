//! Arguments of the commands that run the pipeline.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::eval::GateArgs;
use super::permission::{AdoptArgs, TrustArgs};
use crate::operations::FailOn;

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
