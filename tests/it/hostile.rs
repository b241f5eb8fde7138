//! Hundreds of hostile files among fifty good documents, through the real binary: the run ends, in
//! time and within 512 MiB, reports the result of each file, and keeps every good document.
//!
//! Every file is made by a fixed rule and has an expected result. `bytes` has encodings, formats
//! and sizes, `markup` input that is hard for parsers, `places` names and things that are not
//! files.

mod bytes;
mod markup;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};
use kbingest::source::uri;
use serde_json::Value;

use crate::support::{Place, assert_same, assert_sound, markdown, rows};

/// Time limit for all documents together: that of one document; more for a debug build on a busy
/// machine.
const RUN_TIME_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 120 } else { 30 });
const RESIDENT_KIB_MAX: u64 = 512 * 1024;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);
const GOOD_DOCUMENTS: u64 = 50;
const HOSTILE_MIN: usize = 300;

const SETTINGS: &str = "
[kb]
path = 'kb.kb'
[[source.directory]]
name = 'docs'
path = 'docs'
";

/// The result of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// Ingested as text.
    Text,
    /// Skipped, and reported.
    Skipped,
    /// Reported as failed.
    Failed,
    FailedUnlessRoot,
    /// Not a document.
    Unlisted,
}

/// How an entry of a folder is made.
#[derive(Clone, Debug)]
enum Make {
    Bytes(Vec<u8>),
    /// This many zero bytes.
    Sparse(u64),
    Unreadable(Vec<u8>),
    Folder,
    Link(String),
    Fifo,
    Socket,
    /// A character device by its numbers; only root can make one.
    Device([u32; 2]),
    /// Nested folders, deeper than any path.
    Abyss,
}

struct Hostile {
    path: PathBuf,
    make: Make,
    expect: Expect,
}

impl Hostile {
    fn new(path: impl Into<PathBuf>, make: Make, expect: Expect) -> Self {
        Self { path: path.into(), make, expect }
    }

    fn text(path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        Self::new(path, Make::Bytes(text.into()), Expect::Text)
    }

    /// Makes it below `docs`; returns whether this machine allows that.
    fn make(&self, place: &Place) -> bool {
        let path = place.docs().join(&self.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match &self.make {
            Make::Bytes(bytes) => place.put(&path, bytes),
            Make::Sparse(size) => {
                place.put(&path, b"");
                return File::options().write(true).open(&path).unwrap().set_len(*size).is_ok();
            }
            Make::Unreadable(bytes) => {
                place.put(&path, bytes);
                fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            }
            Make::Folder => fs::create_dir_all(&path).unwrap(),
            Make::Link(target) => symlink(target, &path).unwrap(),
            Make::Fifo => return succeeds(Command::new("mkfifo").arg(&path)),
            Make::Socket => drop(UnixListener::bind(&path).unwrap()),
            Make::Device(numbers) => {
                let numbers = numbers.map(|number| number.to_string());
                return succeeds(Command::new("mknod").arg(&path).arg("c").args(numbers));
            }
            Make::Abyss => make_abyss(&path),
        }
        true
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes nested folders, one step at a time, because no path reaches the last; it contains a file.
fn make_abyss(path: &Path) {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    fs::create_dir_all(path).unwrap();
    let mut folder = openat(CWD, path, OFlags::DIRECTORY, Mode::empty()).unwrap();
    let name = "d".repeat(200);
    for _ in 0..25 {
        mkdirat(&folder, &name, Mode::RWXU).unwrap();
        folder = openat(&folder, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let file = openat(&folder, "unreachable.md", flags, Mode::RUSR).unwrap();
    File::from(file).write_all(b"unreachable").unwrap();
}

/// Where a good document is among the hostile ones, and a word that only it contains.
fn good(number: u64) -> (String, String) {
    let folder = ["", "names/", "markdown/", "encoding/", "size/"][number as usize % 5];
    (format!("{folder}good-{number:02}.md"), format!("canary{number:02}"))
}

/// The result of a process of the real binary.
struct Ended {
    code: Option<i32>,
    output: Vec<u8>,
    resident_kib: u64,
}

/// Runs the binary; kills it, and fails, if it takes too much time or memory.
fn kbingest(place: &Place, arguments: &[&str]) -> Ended {
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| place.path(name));
    let since = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kbingest"))
        .args(arguments)
        .arg(place.toml())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let mut resident_kib = 0;
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        resident_kib = resident_kib.max(resident_kib_of(&child));
        if since.elapsed() > RUN_TIME_MAX || resident_kib > RESIDENT_KIB_MAX {
            child.kill().unwrap();
            child.wait().unwrap();
            let log = fs::read_to_string(&stderr).unwrap_or_default();
            panic!("{arguments:?}: {:?}, {resident_kib} KiB resident\n{log}", since.elapsed());
        }
        std::thread::sleep(LOOK_AGAIN_AFTER);
    };
    let output = [fs::read(stdout).unwrap(), fs::read(stderr).unwrap()].concat();
    Ended { code, output, resident_kib }
}

/// Returns the largest resident memory of the process so far.
fn resident_kib_of(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// Ingests, and returns the result of each document: `text`, or the kind of its failure.
fn ingest(place: &Place, exit_code: i32) -> BTreeMap<String, String> {
    let since = Instant::now();
    let ended = kbingest(place, &["ingest"]);
    let log = String::from_utf8(ended.output).expect("messages are UTF-8");
    assert_eq!(ended.code, Some(exit_code), "{log}");
    eprintln!("{:.1?}, {} MiB resident", since.elapsed(), ended.resident_kib / 1024);
    let raw = log.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "a control character of a name or text in the messages:\n{log}");
    assert_sound(&place.kb());
    let live = rows(
        &place.kb(),
        "SELECT uri FROM document JOIN revision ON document_id = document.id AND state = 'live'",
    );
    let mut all: BTreeMap<_, _> = live.into_iter().map(|uri| (uri, "text".to_owned())).collect();
    let status = kbingest(place, &["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.output).unwrap();
    let mut listed = Vec::new();
    for failure in status["failures"].as_array().unwrap() {
        let cell = |key: &str| failure[key].as_str().unwrap().to_owned();
        listed.push((cell("uri"), cell("kind"), cell("error")));
        // How deep the abyss can be listed depends on the path of this machine's temporary files.
        let is_abyss = cell("uri").starts_with("abyss/");
        all.insert(if is_abyss { "abyss".to_owned() } else { cell("uri") }, cell("kind"));
    }
    let lines = String::from_utf8(kbingest(place, &["status", "--failures"]).output).unwrap();
    assert_eq!(lines.lines().count(), listed.len(), "a line for each\n{lines}");
    for ((uri, kind, error), line) in listed.iter().zip(lines.lines()) {
        assert!(line.contains(uri) && line.contains(kind), "{uri}: {kind}: {error}\n{line}");
    }
    all
}

/// Fails if the result of a document is not the expected one.
fn assert_fates(fates: &BTreeMap<String, String>, files: &[Hostile]) {
    let mut expected = BTreeMap::new();
    for number in 0..GOOD_DOCUMENTS {
        expected.insert(good(number).0, &["text"][..]);
    }
    for file in files {
        let kinds: &[&str] = match file.expect {
            Expect::Text => &["text"],
            Expect::Skipped => &["skipped"],
            Expect::FailedUnlessRoot if is_root() => &["text"],
            Expect::Failed | Expect::FailedUnlessRoot => &["permanent", "transient"],
            Expect::Unlisted => continue,
        };
        expected.insert(uri::encode(&file.path), kinds);
    }
    let actual: BTreeSet<_> = fates.keys().filter(|uri| !uri.starts_with("busy/")).collect();
    let wanted: BTreeSet<_> = expected.keys().collect();
    let missing: Vec<_> = wanted.difference(&actual).collect();
    let surplus: Vec<_> = actual.difference(&wanted).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?} surplus {surplus:#?}");
    let wrong: Vec<_> = expected
        .iter()
        .filter(|(uri, kinds)| !kinds.contains(&fates[*uri].as_str()))
        .map(|(uri, kinds)| format!("{uri}: {}, expected {kinds:?}", fates[uri]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn assert_searchable(place: &Place) {
    for number in 0..GOOD_DOCUMENTS {
        let (uri, word) = good(number);
        let options = Query {
            show: Show { limit: 3, mode: SearchMode::Text, ..Show::default() },
            ..Query::new(word)
        };
        let found = operations::search(&Target::File(place.kb()), &options).unwrap();
        // Others have a part of the name.
        assert_eq!(found.hits.first().map(|hit| &hit.uri), Some(&uri), "{number}");
    }
}

/// Returns the dump without what changes while it is read.
fn settled(place: &Place) -> String {
    let mut is_busy = false;
    let keep = |line: &&str| {
        if line.starts_with("document") || line.starts_with("failure") {
            is_busy = line.contains(" \"busy/");
        }
        !is_busy
    };
    place.dump().lines().filter(keep).collect::<Vec<_>>().join("\n")
}

/// Changes files below `busy` until `is_over`: one grows, one is rewritten, one appears and
/// disappears.
fn keep_busy(place: &Path, is_over: &AtomicBool) {
    let [growing, rewritten, vanishing] =
        ["growing.md", "rewritten.md", "vanishing.md"].map(|name| place.join(name));
    for round in 0_u64.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let mut file = File::options().append(true).create(true).open(&growing).unwrap();
        file.write_all(&[b'g'; 1000]).unwrap();
        if round % 8000 == 0 {
            file.set_len(4_000_000).unwrap();
        }
        if round % 10 == 0 {
            fs::write(&rewritten, markdown(round, 2, "busy")).unwrap();
        }
        if round % 2 == 0 {
            fs::write(&vanishing, "here").unwrap();
        } else {
            fs::remove_file(&vanishing).unwrap();
        }
    }
    for path in [growing, rewritten, vanishing] {
        fs::write(path, "# Settled\n\nAt last.\n").unwrap();
    }
}

/// Makes the files and the good documents; returns those that this machine allows.
fn set_up(place: &Place, files: Vec<Hostile>) -> Vec<Hostile> {
    place.configure(SETTINGS);
    for number in 0..GOOD_DOCUMENTS {
        let (path, word) = good(number);
        place.write(&path, markdown(number, 3, &word));
    }
    let (made, not): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.make(place));
    for file in &not {
        eprintln!("skipped: cannot make {} here", file.path.display());
        let _ = fs::remove_file(place.docs().join(&file.path));
    }
    if is_root() {
        eprintln!("skipped: to root every file is readable, special/unreadable.md too");
    }
    made
}

#[test]
fn hostile_files_cost_only_themselves() {
    let place = Place::new();
    let files = set_up(
        &place,
        [bytes::hostile(), markup::hostile(), places::hostile()].into_iter().flatten().collect(),
    );
    assert!(files.len() >= HOSTILE_MIN, "{} files", files.len());
    let busy = place.docs().join("busy");
    fs::create_dir(&busy).unwrap();
    let is_over = AtomicBool::new(false);
    let fates = std::thread::scope(|scope| {
        scope.spawn(|| keep_busy(&busy, &is_over));
        // The thread has to end even if the run fails.
        let fates = catch_unwind(AssertUnwindSafe(|| ingest(&place, 3)));
        is_over.store(true, Ordering::Relaxed);
        fates
    });
    let fates = fates.unwrap_or_else(|panic| resume_unwind(panic));
    assert_fates(&fates, &files);
    assert_searchable(&place);

    let before = settled(&place);
    let fates = ingest(&place, 3);
    assert_fates(&fates, &files);
    for name in ["growing", "rewritten", "vanishing"] {
        assert_eq!(fates[&format!("busy/{name}.md")], "text");
    }
    assert_same(&settled(&place), &before, "the first run");
}

#[test]
fn what_is_only_skipped_is_no_failure() {
    let place = Place::in_memory();
    let files = bytes::hostile();
    let skipped = files.into_iter().filter(|file| file.expect == Expect::Skipped);
    let files = set_up(&place, skipped.collect());
    assert_fates(&ingest(&place, 0), &files);
    assert_searchable(&place);
}

/// `ignore` would wait forever for the writer of a FIFO.
#[test]
fn rules_that_never_end_cost_their_folder_and_delete_nothing() {
    let place = Place::in_memory();
    for name in ["a.md", "sub/b.md", "z.md"] {
        place.write(name, markdown(1, 2, "word"));
    }
    let text = |name: &str| (name.to_owned(), "text".to_owned());
    let known = BTreeMap::from(["a.md", "sub/b.md", "z.md"].map(text));
    assert_eq!(ingest(&place, 0), known);
    for (folder, uri) in [("sub", "sub"), ("", ".")] {
        let fifo = place.docs().join(folder).join(".gitignore");
        assert!(succeeds(Command::new("mkfifo").arg(&fifo)));
        let mut expected = known.clone();
        expected.insert(uri.to_owned(), "transient".to_owned());
        assert_eq!(ingest(&place, 3), expected);
        fs::remove_file(fifo).unwrap();
        assert_eq!(ingest(&place, 0), known);
    }
}
