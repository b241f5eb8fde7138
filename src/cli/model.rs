//! `kbingest model`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::Ending;
use super::output::{self, bytes, escape, message, result};
use crate::config::Config;
use crate::embed::hub::ModelFile;
use crate::error::Error;
use crate::operations::{self, Session};
use crate::support::checkpoint::StopSignal;
use crate::support::events::Silent;
use crate::workers::signal::Signals;

/// Arguments of `model`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelCommand,
}

/// What `model` can do.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Fetches what is missing, and prints each model's folder.
    Fetch {
        /// The settings.
        #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
        config: PathBuf,
    },
    /// Lists the models that were fetched: name, commit and size, tab-separated.
    List {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compares the files of each model with the lock file; exits with 31 if one differs.
    Verify {
        /// The settings.
        #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
        config: PathBuf,
    },
}

/// Runs `model`.
pub fn run(arguments: &ModelArgs) -> Result<Ending, Error> {
    match &arguments.command {
        ModelCommand::Fetch { config } => {
            let config = Config::load_without_sources(config)?;
            let stop = Arc::new(StopSignal::default());
            let signals = Signals::listen(Arc::clone(&stop))?;
            let session = Session { stop, events: &Silent, hook: None, embedder: None };
            let fetched = operations::fetch_models(&config, &session, &mut note);
            if let Some(signal) = signals.number() {
                return Ok(Ending::Signal(signal));
            }
            result(&lines(&fetched?, ""))?;
        }
        ModelCommand::Verify { config } => {
            let config = Config::load_without_sources(config)?;
            result(&lines(&operations::verify_models(&config)?, ": unchanged"))?;
        }
        ModelCommand::List { json } => {
            let kept = operations::kept_models()?;
            if *json {
                output::json(&kept)?;
                return Ok(Ending::Code(0));
            }
            let rows = kept.models.iter().map(|model| {
                let cells = [&*model.name, &model.commit, &bytes(model.bytes)];
                format!("{}\n", cells.map(|cell| escape(cell, false)).join("\t"))
            });
            result(&rows.collect::<String>())?;
        }
    }
    Ok(Ending::Code(0))
}

/// Returns a line for each folder.
fn lines(folders: &[PathBuf], end: &str) -> String {
    let line =
        |folder: &PathBuf| format!("{}{end}\n", escape(&folder.display().to_string(), false));
    folders.iter().map(line).collect()
}

fn note(file: &ModelFile) {
    let how = if file.is_new { "fetched" } else { "was here" };
    message(&format!("{} ({}) {how}", escape(&file.path, false), bytes(file.bytes)));
}
