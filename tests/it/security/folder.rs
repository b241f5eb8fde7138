//! D: a folder with a kb.toml from a stranger, from a clone, an archive or a download.

mod clone;
mod remote;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{Place, markdown, program};

/// An archive without members.
pub(super) const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A place with two documents, and files outside of the folder that must not change.
struct Victim {
    place: Place,
    outside: tempfile::TempDir,
}

impl Victim {
    fn new() -> Self {
        let victim = Self { place: Place::new(), outside: tempfile::tempdir().unwrap() };
        victim.place.write("a.md", markdown(1, 2, "ferry"));
        victim.place.write("b.md", markdown(2, 2, "pilot"));
        victim
    }

    /// Makes a file outside, and returns its path.
    fn precious(&self, name: &str) -> PathBuf {
        let path = self.outside.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        path
    }

    fn is_unharmed(&self, path: &Path) -> bool {
        path.starts_with(self.outside.path())
            && fs::read_to_string(path).is_ok_and(|text| text == "precious")
    }

    /// Replaces `name` by a link to a precious file, and returns that file.
    fn link(&self, name: &str) -> PathBuf {
        let target = self.precious(&format!("target-of-{name}"));
        symlink(&target, self.place.path(name)).unwrap();
        target
    }

    fn run(&self, arguments: &[&str]) -> Output {
        kbingest(&self.place).args(arguments).output().unwrap()
    }
}

/// Returns the program with a home directory in the folder of `place`.
pub(super) fn kbingest(place: &Place) -> Command {
    let mut command = program();
    command.current_dir(place.path("")).stdin(Stdio::null());
    command.env("HOME", place.path("")).env("XDG_CACHE_HOME", place.cache());
    command.env_remove("GIT_SSH_COMMAND").env_remove("GIT_SSH");
    command
}

pub(super) fn said(output: &Output) -> String {
    let streams = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&streams))
}

#[test]
fn no_file_of_ours_is_written_through_a_link() {
    for name in ["kb.kb", "kb.kb.lock", "kb.kb-wal", "kb.kb-journal", "kb.kb-shm"] {
        let victim = Victim::new();
        let target = victim.link(name);
        let output = victim.run(&["ingest"]);
        assert_eq!(output.status.code(), Some(41), "{name}: {}", said(&output));
        let shown = said(&output);
        assert!(shown.contains(&format!("{name} is a symbolic link")), "{name}: {shown}");
        assert!(victim.is_unharmed(&target), "{name}");
        // A dangling link is not followed either.
        fs::remove_file(&target).unwrap();
        assert_eq!(victim.run(&["ingest"]).status.code(), Some(41), "{name}");
        assert!(!target.exists(), "{name}");
        fs::remove_file(victim.place.path(name)).unwrap();
        assert_eq!(victim.run(&["ingest"]).status.code(), Some(0), "{name}");
    }
}

#[test]
fn a_fifo_in_the_place_of_the_lock_is_not_waited_for() {
    let victim = Victim::new();
    let lock = victim.place.path("kb.kb.lock");
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    let output = victim.run(&["ingest"]);
    assert_eq!(output.status.code(), Some(41), "{}", said(&output));
}

#[test]
fn a_link_to_a_knowledge_base_is_read_and_not_written() {
    let victim = Victim::new();
    assert_eq!(victim.run(&["ingest"]).status.code(), Some(0));
    symlink(victim.place.kb(), victim.place.path("link.kb")).unwrap();
    for arguments in
        [&["search", "link.kb", "ferry"][..], &["status", "link.kb"], &["check", "link.kb"]]
    {
        let output = victim.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
    }
    for arguments in
        [&["resume", "link.kb"][..], &["check", "--repair", "link.kb"], &["cancel", "link.kb"]]
    {
        let output = victim.run(arguments);
        assert_eq!(output.status.code(), Some(41), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_candidate_and_a_report_are_not_written_through_a_link() {
    let victim = Victim::new();
    assert_eq!(victim.run(&["ingest"]).status.code(), Some(0));
    let queries = victim.place.path("queries.jsonl");
    fs::write(
        &queries,
        "{\"id\": \"1\", \"query\": \"ferry\", \"relevant\": [{\"path\": \"a.md\"}]}\n",
    )
    .unwrap();
    let part = victim.link("report.html.part");
    let output = victim.run(&["eval", "kb.toml", "queries.jsonl", "--report", "report.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(victim.is_unharmed(&part));
    assert!(fs::read_to_string(victim.place.path("report.html")).unwrap().contains("<html"));
    // A lock without its file is removed by its name, whether link or not.
    for (name, code) in [("kb.kb.next", 41), ("kb.kb.next-wal", 41), ("kb.kb.next.lock", 0)] {
        let target = victim.link(name);
        let publish = ["ingest", "--publish-if-eval", "queries.jsonl", "--min", "recall@10=0.0"];
        let output = victim.run(&publish);
        assert_eq!(output.status.code(), Some(code), "{name}: {}", said(&output));
        assert!(victim.is_unharmed(&target), "{name}");
        let _ = fs::remove_file(victim.place.path(name));
    }
}

#[test]
fn names_of_sources_lead_nowhere() {
    for name in ["..", ".", ".hidden", "-x", "_x", "a/b", "", "a b", "ü"] {
        let kinds = [
            ("directory", "path = 'docs'"),
            ("git", "url = 'docs'"),
            ("archive", "path = 'a.zip'"),
            ("records", "path = 'a.csv'\nid = 'id'\ntext = ['text']"),
            ("web", "start_urls = ['https://example.org/']"),
        ];
        for (kind, keys) in kinds {
            let victim = Victim::new();
            let settings = format!("[[source.{kind}]]\nname = '{name}'\n{keys}\n");
            victim.place.configure(&settings);
            let output = victim.run(&["ingest"]);
            assert_eq!(output.status.code(), Some(2), "{kind} {name:?}: {}", said(&output));
            let shown = said(&output);
            assert!(shown.contains("the first a letter or a digit"), "{kind} {name:?}: {shown}");
        }
    }
}

/// What earlier versions stored beside the knowledge base may have come with the folder.
#[test]
fn what_lies_beside_the_knowledge_base_is_left_alone() {
    let victim = Victim::new();
    victim.place.write("c.zip", EMPTY_ZIP);
    let settings = fs::read_to_string(victim.place.toml()).unwrap();
    let command = "[[extract.command]]\nmatch = '*.xyz'\nrun = ['cat', '{path}']\n";
    let archive = "[[source.archive]]\nname = 'zip'\npath = 'docs/c.zip'\n";
    victim.place.configure(&format!("{settings}{archive}{command}"));
    victim.place.write("d.xyz", "words of a command\n");
    let kept = victim.precious("folder/kept");
    let folder = kept.parent().unwrap();
    for ending in [".git", ".archives", ".tmp", ".cache"] {
        symlink(folder, victim.place.path(&format!("kb.kb{ending}"))).unwrap();
    }
    let spool = victim.link("kb.kb.spool");
    let output = victim.run(&["ingest", "--trust"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(victim.is_unharmed(&kept) && victim.is_unharmed(&spool));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    assert!(victim.place.path("kb.kb.git").is_symlink());
}

/// Without a home the cache is beside the knowledge base, and must have been made by this user.
#[test]
fn a_cache_that_came_with_the_folder_is_refused_by_name() {
    let victim = Victim::new();
    victim.place.write("c.zip", EMPTY_ZIP);
    let settings = fs::read_to_string(victim.place.toml()).unwrap();
    let archive = "[[source.archive]]\nname = 'zip'\npath = 'docs/c.zip'\n";
    victim.place.configure(&format!("{settings}{archive}"));
    let without_home = || {
        let mut command = kbingest(&victim.place);
        command.env_remove("HOME").env_remove("XDG_CACHE_HOME").arg("ingest");
        command.output().unwrap()
    };
    let cache = victim.place.path("kb.kb.cache");
    fs::create_dir_all(cache.join("git/zip")).unwrap();
    fs::write(cache.join(".kbingest-folder"), "Made by kbingest, and removed by it at any time.\n")
        .unwrap();
    let output = without_home();
    assert_eq!(output.status.code(), Some(41), "{}", said(&output));
    assert!(said(&output).contains("kb.kb.cache: was not made here"), "{}", said(&output));
    assert!(cache.join("git/zip").exists());
    fs::remove_dir_all(&cache).unwrap();
    symlink(victim.outside.path(), &cache).unwrap();
    let output = without_home();
    assert_eq!(output.status.code(), Some(41), "{}", said(&output));
    fs::remove_file(&cache).unwrap();
    assert_eq!(without_home().status.code(), Some(0));
    assert!(cache.is_dir());
}

#[test]
fn a_run_that_needs_no_cache_makes_none() {
    let victim = Victim::new();
    let output = victim.run(&["ingest"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!victim.place.cache().exists() && !victim.place.path("kb.kb.cache").exists());
    let mut command = kbingest(&victim.place);
    let output =
        command.env("HOME", "/proc/none").env("XDG_CACHE_HOME", "/proc/none").arg("ingest");
    let output = output.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// A knowledge base may have a name whose companion files belong to others.
#[test]
fn files_of_others_beside_a_new_knowledge_base_are_kept() {
    for (kb, file, text) in [
        ("Cargo", "Cargo.lock", "version = 3"),
        ("notes", "notes-wal", "p"),
        ("notes", "notes-journal", "p"),
        ("__init__.py", "__init__.py", ""),
    ] {
        let victim = Victim::new();
        let path = victim.place.path(file);
        fs::write(&path, text).unwrap();
        victim.place.reconfigure("kb.kb", kb);
        let output = victim.run(&["ingest"]);
        assert_eq!(output.status.code(), Some(41), "{file}: {}", said(&output));
        assert!(said(&output).contains(file), "{}", said(&output));
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{file}");
    }
}

#[test]
fn a_fifo_is_not_waited_for() {
    let make = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    for name in ["kb.kb-journal", "kb.kb-wal", "kb.kb.lock"] {
        let victim = Victim::new();
        assert_eq!(victim.run(&["ingest"]).status.code(), Some(0));
        let path = victim.place.path(name);
        let _ = fs::remove_file(&path);
        make(&path);
        for arguments in [&["ingest"][..], &["search", "ferry"], &["status"], &["check"]] {
            let output = victim.run(arguments);
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 41)), "{name}, {arguments:?}: {}", said(&output));
        }
    }
    let victim = Victim::new();
    fs::remove_file(victim.place.toml()).unwrap();
    make(&victim.place.toml());
    for arguments in [&["ingest", "kb.toml"][..], &["search", "kb.toml", "x"], &["trust"]] {
        let output = victim.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    }
}
