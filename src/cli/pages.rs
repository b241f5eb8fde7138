//! `kbingest pages`.

use std::fmt::Write;

use super::args::PagesArgs;
use super::output::{escape, result};
use super::{Ending, output};
use crate::error::Error;
use crate::kb::PageView;
use crate::operations::{self, PagesReport, Target};
use crate::support::secrets;

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
