//! Streams that are closed, full or abandoned, and text that tries to control the terminal.

use std::fs::File;
use std::process::{Command, Stdio};

use super::{BROKEN, ingested, json, kbingest};
use crate::support::{Place, markdown};

#[test]
fn colours_are_for_terminals() {
    let place = Place::new();
    place.write("good.md", "# Tide\n\nhigh water");
    place.write("bad.md", BROKEN);
    for arguments in [&["ingest", "-vv"][..], &["status"], &["search", "tide"], &["check", "no.kb"]]
    {
        let output = kbingest(&place.path("")).args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.is_empty() && !said.contains('\u{1b}'), "{arguments:?}: {said:?}");
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let place = Place::new();
    let evil = "\u{1b}[45m\u{7}\u{9b}45m\u{7f}";
    place.write(
        &format!("good{evil}.md"),
        format!("# Tide {evil}\n\n{}{evil}.\n", "high water ".repeat(30)),
    );
    place.write(&format!("bad{evil}.md"), BROKEN);
    place.write(&format!("skipped{evil}.md"), "\0");
    place.write("link.md", "x");
    std::os::unix::fs::symlink("nowhere", place.docs().join(format!("l{evil}"))).unwrap();
    let check = |code, arguments: &[&str]| {
        let output =
            kbingest(&place.path("")).env("CLICOLOR_FORCE", "1").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let steers = ["\u{1b}[45m", "\u{7}", "\u{9b}", "\u{7f}"].iter().any(|c| said.contains(c));
        assert!(!steers, "{arguments:?}: {said:?}");
        said
    };
    check(3, &["ingest", "-vv"]);
    check(3, &["ingest", "-vv", "--progress", "bar", "--restart"]);
    assert!(check(0, &["search", "tide water"]).contains("\\u{1b}[45m"));
    check(0, &["search", "tide water", "--context", "2"]);
    check(0, &["status"]);
    assert!(check(0, &["status", "--failures"]).contains("bad"));
    check(0, &["check"]);
    check(2, &["search", "x", "--source", evil]);
    check(2, &["ingest", &format!("{evil}.toml")]);
    check(10, &["status", &format!("{evil}.kb")]);
}

const COMMANDS: &[&[&str]] = &[
    &["--help"],
    &["search", "--help"],
    &["--version"],
    &["ingest", "-vv"],
    &["ingest", "--json"],
    &["ingest", "--progress", "bar"],
    &["resume"],
    &["status"],
    &["status", "--json"],
    &["status", "--failures"],
    &["search", "kb.toml", "ferry"],
    &["search", "kb.toml", "ferry", "--json"],
    &["ls"],
    &["ls", "--json"],
    &["get", "river.md"],
    &["export"],
    &["similar", "river.md"],
    &["runs"],
    &["diff"],
    &["stats"],
    &["analyze", "ferry"],
    &["embed", "ferry"],
    &["check"],
    &["cancel"],
];

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = ingested();
    for arguments in COMMANDS {
        let mut command = kbingest(&place.path(""));
        let mut child =
            command.args(*arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
    for arguments in COMMANDS {
        let mut command = kbingest(&place.path(""));
        let mut child =
            command.args(*arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_full_disk_below_stdout_is_told() {
    let place = ingested();
    for (number, arguments) in COMMANDS.iter().enumerate() {
        place.write("new.md", markdown(number as u64, 2, "ferry"));
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = kbingest(&place.path(""));
        let output = command.args(*arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        // Without a failure nothing is printed.
        let expected = if arguments.contains(&"--failures") { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
        assert!(expected == 0 || stderr.contains("cannot write to stdout"), "{stderr}");
        if arguments[0] == "ingest" {
            let status = json(&place, &["status", "--json"]);
            assert_eq!(status["run"]["status"], "completed", "{arguments:?}");
        }
    }
}

#[test]
fn a_full_disk_below_stderr_changes_nothing() {
    let place = ingested();
    for (number, arguments) in COMMANDS.iter().enumerate() {
        place.write("new.md", markdown(number as u64, 2, "ferry"));
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = kbingest(&place.path(""));
        let output = command.args(*arguments).stdout(Stdio::piped()).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
    // Errors and warnings cannot be written either.
    place.write("broken.md", BROKEN);
    let _socket = std::os::unix::net::UnixListener::bind(place.docs().join("socket")).unwrap();
    let logged = kbingest(&place.path("")).args(["ingest", "-vv"]).output().unwrap().stderr;
    assert!(String::from_utf8(logged).unwrap().contains("left out"), "nothing is logged");
    for (code, arguments) in [
        (3, &["ingest", "-vv"][..]),
        (2, &["ingest", "nowhere.toml"]),
        (2, &["nonsense"]),
        (10, &["status", "nowhere.kb"]),
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = kbingest(&place.path(""));
        let output = command.args(arguments).stdout(Stdio::piped()).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
}

#[test]
fn closed_streams_do_not_end_up_in_the_knowledge_base() {
    let place = ingested();
    place.write("new.md", markdown(9, 2, "ferry"));
    let script = "\"$0\" ingest -vv <&- >&- 2>&-";
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", script, env!("CARGO_BIN_EXE_kbingest")]);
    assert!(shell.current_dir(place.path("")).status().unwrap().success());
    place.assert_equals_fresh_ingest();
}
