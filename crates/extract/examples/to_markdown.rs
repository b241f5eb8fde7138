//! Prints a document as Markdown, under its title and what else is known of it.
//!
//! ```text
//! cargo run --package kbingest-extract --example to_markdown -- letter.docx
//! ```

use std::io::{self, Write};
use std::path::PathBuf;

use kbingest_extract::{ExtractConfig, Extraction, child};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // First of all: PDF, Office and mail files are then read in a child process, which is this program once more.
    child::serve_if_asked();

    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: to_markdown FILE")?);
    let bytes = std::fs::read(&path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();

    // Keep it for all documents: its child processes are used again.
    let extraction = Extraction::open(&ExtractConfig::default(), None);
    let document = extraction.extract(&name, bytes).result?;

    let mut output = io::stdout().lock();
    writeln!(output, "title: {}", document.title)?;
    writeln!(output, "type: {}", document.media_type.as_str())?;
    for (name, value) in &document.metadata {
        writeln!(output, "{name}: {value}")?;
    }
    writeln!(output, "\n{}", document.text)?;
    Ok(())
}
