//! The command line: arguments and environment in, text or JSON and an exit code out. The only
//! module that prints.

mod analyze;
mod args;
mod cache;
mod cancel;
mod check;
mod document;
mod eval;
mod exit_code;
mod export;
mod get;
mod hints;
mod ingest;
mod ls;
#[cfg(feature = "serve")]
mod mcp;
mod model;
mod output;
mod pages;
mod plan;
mod progress;
mod render;
mod runs;
mod search;
#[cfg(feature = "serve")]
mod serve;
mod similar;
mod stats;
mod status;
mod target;
mod terminal;
mod trust;

use clap::Parser;

use args::{Arguments, Command};

use crate::error::Error;
use crate::extract::child;
use crate::workers::signal;

/// How a command ended, which decides how the process ends.
enum Ending {
    /// With this number.
    Code(u8),
    /// By this signal, as if it had not been caught.
    Signal(i32),
}

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    // A panic has already printed its message; its exit code is that of any unexpected error.
    let ending = std::panic::catch_unwind(run)
        .unwrap_or(Ending::Code(crate::error::ExitCode::Unexpected.number()));
    exit_code::end(&ending)
}

fn run() -> Ending {
    // Before all else: what reads a stranger's document may write no file, and ends if it does.
    child::serve_if_asked();
    let result = match Arguments::try_parse() {
        Ok(arguments) => dispatch(&arguments),
        Err(error) => {
            // `--help` and `--version` also end here, and print to stdout; output to stderr may be
            // lost.
            let is_version = error.kind() == clap::error::ErrorKind::DisplayVersion;
            let printed = error.print();
            let printed = if is_version && is_verbose() {
                printed.and_then(|()| output::sandbox(&crate::support::sandbox::enter()))
            } else {
                printed
            };
            let printed =
                if error.use_stderr() { Ok(()) } else { output::ignore_closed_pipe(printed) };
            printed.map(|()| Ending::Code(u8::try_from(error.exit_code()).unwrap_or(2)))
        }
    };
    result.unwrap_or_else(|error| {
        render::error(&error);
        Ending::Code(error.exit_code().number())
    })
}

/// Reports whether `-v` was given together with `--version`, at which clap stops parsing.
fn is_verbose() -> bool {
    std::env::args()
        .skip(1)
        .any(|argument| matches!(&*argument, "-v" | "-vV" | "-Vv" | "--verbose"))
}

fn dispatch(arguments: &Arguments) -> Result<Ending, Error> {
    output::start_logging(arguments.verbose);
    signal::outlive_size_limit()?;
    match &arguments.command {
        Command::Ingest(command) if command.dry_run => {
            plan::run(command, arguments.quiet, arguments.verbose > 0)
        }
        Command::Ingest(command) => ingest::ingest(command, arguments.quiet),
        Command::Plan(command) => plan::run(command, arguments.quiet, arguments.verbose > 0),
        Command::Resume(command) => ingest::resume(command, arguments.quiet),
        Command::Status(command) => status::run(command),
        Command::Pages(command) => pages::run(command),
        Command::Cancel(command) => cancel::run(command),
        Command::Search(command) => search::run(command),
        Command::Ls(command) => ls::run(command),
        Command::Get(command) => get::run(command),
        Command::Export(command) => export::run(command),
        Command::Similar(command) => similar::run(command),
        Command::Runs(command) => runs::runs(command),
        Command::Diff(command) => runs::diff(command),
        Command::Stats(command) => stats::run(command),
        Command::Analyze(command) => analyze::analyze(command),
        Command::Embed(command) => analyze::embed(command),
        Command::Extract(command) => document::extract(command),
        Command::Chunk(command) => document::chunk(command),
        Command::Eval(command) => eval::run(command, arguments.quiet),
        Command::Trust(command) => trust::run(command),
        Command::Cache(command) => cache::run(command),
        Command::Model(command) => model::run(command),
        #[cfg(feature = "serve")]
        Command::Mcp(command) => mcp::run(command),
        #[cfg(feature = "serve")]
        Command::Serve(command) => serve::run(command),
        Command::Check(command) => check::run(command),
    }
}
