//! Prints the Markdown and the chunks that an ingest would make of a file:
//!
//! ```sh
//! cargo run --release --example extract_file -- README.md
//! ```

use std::error::Error;
use std::path::Path;

use kbingest::DocumentSettings;

fn main() -> Result<(), Box<dyn Error>> {
    // Before anything else: PDF, Office and mail files are then read in a child process, which is
    // this program started again.
    kbingest::serve_if_asked();

    let path = std::env::args().nth(1).unwrap_or_else(|| "README.md".to_owned());
    let settings = DocumentSettings::default();
    let document = kbingest::extract(Path::new(&path), &settings)?;
    println!("{}", document.text);
    for chunk in kbingest::chunk(Path::new(&path), &settings)?.chunks {
        println!("lines {}-{}: {}", chunk.start_line, chunk.end_line, chunk.heading_path);
    }
    Ok(())
}
