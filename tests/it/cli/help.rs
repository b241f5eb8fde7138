//! Help texts, which should read like a manual page; they are in `snapshots/`.

use super::stdout;
use crate::support::Place;

#[test]
fn help() {
    let place = Place::new();
    let commands = [
        "", "ingest", "resume", "plan", "status", "pages", "cancel", "search", "ls", "get",
        "export", "similar", "runs", "diff", "stats", "analyze", "embed", "eval", "extract",
        "chunk", "trust", "cache", "model", "mcp", "serve", "check",
    ];
    for command in commands {
        let arguments: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let help = stdout(&place, &arguments);
        // clap ends some lines with blanks.
        let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        insta::assert_snapshot!(format!("help_{command}"), help);
        assert_eq!(
            stdout(&place, &[&["help"], &arguments[..arguments.len() - 1]].concat()).trim_end(),
            stdout(&place, &arguments).trim_end()
        );
    }
    let listed = stdout(&place, &["--help"]);
    let listed = listed.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let listed: Vec<_> =
        listed.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(listed[..listed.len() - 1], commands[1..], "a command is missing here");
}

#[test]
fn version() {
    let expected = format!("kbingest {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&Place::new(), &["--version"]), expected);
}
