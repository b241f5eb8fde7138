//! Help texts, which should read like a manual page.

use super::stdout;
use crate::support::Place;

/// Returns a help text, without the blanks with which clap ends some lines.
fn help(arguments: &[&str]) -> String {
    let text = stdout(&Place::new(), arguments);
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn help_of_the_program() {
    insta::assert_snapshot!(help(&["--help"]), @"");
}

#[test]
fn help_of_ingest() {
    insta::assert_snapshot!(help(&["ingest", "--help"]), @"");
}

#[test]
fn help_of_resume() {
    insta::assert_snapshot!(help(&["resume", "--help"]), @"");
}

#[test]
fn help_of_status() {
    insta::assert_snapshot!(help(&["status", "--help"]), @"");
}

#[test]
fn help_of_cancel() {
    insta::assert_snapshot!(help(&["cancel", "--help"]), @"");
}

#[test]
fn help_of_search() {
    insta::assert_snapshot!(help(&["search", "--help"]), @"");
}

#[test]
fn help_of_check() {
    insta::assert_snapshot!(help(&["check", "--help"]), @"");
}

#[test]
fn version() {
    let place = Place::new();
    let expected = format!("kbingest {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&place, &["--version"]), expected);
}
