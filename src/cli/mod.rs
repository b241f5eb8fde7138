//! The router: command line and environment in, text or JSON and an exit code out. The only place that
//! prints.

mod args;
mod cancel;
mod check;
mod exit_code;
mod ingest;
mod output;
mod progress;
mod render;
mod search;
mod status;

use clap::Parser;

use args::{Arguments, Command};

use crate::error::Error;

/// How a command ended, and what the process ends with.
enum Ending {
    /// With this number.
    Code(u8),
    /// By this signal, as if it had not been caught.
    Signal(i32),
}

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // `--help` and `--version` come this way too; clap prints to the right stream.
        Err(error) => {
            let _ = error.print();
            return std::process::ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    output::start_logging(arguments.verbose);
    let result = match arguments.command {
        Command::Ingest(command) => ingest::ingest(&command, arguments.quiet),
        Command::Resume(command) => ingest::resume(&command, arguments.quiet),
        Command::Status(command) => status::run(&command),
        Command::Cancel(command) => cancel::run(&command),
        Command::Search(command) => search::run(&command),
        Command::Check(command) => check::run(&command),
    };
    let ending = result.unwrap_or_else(|error| {
        render::error(&error);
        Ending::Code(exit_code(&error))
    });
    exit_code::end(&ending)
}

fn exit_code(error: &Error) -> u8 {
    error.exit_code().number()
}
