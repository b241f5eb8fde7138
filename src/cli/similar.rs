//! `kbingest similar`.

use std::ffi::OsString;
use std::fmt::Write;

use clap::Args;

use super::output::{escape, result};
use super::target::target_and_last;
use super::{Ending, output};
use crate::error::Error;
use crate::operations::{self, SimilarReport, Target};
use crate::support::secrets;

/// Arguments of `similar`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest similar [OPTIONS] [KB_TOML] <DOCUMENT>")]
pub struct SimilarArgs {
    /// The optional target, and the document; the command's own text explains them.
    #[arg(value_names = ["KB_TOML", "DOCUMENT"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_document: Vec<OsString>,
    /// Number of documents.
    #[arg(short = 'k', long = "limit", value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Runs `similar`.
pub fn run(arguments: &SimilarArgs) -> Result<Ending, Error> {
    let (target, document) = target_and_last(&arguments.target_and_document);
    let target = Target::open(target)?;
    let report = operations::similar(&target, &document.to_string_lossy(), arguments.limit)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&rows(&report))?;
    }
    Ok(Ending::Code(0))
}

/// Returns a row per document: cosine, source, URI and title, tab-separated.
fn rows(report: &SimilarReport) -> String {
    let mut text = String::new();
    for document in &report.documents {
        let cells = [&document.source, &document.uri, &document.title];
        let cells = cells.map(|cell| escape(&secrets::hidden(cell), false));
        let _ = writeln!(text, "{:.3}\t{}", document.cosine, cells.join("\t"));
    }
    text
}
