//! The program as people and scripts use it: help, exit codes, JSON, streams that cannot be
//! written.
//!
//! Everything goes through the real binary.

mod exit_codes;
mod expanded;
mod export;
mod forms;
mod help;
mod json;
mod look;
mod names;
mod outside;
mod streams;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{BROKEN, Place, markdown};

#[path = "../../examples/ingest_and_search.rs"]
#[expect(dead_code, reason = "its main is for people")]
mod example;

fn kbingest(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    command.current_dir(folder).env_remove("CLICOLOR_FORCE").env("COLUMNS", "100");
    command.env("XDG_CACHE_HOME", folder.join(".cache"));
    command
}

fn run(place: &Place, arguments: &[&str]) -> Output {
    kbingest(&place.path("")).args(arguments).output().unwrap()
}

/// Runs the program, which must exit with `code`; returns its stdout and stderr.
pub fn ends_with(place: &Place, code: i32, arguments: &[&str]) -> (String, String) {
    let output = run(place, arguments);
    let [stdout, stderr] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

fn stdout(place: &Place, arguments: &[&str]) -> String {
    ends_with(place, 0, arguments).0
}

/// A folder with three documents, ingested.
fn ingested() -> Place {
    let place = Place::new();
    place.write("river.md", markdown(1, 3, "ferry"));
    place.write("sub/harbour.md", markdown(2, 3, "pilot"));
    place.write("tides.txt", "High water is at noon.\n");
    stdout(&place, &["ingest", "-q"]);
    place
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(place, arguments)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entry = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    let mut names: Vec<_> = folder.read_dir().unwrap().map(|e| entry(e).unwrap()).collect();
    names.sort();
    names
}
