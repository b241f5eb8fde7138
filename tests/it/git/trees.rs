//! Trees that git itself would not write: each oddity costs at most its own entry.

use std::io::Write;
use std::process::Stdio;

use super::*;

/// Writes an object without git's checks, and returns its id.
fn object(repository: &Repository, kind: &str, bytes: &[u8]) -> String {
    let mut child = Command::new("git")
        .current_dir(repository.folder())
        .args(["hash-object", "-w", "--literally", "--stdin", "-t", kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// One entry of a tree: mode, name, id.
fn entry(mode: &str, name: &[u8], id: &str) -> Vec<u8> {
    let pairs = id.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let id: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    [mode.as_bytes(), b" ", name, b"\0", &id].concat()
}

/// Makes a commit of the tree of these `entries` the only one of the branch.
fn commit(repository: &Repository, entries: &[Vec<u8>]) {
    let tree = object(repository, "tree", &entries.concat());
    let id = repository.git(&["commit-tree", "-m", "odd", &tree]);
    repository.git(&["update-ref", "refs/heads/main", &id]);
}

#[test]
fn odd_entries_cost_only_themselves() {
    let names: [(&str, &[&[u8]]); 9] = [
        ("twice", &[b"a.md", b"a.md"]),
        ("three times", &[b"a.md", b"a.md", b"a.md"]),
        ("out of order", &[b"z.md", b"y.md", b"b.md"]),
        ("..", &[b".."]),
        (".", &[b"."]),
        (".git", &[b".git", b".GIT"]),
        ("a slash", &[b"b/c.md", b"/d.md", b"../e.md"]),
        ("not UTF-8", &[b"caf\xe9.md", b"\xff\xfe.md"]),
        ("control characters", &[b"a\nb.md", b"\x1b[31m.md"]),
    ];
    for (what, odd) in names {
        for keys in ["", "\nhidden = true"] {
            let repository = Repository::new();
            repository.place.reconfigure("url = 'repo'", &format!("url = 'repo'{keys}"));
            let blob = object(&repository, "blob", b"# Good\n\nwords\n");
            let other = object(&repository, "blob", b"# Other\n\nothers\n");
            let mut entries = vec![entry("100644", b"good.md", &blob)];
            entries.extend(odd.iter().map(|name| entry("100644", name, &other)));
            entries.push(entry("100644", b"last.md", &blob));
            commit(&repository, &entries);
            let config = repository.place.config();
            let report = ingest(&config, None);
            // Git refuses some trees as a whole: then nothing is known.
            assert!([0, 3, 20].contains(&report.exit_code), "{what}: {report:#?}");
            if report.exit_code == 20 {
                continue;
            }
            let uris = rows(&repository.place.kb(), "SELECT DISTINCT uri FROM chunks ORDER BY 1");
            for good in ["good.md", "last.md"] {
                assert!(uris.iter().any(|uri| uri == good), "{what}{keys}: {uris:?}");
            }
            assert_sound(&repository.place.kb());
            // And again: nothing changes, nothing is lost.
            let again = ingest(&config, None);
            assert_eq!(again.exit_code, report.exit_code, "{what}{keys}: {again:#?}");
            assert_eq!(
                rows(&repository.place.kb(), "SELECT DISTINCT uri FROM chunks ORDER BY 1"),
                uris
            );
        }
    }
}

#[test]
fn of_a_name_that_occurs_twice_one_entry_is_a_document() {
    let repository = Repository::new();
    let [first, second] =
        [b"# First\n\none\n", b"# Other\n\ntwo\n"].map(|text| object(&repository, "blob", text));
    let inner = object(&repository, "tree", &entry("100644", b"x.md", &second));
    commit(
        &repository,
        &[
            entry("100644", b"a.md", &first),
            entry("100644", b"a.md", &second),
            entry("40000", b"b.md", &inner),
            entry("100644", b"b.md", &first),
            entry("40000", b"dir", &inner),
            entry("40000", b"dir", &inner),
        ],
    );
    let (report, _) = repository.ingest_to(3);
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|failure| format!("{}: {}", failure.uri, failure.error))
        .collect();
    assert_eq!(
        rows(&repository.place.kb(), "SELECT DISTINCT uri FROM chunks ORDER BY 1"),
        ["a.md", "b.md", "b.md/x.md", "dir/x.md"]
    );
    insta::assert_snapshot!(failures.join("\n"), @r"
    a.md: cannot list a.md: the repository has two files of this name
    dir/x.md: cannot list dir/x.md: the repository has two files of this name
    ");
    assert_eq!(repository.ingest_to(3).0.run.unwrap().metrics.documents_changed, 0);
}

#[test]
fn documents_include_files_of_their_commit() {
    let repository = Repository::new();
    repository.write("docs/a.md", "# A\n\n{{< include ../part of it.md >}}\n");
    repository.write("part of it.md", "From a file of the repository.\n");
    repository.write("docs/b.md", "{{< include ../gone now.md >}}\n");
    repository.commit();
    repository.ingest_to(0);
    let sql = "SELECT text FROM chunks WHERE uri LIKE 'docs/%' ORDER BY uri";
    let texts = || rows(&repository.place.kb(), sql).concat();
    assert!(texts().contains("# A\n\nFrom a file of the repository."), "{}", texts());
    assert!(texts().contains("{{< include ../gone now.md >}}"), "{}", texts());
    repository.write("part of it.md", "From another commit.\n");
    repository.commit();
    repository.ingest_to(0);
    assert!(texts().contains("# A\n\nFrom another commit."), "{}", texts());
    repository.assert_equals_fresh_ingest("documents that include others");
}
