//! `kbingest trust`, and the prompt before a run.

use std::io::{self, IsTerminal};
use std::path::Path;

use super::args::{TrustArgs, TrustCommandArgs};
use super::output::{escape, message, result};
use super::{Ending, render};
use crate::config::Config;
use crate::error::Error;
use crate::operations;

/// Runs `trust`.
pub fn run(arguments: &TrustCommandArgs) -> Result<Ending, Error> {
    let mut config = Config::load_without_sources(&arguments.config)?;
    let requests = config.requests();
    let name = escape(&arguments.config.display().to_string(), false);
    if requests.is_empty() {
        result(&format!("{name} asks for nothing that needs your permission\n"))?;
        return Ok(Ending::Code(0));
    }
    let was_trusted = config.is_trusted;
    let outcome = if arguments.revoke {
        let was_allowed = config.distrust()?;
        if was_allowed { "it is no longer allowed" } else { "it was not allowed" }
    } else if arguments.show {
        if was_trusted { "it is allowed" } else { "it is not allowed" }
    } else {
        config.trust()?;
        "it is allowed until it changes"
    };
    let asked = render::list_requests(&requests);
    result(&format!("{name} asks for this:\n{asked}\n{outcome}\nhash: {}\n", config.trust_hash))?;
    Ok(Ending::Code(0))
}

/// Asks the person at the terminal, if there is one, to allow what the kb.toml at `path` asks for.
///
/// Runs before anything else is printed and before signals are caught, so that Ctrl-C ends the
/// prompt. The next loading of the file reports its errors, and refuses it if it is not allowed, by
/// its content at that time.
pub fn ask(path: &Path, trust: &TrustArgs, is_json: bool) -> Result<(), Error> {
    let has_user = io::stdin().is_terminal() && io::stderr().is_terminal();
    if trust.trust || is_json || !has_user || operations::is_knowledge_base(path) {
        return Ok(());
    }
    let Ok(mut config) = Config::load_without_sources(path) else { return Ok(()) };
    let requests = config.requests();
    if config.is_trusted || requests.is_empty() {
        return Ok(());
    }
    let name = escape(&path.display().to_string(), false);
    message(&format!("{name} asks for this:\n{}", render::list_requests(&requests)));
    message("Allow it until the file changes? [y/N]");
    let mut answer = String::new();
    let is_answered = io::stdin().read_line(&mut answer).is_ok();
    if is_answered && matches!(answer.trim(), "y" | "Y" | "yes") {
        config.trust()?;
    }
    Ok(())
}
