//! Paths that are not UTF-8: every command works there, and `--json` is lossy instead of failing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::Value;

use super::kbingest;
use crate::support::Place;

#[test]
fn every_command_works_under_a_path_that_is_not_utf8() {
    let place = Place::new();
    let folder = place.path("").join(OsStr::from_bytes(b"caf\xe9"));
    let name = OsStr::from_bytes(b"n\xe9.md");
    place.put(&folder.join("docs").join(name), b"# Noir\n\nA cup of coffee.\n");
    place.put(&folder.join("docs/a.md"), b"# Milk\n\nA glass of milk.\n");
    place.put(&folder.join("rows.csv"), b"id,text\n1,sugar\n");
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
    let settings = "
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
[embed.hash]
dim = 16
";
    let toml = folder.join(OsStr::from_bytes(b"k\xe9.toml"));
    fs::write(&toml, settings).unwrap();
    let kb = folder.join(OsStr::from_bytes(b"k\xe9.kb"));
    let queries = folder.join(OsStr::from_bytes(b"q\xe9.jsonl"));
    fs::write(&queries, "{\"id\":\"1\",\"query\":\"milk\",\"relevant\":[{\"uri\":\"a.md\"}]}\n").unwrap();
    let page = folder.join(OsStr::from_bytes(b"p\xe9.html"));
    let document = folder.join("docs").join(name);
    let check = |code: i32, arguments: &[&OsStr]| {
        for json in [false, true] {
            let mut command = kbingest(&place.path(""));
            command.args(arguments);
            if json {
                command.arg("--json");
            }
            let output = command.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
            if json {
                let report: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert!(report.is_object(), "{arguments:?}: {report}");
            }
        }
    };
    let word = OsStr::new;
    let toml = toml.as_os_str();
    check(0, &[word("ingest"), toml]);
    check(0, &[word("resume"), toml]);
    for target in [toml, kb.as_os_str()] {
        check(0, &[word("status"), target]);
        check(0, &[word("search"), target, word("coffee milk sugar")]);
        check(0, &[word("check"), word("--read-data"), target]);
        check(0, &[word("check"), word("--repair"), target]);
        check(0, &[word("eval"), target, queries.as_os_str()]);
    }
    check(0, &[word("eval"), toml, queries.as_os_str(), word("--report"), page.as_os_str()]);
    check(
        0,
        &[
            word("ingest"),
            toml,
            word("--publish-if-eval"),
            queries.as_os_str(),
            word("--min"),
            word("recall@10=0.1"),
        ],
    );
    check(0, &[word("extract"), document.as_os_str()]);
    check(0, &[word("chunk"), document.as_os_str()]);
    for arguments in [&["cancel"][..], &["trust", "--show"]] {
        let mut command = kbingest(&place.path(""));
        let output = command.args(arguments).arg(toml).output().unwrap();
        assert_ne!(output.status.code(), None);
        assert_ne!(output.status.code(), Some(1), "{arguments:?} {output:?}");
    }
    let found =
        kbingest(&place.path("")).args(["search", "--json"]).arg(&kb).arg("coffee").output();
    let found: Value = serde_json::from_slice(&found.unwrap().stdout).unwrap();
    let base = Path::new("caf\u{fffd}").join("k\u{fffd}.kb");
    assert!(Path::new(found["knowledge_base"].as_str().unwrap()).ends_with(base), "{found}");
    // The URI of a document is exact.
    assert_eq!(found["hits"][0]["uri"], "n%E9.md");
}
