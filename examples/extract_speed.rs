//! How fast documents become text, by format, on one thread: `cargo run --release --example
//! extract_speed -- FOLDER…`
//!
//! Every file below the folders is read first, then extracted in this process until a second has
//! passed for its format. Prints megabytes of documents per second, as docs/formats.md shows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kbingest::extract::{ExtractConfig, Extraction};

/// Minimum time for which each format is measured.
const TIME_PER_FORMAT: Duration = Duration::from_secs(1);

/// Limit on the files of a format.
const FILES_MAX: usize = 200;

type Files = BTreeMap<String, Vec<(String, Vec<u8>)>>;

fn collect(folder: &Path, files: &mut Files) -> std::io::Result<()> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files)?;
        } else if let Some(ending) = path.extension() {
            let of_format = files.entry(ending.to_string_lossy().to_lowercase()).or_default();
            if of_format.len() < FILES_MAX {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                of_format.push((name, std::fs::read(&path)?));
            }
        }
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut files = Files::new();
    for folder in std::env::args_os().skip(1) {
        collect(Path::new(&folder), &mut files)?;
    }
    let extraction = Extraction::open(&ExtractConfig::default(), None);
    println!("| format | files | MB | MB/s | failed |");
    println!("|---|---|---|---|---|");
    for (format, documents) in &files {
        let bytes_once: usize = documents.iter().map(|(_, bytes)| bytes.len()).sum();
        let (mut spent, mut bytes_done, mut failed) = (Duration::ZERO, 0, 0);
        while spent < TIME_PER_FORMAT {
            failed = 0;
            for (name, bytes) in documents {
                // The extractor consumes its input: copied outside of what is measured.
                let copy = bytes.clone();
                let start = Instant::now();
                let attempt = extraction.extract(name, copy);
                spent += start.elapsed();
                failed += usize::from(attempt.result.is_err());
            }
            bytes_done += bytes_once;
            if bytes_once == 0 {
                break;
            }
        }
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        let speed = megabytes(bytes_done) / spent.as_secs_f64().max(1e-9);
        let count = documents.len();
        println!("| {format} | {count} | {:.1} | {speed:.1} | {failed} |", megabytes(bytes_once));
    }
    Ok(())
}
