//! Arguments of the commands that show or check a knowledge base, its run, or what a document
//! becomes.

use std::path::PathBuf;

use clap::Args;

use super::permission::{AdoptArgs, TrustArgs};

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
