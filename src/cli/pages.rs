//! `kbingest pages`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::output::{escape, result};
use super::{Ending, output};
use crate::error::Error;
use crate::kb::PageView;
use crate::operations::{self, PagesReport, Target};
use crate::support::secrets;

/// Arguments of `pages`.
#[derive(Debug, Args)]
pub struct PagesArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// Lists only pages in this state; several are separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(operations::page_states()))]
    pub state: Vec<String>,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Runs `pages`.
pub fn run(arguments: &PagesArgs) -> Result<Ending, Error> {
    let target = Target::open(&arguments.target)?;
    let report = operations::pages(&target, &arguments.state)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&rows(&report))?;
    }
    Ok(Ending::Code(0))
}

/// Returns a row per page: source, state, URL and reason, tab-separated.
fn rows(report: &PagesReport) -> String {
    let mut text = String::new();
    for PageView { source, url, state, reason, .. } in &report.pages {
        let cells = [source, *state, url, reason.as_deref().unwrap_or_default()];
        let cells = cells.map(|cell| escape(&secrets::hidden(cell), false));
        let _ = writeln!(text, "{}", cells.join("\t").trim_end());
    }
    text
}
