//! `[[source.git]]`: scripted local repositories, what git leaves behind, and the history of a real
//! book.

mod lfs;
mod remote;
mod sha256;
mod submodules;
mod trees;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kbingest::config::Config;
use kbingest::operations::{self, IngestOptions, RunReport, Session};
use kbingest::support::checkpoint::StopSignal;
use kbingest::support::events::{Event, EventSink};
use serde_json::Value;

use crate::support::{
    Place, assert_same, assert_sound, corpora, dump, ingest, markdown, remove_kb, rows, stop_at,
};

const SETTINGS: &str = "
[kb]
path = 'kb.kb'
[[source.git]]
name = 'repo'
url = 'repo'
[chunk]
max_tokens = 32
[embed.hash]
dim = 16
";

/// A place whose source is a repository in the folder `repo`.
struct Repository {
    place: Place,
}

impl Repository {
    fn new() -> Self {
        let place = Place::new();
        place.configure(SETTINGS);
        fs::create_dir(place.path("repo")).unwrap();
        let repository = Self { place };
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }

    fn folder(&self) -> PathBuf {
        self.place.path("repo")
    }

    /// Returns the folder of the clone.
    fn clone_folder(&self) -> PathBuf {
        let clones = self.place.cache_of(&self.place.kb()).join("git");
        let mut found = fs::read_dir(clones).unwrap().map(|entry| entry.unwrap().path());
        let clone = found.next().unwrap();
        assert_eq!(found.next(), None, "one clone");
        clone
    }

    /// Runs git with a fixed committer and dates, so that commit ids are always the same.
    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.folder())
            .args([
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@example.org",
                "-c",
                "core.autocrlf=false",
            ])
            .args(["-c", "protocol.file.allow=always"])
            .args(arguments)
            .env("GIT_COMMITTER_DATE", "2024-05-06T07:08:09Z")
            .env("GIT_AUTHOR_DATE", "2024-05-06T07:08:09Z")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn uris(&self) -> Vec<String> {
        rows(&self.place.kb(), "SELECT uri FROM document ORDER BY replace(uri, '/', char(1))")
    }

    /// Ingests, which must end with `exit_code`, and returns the report with the warnings.
    fn ingest_to(&self, exit_code: u8) -> (RunReport, String) {
        let heard = Heard::default();
        let stop = Arc::new(StopSignal::default());
        let session = Session { stop, events: &heard, hook: None, embedder: None };
        let options = IngestOptions { threads: 2, ..IngestOptions::default() };
        let report = operations::ingest(&self.place.config(), &options, &session).unwrap();
        let warnings = heard.0.into_inner().unwrap().join("\n");
        assert_eq!(report.exit_code, exit_code, "{report:#?}\n{warnings}");
        assert_sound(&self.place.kb());
        let root = self.place.path("");
        (report, warnings.replace(root.to_str().unwrap(), "ROOT/"))
    }

    /// Returns new, changed, unchanged and deleted documents of a run that succeeds.
    fn counts(&self) -> [u64; 4] {
        let metrics = self.ingest_to(0).0.run.unwrap().metrics;
        [
            metrics.documents_new,
            metrics.documents_changed,
            metrics.documents_unchanged,
            metrics.documents_deleted,
        ]
    }

    /// Fails if the knowledge base differs from one made from the repository without a clone.
    fn assert_equals_fresh_ingest(&self, what: &str) {
        let config = self.place.config_into("fresh.kb");
        remove_all(&self.place, &config);
        assert_eq!(ingest(&config, None).exit_code, 0);
        assert_same(&self.place.dump(), &dump(&config.kb), what);
    }
}

fn remove_all(place: &Place, config: &Config) {
    remove_kb(&config.kb);
    let _ = fs::remove_dir_all(place.cache_of(&config.kb));
}

/// Collects the warnings.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl EventSink for Heard {
    fn emit(&self, event: &Event<'_>) {
        if let Event::Warning { message } = event {
            self.0.lock().unwrap().push((*message).to_owned());
        }
    }
}

#[test]
fn files_are_taken_in_once_and_followed_through_commits() {
    let repository = Repository::new();
    repository.write("a.md", "# A\n\nalpha\n");
    repository.write("a-b/c.md", "# C\n\ngamma\n");
    repository.write("a/b.md", "# B\n\nbeta\n");
    repository.write("a b/ü 100%25.md", "# U\n\nupsilon\n");
    repository.write(".github/workflow.yml", "hidden: true\n");
    repository.commit();
    assert_eq!(repository.counts(), [4, 0, 0, 0]);
    assert_eq!(repository.uris(), ["a/b.md", "a b/ü 100%2525.md", "a-b/c.md", "a.md"]);
    assert_eq!(repository.counts(), [0, 0, 4, 0]);

    // An empty commit, a change, a rename and a removal.
    repository.commit();
    assert_eq!(repository.counts(), [0, 0, 4, 0]);
    repository.write("a.md", "# A\n\nanother alpha\n");
    repository.git(&["mv", "a/b.md", "a/z.md"]);
    repository.git(&["rm", "-q", "a-b/c.md"]);
    repository.commit();
    assert_eq!(repository.counts(), [1, 1, 1, 2]);
    repository.assert_equals_fresh_ingest("after edits");

    // A history that shares nothing with the old one.
    repository.git(&["checkout", "-q", "--orphan", "other"]);
    repository.write("a.md", "# A\n\nalpha of another history\n");
    repository.commit();
    repository.git(&["branch", "-f", "main", "other"]);
    repository.git(&["checkout", "-q", "main"]);
    repository.git(&["branch", "-D", "other"]);
    assert_eq!(repository.counts(), [0, 1, 2, 0]);
    repository.assert_equals_fresh_ingest("after a force-push");
}

#[test]
fn refs_subdirectories_and_globs_choose() {
    let repository = Repository::new();
    repository.write("docs/one.md", "one\n");
    repository.write("docs/draft/two.md", "two\n");
    repository.write("docs/data.txt", "three\n");
    repository.write("readme.md", "four\n");
    let first = repository.commit();
    repository.git(&["tag", "-a", "-m", "first", "v1"]);
    repository.write("docs/later.md", "five\n");
    repository.commit();
    repository.git(&["branch", "feature/x"]);
    let check = |keys: &str, expected: &[&str]| {
        repository
            .place
            .configure(&SETTINGS.replace("url = 'repo'", &format!("url = 'repo'\n{keys}")));
        remove_all(&repository.place, &repository.place.config());
        repository.ingest_to(0);
        assert_eq!(repository.uris(), expected, "{keys}");
    };
    check("ref = 'v1'", &["docs/data.txt", "docs/draft/two.md", "docs/one.md", "readme.md"]);
    check("ref = 'refs/tags/v1'\nsubdirectory = 'docs/draft'", &["two.md"]);
    check(
        &format!("ref = '{first}'\nsubdirectory = 'docs/'"),
        &["data.txt", "draft/two.md", "one.md"],
    );
    check(
        "ref = 'feature/x'\nsubdirectory = 'docs'\ninclude = ['**/*.md']\nexclude = ['draft/**']",
        &["later.md", "one.md"],
    );
    check("depth = 0\ninclude = ['*.md']", &["readme.md"]);
}

#[test]
fn what_is_no_document_is_skipped_and_said() {
    let repository = Repository::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
    repository.write("big.md", pointer);
    repository.write("large.md", "x".repeat(2000));
    repository.write("image.md", b"\x89PNG\r\n\x1a\n\0\0\0\0");
    std::os::unix::fs::symlink("/etc/passwd", repository.folder().join("link.md")).unwrap();
    let name = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9.md");
    repository.write(Path::new::<std::ffi::OsStr>(name), "# Café\n\nnoir\n");
    repository.git(&["add", "-A"]);
    repository.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{},vendor/lib", "1".repeat(40)),
    ]);
    repository.git(&["commit", "-q", "-m", "all kinds"]);
    repository.place.reconfigure("url = 'repo'", "url = 'repo'\nmax_file_size = 1000");
    let (report, _) = repository.ingest_to(0);
    let skipped: Vec<_> =
        report.failures.iter().map(|f| format!("{}: {}", f.uri, f.error)).collect();
    insta::assert_snapshot!(skipped.join("\n"), @r"
    big.md: big.md: a Git LFS pointer; `lfs = true` in its [[source.git]] fetches the content
    image.md: image.md: binary content (PNG image)
    large.md: large.md: 2.0 KiB is over max_file_size (1000 bytes)
    vendor/lib: vendor/lib: a submodule; `submodules = true` in its [[source.git]] follows it
    ");
    assert_eq!(rows(&repository.place.kb(), "SELECT DISTINCT uri FROM chunks"), ["caf%E9.md"]);
    repository.assert_equals_fresh_ingest("all kinds");
}

#[test]
fn trouble_is_named_and_deletes_nothing() {
    let repository = Repository::new();
    let (report, warning) = repository.ingest_to(20);
    assert!(report.failures.is_empty());
    let mut said = vec![warning];
    repository.write("docs/a.md", "# A\n\nalpha\n");
    repository.commit();
    repository.ingest_to(0);
    let before = repository.place.dump();
    let mut check = |keys: &str| {
        let settings = repository.place.path("kb.toml");
        let kept = fs::read_to_string(&settings).unwrap();
        repository.place.configure(&SETTINGS.replace("url = 'repo'", keys));
        let (_, warning) = repository.ingest_to(20);
        assert_same(&repository.place.dump(), &before, keys);
        repository.place.configure(&kept);
        // curl's messages differ from version to version.
        said.push(warning.split(": Failed to connect").next().unwrap().to_owned());
    };
    check("url = 'nowhere'");
    check("url = 'repo'\nref = 'missing'");
    check(&format!("url = 'repo'\nref = '{}'", "2".repeat(40)));
    check("url = 'repo'\nsubdirectory = 'doc'");
    check("url = \"http:\\u002f/me@localhost:1/a.git\"");
    check("url = 'http://localhost:1/a.git'\npassword_env = 'KBINGEST_NOT_SET'");
    // A folder where a repository was.
    fs::rename(repository.folder(), repository.place.path("away")).unwrap();
    fs::create_dir(repository.folder()).unwrap();
    check("url = 'repo'");
    fs::remove_dir(repository.folder()).unwrap();
    fs::rename(repository.place.path("away"), repository.folder()).unwrap();
    assert_eq!(repository.counts(), [0, 0, 1, 0]);
    insta::assert_snapshot!(said.join("\n"), @r#"
    source "repo": cannot fetch ROOT/repo: the repository is empty: it has no commit yet; its documents stay as they are
    source "repo": cannot fetch ROOT/nowhere: 'ROOT/nowhere' does not appear to be a git repository; Could not read from remote repository.; its documents stay as they are
    source "repo": cannot fetch ROOT/repo: it has no branch, tag or full commit id "missing"; its documents stay as they are
    source "repo": cannot fetch ROOT/repo: it has no branch, tag or full commit id "2222222222222222222222222222222222222222"; its documents stay as they are
    source "repo": cannot fetch ROOT/repo: commit 41dbcbe86c69 has no folder doc; its documents stay as they are
    source "repo": cannot fetch http://localhost:1/a.git: unable to access 'http://localhost:1/a.git/'
    source "repo": cannot fetch http://localhost:1/a.git: the environment variable KBINGEST_NOT_SET is not set; its documents stay as they are
    source "repo": cannot fetch ROOT/repo: 'ROOT/repo' does not appear to be a git repository; Could not read from remote repository.; its documents stay as they are
    "#);
}

#[test]
fn a_clone_that_a_kill_or_a_disk_has_spoilt_is_mended() {
    let repository = Repository::new();
    for number in 0..20 {
        repository.write(format!("{number}.md"), markdown(number, 2, "common"));
    }
    repository.commit();
    repository.ingest_to(0);
    let clone = repository.clone_folder();
    let edit = |number: u64| {
        repository.write("0.md", markdown(100 + number, 2, "edited"));
        repository.commit();
    };
    // Left by a killed git.
    let left = [
        "shallow.lock",
        "config.lock",
        "refs/kbingest/head.lock",
        "objects/pack/tmp_pack_Ab12Cd",
        "objects/00/tmp_obj_Ab12Cd",
    ];
    for name in left {
        fs::create_dir_all(clone.join(name).parent().unwrap()).unwrap();
        fs::write(clone.join(name), "").unwrap();
    }
    edit(1);
    assert_eq!(repository.counts(), [0, 1, 19, 0]);
    assert_eq!(left.map(|name| clone.join(name).exists()), [false; 5]);
    // A clone that was only begun.
    fs::remove_file(clone.join("HEAD")).unwrap();
    edit(2);
    assert_eq!(repository.counts(), [0, 1, 19, 0]);
    // A clone without objects: the documents concerned stay, and the next run makes a new one.
    edit(3);
    repository.ingest_to(0);
    fs::remove_dir_all(clone.join("objects")).unwrap();
    edit(4);
    repository.ingest_to(0);
    fs::remove_dir_all(&clone).unwrap();
    assert_eq!(repository.counts(), [0, 0, 20, 0]);
    repository.assert_equals_fresh_ingest("a new clone");
}

#[test]
fn a_clone_does_not_grow_with_every_fetch() {
    let repository = Repository::new();
    let fetch = |number: u64| {
        repository.write("0.md", markdown(number, 2, "common"));
        repository.commit();
        repository.ingest_to(0);
    };
    fetch(0);
    let clone = repository.clone_folder();
    // Every fetch makes a pack; they are merged at twenty.
    (1..24).for_each(fetch);
    let packs = fs::read_dir(clone.join("objects/pack")).unwrap();
    let packs = packs.filter(|file| file.as_ref().unwrap().path().extension().unwrap() == "pack");
    let packs = packs.count();
    assert!((1..20).contains(&packs), "{packs}");
    repository.assert_equals_fresh_ingest("a packed clone");
}

#[test]
fn the_clone_is_no_document_and_a_stop_leaves_nothing_half_done() {
    let repository = Repository::new();
    for number in 0..300 {
        repository.write(format!("{:02}/{number}.md", number % 9), markdown(number, 1, "common"));
    }
    repository.commit();
    let both = SETTINGS.replace(
        "[chunk]",
        "[[source.directory]]\nname = 'all'\npath = '.'\nhidden = true\nexclude = ['repo/**']\n[chunk]",
    );
    repository.place.configure(&both);
    let whole = repository.place.config_into("whole/kb.kb");
    fs::create_dir(repository.place.path("whole")).unwrap();
    let whole_run = ingest(&whole, None);
    assert_eq!(whole_run.exit_code, 0);
    let expected = dump(&whole.kb);
    assert!(!expected.contains("objects/"), "the clone was ingested");
    remove_all(&repository.place, &whole);
    for visit in [1, 2, 4, 7, 11] {
        let report = ingest(&whole, Some(&stop_at(None, visit)));
        assert_eq!(report.exit_code, 130, "{report:#?}");
        assert_eq!(ingest(&whole, None).exit_code, 0);
        assert_same(&dump(&whole.kb), &expected, "the uninterrupted run");
        remove_all(&repository.place, &whole);
    }
}

#[test]
fn the_whole_history_tells_when_a_document_changed() {
    let repository = Repository::new();
    repository.write("docs/a.md", "---\ntags: [x]\n---\n# A\n\nalpha\n");
    repository.write("docs/b.md", "# B\n\nbeta\n");
    let first = repository.commit();
    repository.write("docs/b.md", "# B\n\nbeta again\n");
    let second = repository.commit();
    repository.place.reconfigure("url = 'repo'", "url = 'repo'\nsubdirectory = 'docs'\ndepth = 0");
    repository.ingest_to(0);
    let metadata = rows(
        &repository.place.kb(),
        "SELECT uri, metadata FROM revision JOIN document ON document.id = document_id ORDER BY uri",
    );
    let change = |commit: &str, path: &str| {
        format!(r#""git":{{"changed":"2024-05-06T07:08:09Z","commit":"{commit}","path":"{path}"}}"#)
    };
    assert_eq!(
        metadata,
        [
            format!(r#"a.md|{{{},"tags":["x"]}}"#, change(&first, "docs/a.md")),
            format!("b.md|{{{}}}", change(&second, "docs/b.md")),
        ]
    );
}

/// The sixty real commits of `history.rs`, as commits of a repository that is fetched each time.
#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn the_history_of_a_book_ends_where_fresh_ingests_do() {
    let history = corpora("history/rust-book");
    let repository = Repository::new();
    copy(&history.join("base"), &repository.folder());
    repository.commit();
    repository.ingest_to(0);
    let steps = fs::read_to_string(history.join("steps.jsonl")).unwrap();
    for (number, line) in steps.lines().enumerate() {
        let step: Value = serde_json::from_str(line).unwrap();
        let names = |key: &str| -> Vec<String> {
            serde_json::from_value(step[key].clone()).expect("a list of names")
        };
        let folder = history.join(format!("steps/{number:03}"));
        for name in names("put") {
            repository.write(&name, fs::read(folder.join(&name)).unwrap());
        }
        for name in names("delete") {
            fs::remove_file(repository.folder().join(name)).unwrap();
        }
        repository.commit();
        let [new, changed, _, _] = repository.counts();
        assert_eq!(new + changed, names("put").len() as u64, "step {number}");
        if number % 20 == 19 {
            repository.assert_equals_fresh_ingest(&format!("step {number}"));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}
