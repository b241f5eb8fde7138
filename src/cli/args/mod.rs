//! The command line.

mod command;
mod eval;
mod examples;
mod inspect;
mod permission;
mod run;
mod search;

use clap::{ArgAction, Parser};

pub use command::Command;
pub use eval::{EvalArgs, GateArgs};
pub use inspect::{CancelArgs, CheckArgs, DocumentArgs, StatusArgs};
pub use permission::{TrustArgs, TrustCommandArgs};
pub use run::{IngestArgs, ProgressMode, ResumeArgs, RunArgs};
pub use search::SearchArgs;

use super::exit_code;

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
