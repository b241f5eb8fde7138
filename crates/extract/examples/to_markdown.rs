//! Prints a document as Markdown, after its title and its metadata.
//!
//! ```text
//! cargo run --package kbingest-extract --example to_markdown -- letter.docx
//! ```

use std::io::{self, Write};
use std::path::PathBuf;

use kbingest_extract::{ExtractConfig, Extraction, child};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before anything else: PDF, Office and mail files are then read in a child process, which is
    // this program started again.
    child::serve_if_asked();

    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: to_markdown FILE")?);
    let bytes = std::fs::read(&path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();

    // One for all documents: its child processes are reused.
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
