//! The same tree as a folder, a git repository and archives: the same documents, whatever its globs
//! exclude and whatever else is in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Place, ingest, rows};

/// A tree, by path; ingested as each kind of source.
type Tree = BTreeMap<String, Vec<u8>>;

const KINDS: [&str; 4] = ["directory", "git", "zip", "tar"];

fn tree<'a>(files: impl IntoIterator<Item = &'a str>) -> Tree {
    let text = |path: &str| format!("# {path}\n\nWords of {path}.\n").into_bytes();
    files.into_iter().map(|path| (path.to_owned(), text(path))).collect()
}

/// Makes `files` of `kind` at `place`, with `keys` in its table.
fn place_of(kind: &str, files: &Tree, keys: &str) -> Place {
    let place = Place::new();
    let folder = place.path("tree");
    for (path, bytes) in files {
        place.put(&folder.join(path), bytes);
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(&folder).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let table = match kind {
        "directory" => "directory]]\npath = 'tree'\ngitignore = false",
        "git" => {
            run("git", &["init", "-q"]);
            run("git", &["add", "-A", "-f"]);
            let author = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
            run("git", &[&author[..], &["commit", "-q", "-m", "all"]].concat());
            "git]]\nurl = 'tree'"
        }
        "zip" => {
            let mut writer = zip::ZipWriter::new(fs::File::create(place.path("t.zip")).unwrap());
            for (path, bytes) in files {
                let options = zip::write::SimpleFileOptions::default();
                writer.start_file(path.as_str(), options).unwrap();
                std::io::Write::write_all(&mut writer, bytes).unwrap();
            }
            writer.finish().unwrap();
            "archive]]\npath = 't.zip'"
        }
        _ => {
            let mut builder = tar::Builder::new(fs::File::create(place.path("t.tar")).unwrap());
            builder.append_dir_all(".", &folder).unwrap();
            builder.finish().unwrap();
            "archive]]\npath = 't.tar'"
        }
    };
    place.configure(&format!(
        "[kb]\npath = 'kb.kb'\n[[source.{table}\nname = 'tree'\n{keys}\n[embed.hash]\ndim = 16\n"
    ));
    place
}

/// Returns the URIs that searches find, and those of failures with their reasons.
fn documents(place: &Place) -> (Vec<String>, Vec<String>) {
    let live = "SELECT document.uri FROM document JOIN revision
                ON revision.document_id = document.id WHERE state = 'live' ORDER BY 1";
    let failed = "SELECT uri || ': ' || error FROM failure
                  JOIN document ON document.id = document_id ORDER BY 1";
    (rows(&place.kb(), live), rows(&place.kb(), failed))
}

#[test]
fn globs_choose_the_same_documents_of_every_kind() {
    let nfd = "Vertra\u{308}ge/a.md";
    let files = tree([
        "a.md",
        "a/b/c.md",
        "a/b.md",
        "a/bc/c.md",
        "b/a/b/x.md",
        "drafts/one.md",
        "drafts/deep/two.md",
        "docs/drafts/three.md",
        "docs/x",
        "docs/y/x",
        "docs/y/z.md",
        "keep.tmp",
        "node_modules/p/q.md",
        "src/node_modules/r.md",
        "t.tmp/u.md",
        nfd,
    ]);
    let check = |keys: &str, expected: &[&str]| {
        let mut all: Vec<_> = expected.to_vec();
        all.sort_unstable();
        for kind in KINDS {
            let place = place_of(kind, &files, keys);
            let report = ingest(&place.config(), None);
            assert_eq!(report.exit_code, 0, "{kind} {keys}: {report:#?}");
            assert_eq!(documents(&place).0, all, "{kind} {keys}");
        }
    };
    let except = |left_out: &[&str]| -> Vec<String> {
        let starts = |path: &str| left_out.iter().any(|start| path.starts_with(start));
        files.keys().filter(|path| !starts(path)).cloned().collect()
    };
    let without = |exclude: &str, left_out: &[&str]| {
        let expected = except(left_out);
        check(
            &format!("exclude = [{exclude}]"),
            &expected.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    };
    without("'drafts'", &["drafts/"]);
    without("'drafts', '**/node_modules'", &["drafts/", "node_modules/", "src/node_modules/"]);
    without("'drafts/**'", &["drafts/"]);
    without("'**/drafts'", &["drafts/", "docs/drafts/"]);
    without("'a/b'", &["a/b/"]);
    without("'a/*'", &["a/"]);
    without("'*.tmp'", &["keep.tmp", "t.tmp/"]);
    without("'docs/**/x'", &["docs/x", "docs/y/x"]);
    without("'!drafts'", &[]);
    without("'Verträge/**'", &["Vertra\u{308}ge/"]);
    without("'Vertra\u{308}ge'", &["Vertra\u{308}ge/"]);
    check("include = ['Verträge/*.md']", &[nfd]);
    check(
        "include = ['**/x', 'a/**']\nexclude = ['a/b']",
        &["a/b.md", "a/bc/c.md", "docs/x", "docs/y/x"],
    );
}

#[test]
fn globs_that_match_nothing_are_refused_for_every_kind() {
    let files = tree(["a.md"]);
    for glob in ["drafts/", "/top", "./a", "a/../b", ""] {
        for kind in KINDS {
            let place = place_of(kind, &files, &format!("exclude = ['{glob}']"));
            let refused = kbingest::config::Config::load(&place.toml());
            assert!(refused.is_err(), "{kind} {glob}");
        }
    }
}

#[test]
fn files_of_another_knowledge_base_are_no_documents_of_any_kind() {
    // Another knowledge base, whose cache is in the tree, too.
    let other = Place::new();
    other.write("a.md", "# A\n\nWords.\n");
    let folder = other.path("made");
    fs::create_dir(&folder).unwrap();
    let mut config = other.config();
    config.kb = folder.join("other.kb");
    config.cache = Some(folder.join("cache"));
    fs::create_dir(other.path("repo")).unwrap();
    for arguments in [
        &["init", "-q"][..],
        &["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm1", "--allow-empty"],
    ] {
        let git = Command::new("git").current_dir(other.path("repo")).args(arguments).status();
        assert!(git.unwrap().success());
    }
    config.source.git.push(kbingest::source::GitConfig::new("repo", "repo"));
    config.source.archive.push(kbingest::source::ArchiveConfig::new("zip", "a.zip"));
    let zip = zip::ZipWriter::new(fs::File::create(other.path("a.zip")).unwrap());
    zip.finish().unwrap();
    ingest(&config, None);
    let mut files = tree(["a.md", "yarn.lock", "notes.next"]);
    gather(&folder, &folder, &mut files);
    for name in ["other.kb.next", "other.kb.damaged", "other.kb.damaged-2", "other.kb.repaired"] {
        files.insert(name.to_owned(), files["other.kb"].clone());
    }
    // Of any name, if its lock file is beside it.
    files.insert("index.db".to_owned(), files["other.kb"].clone());
    files.insert("index.db.lock".to_owned(), files["other.kb.lock"].clone());
    // A document stays one whatever is beside it.
    files.insert("a.md.lock".to_owned(), files["other.kb.lock"].clone());
    // Left by a killed process.
    files.insert("other.kb-wal".to_owned(), b"\x37\x7f\x06\x82 words".to_vec());
    files.insert("other.kb-shm".to_owned(), b"words".to_vec());
    files.insert("other.kb.next-journal".to_owned(), b"\xd9\xd5\x05\xf9 words".to_vec());
    let lock = files["other.kb.lock"].clone();
    files.insert("deep/renamed.txt.lock".to_owned(), lock);
    assert!(files.keys().any(|path| path.starts_with("cache/") && path.contains("/git/repo-")));
    assert!(files.keys().any(|path| path.ends_with("/archives/zip.json")));
    for kind in KINDS {
        for keys in ["", "hidden = true"] {
            let mut files = files.clone();
            if kind != "directory" {
                // Only beside a knowledge base are they what their names say.
                files.retain(|name, _| !name.ends_with("-shm"));
            }
            let place = place_of(kind, &files, keys);
            let report = ingest(&place.config(), None);
            assert_eq!(report.exit_code, 0, "{kind} {keys}: {report:#?}");
            let (live, failed) = documents(&place);
            assert_eq!(live, ["a.md", "notes.next", "yarn.lock"], "{kind} {keys}");
            let is_reported =
                |line: &String| !line.contains("kbingest made") && !line.contains("binary");
            assert!(!failed.iter().any(is_reported), "{kind} {keys}: {failed:#?}");
            if kind == "directory" {
                assert!(failed.is_empty(), "{keys}: {failed:#?}");
            }
        }
    }
}

fn gather(root: &Path, folder: &Path, files: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}
