//! Paths that are not UTF-8: every command works there, and `--json` is lossy instead of failing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::kbingest;
use crate::support::Place;

const SETTINGS: &str = "
[[source.directory]]
name = 'docs'
path = 'docs'
[[source.git]]
name = 'repo'
url = 'docs'
[[source.archive]]
name = 'tar'
path = 't.tar'
[[source.records]]
name = 'rows'
path = 'rows.csv'
id = 'id'
text = ['text']
[[extract.command]]
match = '*.xyz'
run = ['./tool.sh', '{path}']
[embed.hash]
dim = 16
";

/// Makes a source of each kind in `folder`.
fn fill(place: &Place, folder: &Path) {
    let name = OsStr::from_bytes(b"n\xe9.md");
    place.put(&folder.join("docs").join(name), b"# Noir\n\nA cup of coffee.\n");
    place.put(&folder.join("docs/a.md"), b"# Milk\n\nA glass of milk.\n");
    place.put(&folder.join("rows.csv"), b"id,text\n1,sugar\n");
    place.put(&folder.join("docs/c.xyz"), b"# Tea\n\nA pot of tea.\n");
    let tool = folder.join("tool.sh");
    place.put(&tool, b"#!/bin/sh\ncat \"$1\"\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let mut archive = tar::Builder::new(fs::File::create(folder.join("t.tar")).unwrap());
    archive.append_path_with_name(folder.join("docs/a.md"), "inner.md").unwrap();
    archive.finish().unwrap();
    let git = |arguments: &[&str]| {
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        let mut command = std::process::Command::new("git");
        let done = command.current_dir(folder.join("docs")).args(author).args(arguments).output();
        assert!(done.unwrap().status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "all"]);
}

/// Runs the program with and without `--json`; it must end with 0.
fn succeeds(place: &Place, arguments: &[&OsStr]) {
    for json in [false, true] {
        let mut command = kbingest(&place.path(""));
        command.env("XDG_CACHE_HOME", place.path("").join(OsStr::from_bytes(b"cach\xe9")));
        command.args(arguments).args(json.then_some("--json"));
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        if json {
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert!(report.is_object(), "{arguments:?}: {report}");
        }
    }
}

#[test]
fn every_command_works_under_a_path_that_is_not_utf8() {
    let place = Place::new();
    let folder = place.path("").join(OsStr::from_bytes(b"caf\xe9"));
    fill(&place, &folder);
    let named = |name: &[u8]| folder.join(OsStr::from_bytes(name));
    let [toml, kb] = [named(b"k\xe9.toml"), named(b"k\xe9.kb")];
    let [queries, page] = [named(b"q\xe9.jsonl"), named(b"p\xe9.html")];
    fs::write(&toml, SETTINGS).unwrap();
    let query = "{\"id\":\"1\",\"query\":\"milk\",\"relevant\":[{\"uri\":\"a.md\"}]}\n";
    fs::write(&queries, query).unwrap();
    let check = |words: &[&str], paths: &[&Path]| {
        let words = words.iter().map(OsStr::new);
        let all: Vec<_> = words.chain(paths.iter().map(|path| path.as_os_str())).collect();
        succeeds(&place, &all);
    };
    check(&["ingest", "--trust"], &[&toml]);
    check(&["resume", "--trust"], &[&toml]);
    for target in [&toml, &kb] {
        check(&["status"], &[target]);
        check(&["search"], &[target, Path::new("coffee milk sugar")]);
        check(&["check", "--read-data"], &[target]);
        check(&["check", "--repair"], &[target]);
        check(&["eval"], &[target, &queries]);
    }
    check(&["eval", "--report"], &[&page, &toml, &queries]);
    check(
        &["ingest", "--trust", "--min", "recall@10=0.1", "--publish-if-eval"],
        &[&queries, &toml],
    );
    let document = folder.join("docs").join(OsStr::from_bytes(b"n\xe9.md"));
    check(&["extract"], &[&document]);
    check(&["chunk"], &[&document]);
    for arguments in [&["cancel"][..], &["trust", "--show"]] {
        let output = kbingest(&place.path("")).args(arguments).arg(&toml).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
    }
    let mut search = kbingest(&place.path(""));
    let found = search.args(["search", "--json"]).arg(&kb).arg("coffee").output().unwrap();
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let shown = found["knowledge_base"].as_str().unwrap();
    assert!(shown.ends_with("caf\u{fffd}/k\u{fffd}.kb"), "{found}");
    // A program gets the document in a folder that is not UTF-8 either.
    let tea = kbingest(&place.path("")).args(["search"]).arg(&kb).arg("tea").output().unwrap();
    assert!(String::from_utf8_lossy(&tea.stdout).contains("A pot of tea"), "{tea:?}");
    // The URI of a document is exact.
    assert_eq!(found["hits"][0]["uri"], "n%E9.md");
}
