//! Whole runs beside their floors, in one table: goal, value, and whether it is reached.
//!
//! ```sh
//! cargo bench --bench runs
//! ```
//!
//! `KBINGEST_BENCH_MB` sets the size of the corpus (100), `KBINGEST_BENCH_CORPUS` names a folder of
//! Markdown to use instead (copied first: some of it is edited). `KBINGEST_BENCH_LARGE_MB` adds
//! lines about a corpus of that size (1000 in the goals; minutes and gigabytes). Ratios within one
//! run say more than seconds: every line is CPU time against CPU time of the same machine in the
//! same minutes.

mod clock;
mod corpus;
mod floors;
mod goals;
mod store;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use kbingest::config::Config;
use kbingest::operations::{self, IngestOptions, Session};
use kbingest::support::checkpoint::StopSignal;
use kbingest::support::events::Silent;
use serde::{Deserialize, Serialize};

/// Set in the process that makes one run, names its kb.toml.
const RUN: &str = "KBINGEST_BENCH_RUN";
/// Set in the process that makes one walk, names the folder.
const WALK: &str = "KBINGEST_BENCH_WALK";
const CORPUS_MB: u64 = 100;
/// Name of the settings beside the documents.
const TOML: &str = "kb.toml";

/// The resources that one run used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// User and system, of all threads.
    pub cpu_seconds: f64,
    /// From start to end.
    pub wall_seconds: f64,
    /// Largest resident set.
    pub rss_bytes: Option<u64>,
    /// Written to disks, the log included.
    pub written_bytes: Option<u64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(toml) = std::env::var_os(RUN) {
        return be_run(Path::new(&toml));
    }
    if let Some(folder) = std::env::var_os(WALK) {
        println!("{}", floors::walk_cpu_seconds(Path::new(&folder)));
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let docs = scratch.path().join("docs");
    match std::env::var_os("KBINGEST_BENCH_CORPUS") {
        Some(folder) => copy(Path::new(&folder), &docs)?,
        None => {
            let megabytes = megabytes("KBINGEST_BENCH_MB")?.unwrap_or(CORPUS_MB);
            corpus::make(&docs, megabytes * 1_000_000)?;
        }
    }
    configure(scratch.path())?;
    let large_mb = megabytes("KBINGEST_BENCH_LARGE_MB")?;
    let measured = goals::measure(&docs, scratch.path(), large_mb)?;
    print!("{measured}");
    Ok(())
}

fn megabytes(variable: &str) -> Result<Option<u64>, Box<dyn Error>> {
    Ok(std::env::var(variable).ok().map(|size| size.parse()).transpose()?)
}

/// Writes the settings for the documents in `docs` below `folder`; returns their path.
fn configure(folder: &Path) -> std::io::Result<PathBuf> {
    let toml = folder.join(TOML);
    fs::write(&toml, "[[source.directory]]\nname = 'docs'\npath = 'docs'\n")?;
    Ok(toml)
}

/// Ingests in a process of its own, and returns the resources that it used, from its start.
pub fn run(toml: &Path) -> Result<Usage, Box<dyn Error>> {
    Ok(serde_json::from_slice(&in_own_process(RUN, toml)?)?)
}

/// Walks `folder` in a process of its own, as cold as that of a run; returns the CPU seconds of the
/// walk alone.
pub fn walk(folder: &Path) -> Result<f64, Box<dyn Error>> {
    Ok(serde_json::from_slice(&in_own_process(WALK, folder)?)?)
}

fn in_own_process(task: &str, path: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).env(task, path).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(output.stdout)
}

fn be_run(toml: &Path) -> Result<(), Box<dyn Error>> {
    let since = Instant::now();
    let stop = Arc::new(StopSignal::default());
    let session = Session { stop, events: &Silent, hook: None, embedder: None };
    let report = operations::ingest(&Config::load(toml)?, &IngestOptions::default(), &session)?;
    if report.exit_code != 0 {
        return Err(format!("{report:?}").into());
    }
    let usage = Usage {
        cpu_seconds: clock::cpu_seconds(),
        wall_seconds: since.elapsed().as_secs_f64(),
        rss_bytes: clock::peak_rss_bytes(),
        written_bytes: clock::written_bytes(),
    };
    println!("{}", serde_json::to_string(&usage)?);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let files: Vec<PathBuf> = floors::walk(from);
    for file in files {
        let path = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
        fs::copy(file, path)?;
    }
    Ok(())
}
