//! The directory source: order, rules, links, odd files, limits and failures.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kbingest::domain::{Entry, FailureKind, Version};
use kbingest::source::{
    self, DirectoryConfig, DirectorySource, Source, SourceConfig, SourceError, uri,
};
use proptest::prelude::*;
use rustix::thread::{CapabilitySet, CapabilitySets};
use tempfile::TempDir;

/// Makes a folder with the named files, each containing its own name.
fn tree(files: &[&str]) -> TempDir {
    let root = TempDir::new().unwrap();
    add(root.path(), files);
    root
}

fn add(root: &Path, files: &[&str]) {
    for file in files {
        write(&root.join(file), file);
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Opens a source on `root`; `settings` are further lines of its table.
fn source(root: &Path, settings: &str) -> DirectorySource {
    DirectorySource::new(&config(settings), root, &[]).unwrap()
}

fn config(settings: &str) -> DirectoryConfig {
    toml::from_str(&format!("name = \"docs\"\npath = \".\"\n{settings}")).unwrap()
}

fn entries(source: &dyn Source) -> Vec<Entry> {
    source.list().unwrap().map(|entry| entry.unwrap()).collect()
}

/// Lists URIs; entries that could not be listed are marked with `!`.
fn listed(source: &dyn Source) -> Vec<String> {
    let show = |entry| match entry {
        Ok(Entry { uri, .. }) => uri,
        Err(source::ListError { uri, blocks_deletions: true, .. }) => format!("!! {uri}"),
        Err(error) => format!("! {error}"),
    };
    source.list().unwrap().map(show).collect()
}

fn check(root: &Path, settings: &str, expected: &[&str]) {
    assert_eq!(listed(&source(root, settings)), expected, "{settings}");
}

fn one(uri: &str) -> Entry {
    Entry { uri: uri.into(), ..Entry::default() }
}

#[test]
fn files_come_in_uri_order() {
    let root = tree(&["b.md", "a/z.md", "a.md", "a-b.md", "a/b/c.md", "a b/c.md", "A.md", "é.md"]);
    let expected = ["A.md", "a/b/c.md", "a/z.md", "a b/c.md", "a-b.md", "a.md", "b.md", "é.md"];
    check(root.path(), "", &expected);
    check(root.path(), "gitignore = false", &expected);
    check(root.path(), "follow_links = true", &expected);
}

#[test]
fn an_entry_has_the_version_that_reading_gives() {
    let root = tree(&["a.md"]);
    let source = source(root.path(), "");
    let file = File::options().write(true).open(root.path().join("a.md")).unwrap();

    file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5)).unwrap();
    let entry = &entries(&source)[0];
    assert_eq!(entry.version, Some(Version("4-1700000000000000005".into())));
    assert_eq!(entry.size_bytes, 4);
    let content = source.read(entry).unwrap();
    assert_eq!((content.bytes.as_slice(), &content.version), (&b"a.md"[..], &entry.version));

    // A later write could get the same mtime until the clock has passed it.
    file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    assert_eq!(source.read(&entries(&source)[0]).unwrap().version, None);
}

#[test]
fn ignore_rules_are_obeyed_without_a_repository() {
    let root = tree(&["a.md", "b.md", "c.md", "build/x.md", "sub/b.md", "sub/d.md", "keep/b.md"]);
    write(&root.path().join(".gitignore"), "b.md\nbuild/\n");
    write(&root.path().join(".kbignore"), "c.md\n!keep/b.md\n");
    write(&root.path().join("sub/.kbignore"), "/d.md\n");
    write(&root.path().join(".ignore"), "a.md\n");
    check(root.path(), "", &["a.md", "keep/b.md"]);
    check(
        root.path(),
        "gitignore = false",
        &["a.md", "b.md", "build/x.md", "c.md", "keep/b.md", "sub/b.md", "sub/d.md"],
    );
}

#[test]
fn rules_of_parent_folders_hold_inside_a_repository_only() {
    let outer = tree(&["docs/a.md", "docs/b.md"]);
    write(&outer.path().join(".gitignore"), "b.md\n");
    check(&outer.path().join("docs"), "", &["a.md", "b.md"]);
    fs::create_dir(outer.path().join(".git")).unwrap();
    check(&outer.path().join("docs"), "", &["a.md"]);
    add(outer.path(), &[".git/info/exclude"]);
    write(&outer.path().join(".git/info/exclude"), "a.md\n");
    check(&outer.path().join("docs"), "", &[]);
}

#[test]
fn hidden_files_are_left_out_unless_wanted() {
    let root = tree(&["a.md", ".b.md", ".git/config", "sub/.c/d.md"]);
    check(root.path(), "", &["a.md"]);
    check(root.path(), "hidden = true", &[".b.md", "a.md", "sub/.c/d.md"]);
    let all = [".b.md", ".git/config", "a.md", "sub/.c/d.md"];
    check(root.path(), "hidden = true\ngitignore = false", &all);
}

#[test]
fn an_ignore_file_that_cannot_be_read_is_no_failure() {
    let outer = tree(&["docs/a.md", "docs/b.md", "docs/sub/c.md"]);
    fs::create_dir(outer.path().join(".git")).unwrap();
    // A folder in its place cannot be read, even by root; a bad glob can, but is ignored.
    fs::create_dir(outer.path().join(".gitignore")).unwrap();
    fs::create_dir(outer.path().join("docs/sub/.gitignore")).unwrap();
    write(&outer.path().join("docs/.gitignore"), "[\nb.md\n");
    check(&outer.path().join("docs"), "", &["a.md", "sub/c.md"]);
}

#[test]
fn globs_choose_files() {
    let root = tree(&["a.md", "a.txt", "drafts/b.md", "x/drafts/c.md", "x/d.md"]);
    check(root.path(), "include = [\"*.md\"]", &["a.md"]);
    check(root.path(), "include = [\"**/*.md\"]\nexclude = [\"**/drafts\"]", &["a.md", "x/d.md"]);
    check(
        root.path(),
        "exclude = [\"drafts/**\", \"*.md\"]",
        &["a.txt", "x/d.md", "x/drafts/c.md"],
    );
}

#[test]
fn files_of_the_program_are_left_out() {
    let root = tree(&["a.md", "docs.kb", "docs.kb-wal", "sub/docs.kb"]);
    symlink("docs.kb", root.path().join("link.kb")).unwrap();
    let leave_out = ["docs.kb", "docs.kb-wal", "docs.kb.lock"].map(|file| root.path().join(file));
    let open = |settings| DirectorySource::new(&config(settings), root.path(), &leave_out).unwrap();
    // One that is made only after the source was opened.
    let source = open("");
    add(root.path(), &["docs.kb.lock"]);
    assert_eq!(listed(&source), ["a.md", "sub/docs.kb"]);
    assert_eq!(listed(&open("follow_links = true")), ["a.md", "sub/docs.kb"]);
}

#[test]
fn links_are_not_followed_unless_asked() {
    let root = tree(&["a.md", "sub/b.md"]);
    symlink("a.md", root.path().join("link.md")).unwrap();
    symlink("sub", root.path().join("linked")).unwrap();
    check(root.path(), "", &["a.md", "sub/b.md"]);
    check(root.path(), "follow_links = true", &["a.md", "link.md", "linked/b.md", "sub/b.md"]);
    let source = source(root.path(), "follow_links = true");
    assert_eq!(source.read(&one("linked/b.md")).unwrap().bytes, b"sub/b.md");
}

#[test]
fn links_never_lead_outside_or_in_circles() {
    let outside = tree(&["secret.md"]);
    let root = tree(&["a.md", "sub/b.md", "sub/deep/c.md"]);
    let link = |target: &Path, name: &str| symlink(target, root.path().join(name)).unwrap();
    link(Path::new("/etc"), "etc");
    link(outside.path(), "outside");
    link(&outside.path().join("secret.md"), "secret.md");
    link(Path::new("../../.."), "sub/deep/far-up");
    link(Path::new(".."), "sub/up");
    link(Path::new("."), "self");
    link(Path::new("ring-b"), "ring-a");
    link(Path::new("ring-a"), "ring-b");
    link(Path::new("nowhere"), "dangling");
    check(root.path(), "follow_links = true", &["a.md", "sub/b.md", "sub/deep/c.md"]);
}

#[test]
fn folders_full_of_links_to_one_another_are_listed_in_finite_time() {
    let names: Vec<_> = (0..20).map(|n| format!("d{n:02}")).collect();
    let root = TempDir::new().unwrap();
    for from in &names {
        add(root.path(), &[&format!("{from}/a.md")]);
        for to in &names {
            symlink(Path::new("..").join(to), root.path().join(from).join(format!("to-{to}")))
                .unwrap();
        }
    }
    // Every folder's own file, and every other folder's through one link.
    assert_eq!(listed(&source(root.path(), "follow_links = true")).len(), 20 + 20 * 19);
}

#[test]
fn a_link_that_was_turned_outside_is_not_read() {
    let outside = tree(&["secret.md"]);
    let root = tree(&["a.md"]);
    let (link, secret) = (root.path().join("link.md"), outside.path().join("secret.md"));
    symlink(&secret, &link).unwrap();
    let check = |settings, uri, expected: &str| {
        let error = source(root.path(), settings).read(&one(uri)).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    };
    check("follow_links = true", "link.md", ": its link leaves the source");
    check("", "link.md", ": not a regular file any more");
    check("", "../secret.md", ": the uri leaves the source");
    check("", "/etc/passwd", ": the uri leaves the source");
    check("", "%2Fetc%2Fpasswd", ": the uri leaves the source");
    check("", "", ": the uri leaves the source");
}

#[test]
fn fifos_sockets_and_devices_are_never_opened() {
    let root = tree(&["a.md"]);
    let fifo = root.path().join("fifo.md");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let _socket = UnixListener::bind(root.path().join("socket.md")).unwrap();
    check(root.path(), "", &["a.md"]);
    symlink("fifo.md", root.path().join("link.md")).unwrap();
    check(root.path(), "follow_links = true", &["a.md"]);

    let source = source(root.path(), "");
    for uri in ["fifo.md", "socket.md"] {
        let error = source.read(&one(uri)).unwrap_err();
        assert_eq!(error.kind, FailureKind::Skipped);
        assert!(error.to_string().ends_with(": not a regular file any more"), "{error}");
    }
}

#[test]
fn names_that_are_not_utf8_work() {
    let root = TempDir::new().unwrap();
    for name in [&b"caf\xe9.md"[..], b"line\nbreak.md", b"100%41.md", b"\xe9/\xff.md"] {
        write(&root.path().join(OsStr::from_bytes(name)), "text");
    }
    let source = source(root.path(), "");
    assert_eq!(listed(&source), ["%E9/%FF.md", "100%2541.md", "caf%E9.md", "line%0Abreak.md"]);
    for entry in entries(&source) {
        assert_eq!(source.read(&entry).unwrap().bytes, b"text");
    }
}

#[test]
fn a_vanished_file_is_a_failure_of_its_own() {
    let root = tree(&["a.md", "b.md"]);
    let source = source(root.path(), "");
    let entries = entries(&source);
    fs::remove_file(root.path().join("a.md")).unwrap();
    let error = source.read(&entries[0]).unwrap_err();
    assert_eq!(error.kind, FailureKind::Transient);
    assert_eq!(error.to_string(), format!("cannot read {}", root.path().join("a.md").display()));
    assert!(source.read(&entries[1]).is_ok());
}

/// Runs `work` on a thread limited to this user's permissions, even if the user is root.
fn without_privileges(work: impl FnOnce() + Send) {
    let work = || {
        let all = rustix::thread::capabilities(None).unwrap();
        let reading = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        let sets = CapabilitySets { effective: all.effective - reading, ..all };
        rustix::thread::set_capabilities(None, sets).unwrap();
        work();
    };
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap();
}

#[test]
fn permissions_are_failures_of_what_they_protect() {
    let root = tree(&["a.md", "closed.md", "dark/b.md", "z.md"]);
    let (file, folder) = (root.path().join("closed.md"), root.path().join("dark"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    without_privileges(|| {
        let source = source(root.path(), "");
        assert_eq!(listed(&source), ["a.md", "closed.md", "!! dark", "z.md"]);
        assert_eq!(source.read(&one("closed.md")).unwrap_err().kind, FailureKind::Transient);
    });
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
}

/// What root cannot open either: paths longer than `PATH_MAX`.
#[test]
fn what_cannot_be_opened_does_not_stop_the_listing() {
    let root = tree(&["z.md"]);
    let chain = |parts: usize| vec!["x".repeat(250); parts].join("/");
    let (outer, inner) = (root.path().join("a").join(chain(12)), root.path().join(chain(7)));
    fs::create_dir_all(&outer).unwrap();
    write(&inner.join("deep.md"), "text");
    fs::rename(root.path().join("x".repeat(250)), outer.join("x")).unwrap();

    let listed = listed(&source(root.path(), ""));
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[0].starts_with("!! a/xxx"), "{listed:?}");
    assert_eq!(listed[1], "z.md");
}

#[test]
fn a_file_whose_path_is_too_long_is_listed_and_fails_when_read() {
    let root = TempDir::new().unwrap();
    let folder = |parts: usize| root.path().join(vec!["x".repeat(250); parts].join("/"));
    fs::create_dir_all(folder(15)).unwrap();
    // The folder's path is shorter than `PATH_MAX`, its file's is not.
    let room = 4096 - 1 - folder(15).as_os_str().len() - 1;
    let last = folder(15).join("y".repeat(room.min(250)));
    fs::create_dir(&last).unwrap();
    let name = "n".repeat(250);
    File::create(root.path().join(&name)).unwrap();
    let moved = Command::new("mv")
        .arg("-t")
        .arg(".")
        .arg(root.path().join(&name))
        .current_dir(&last)
        .status();
    assert!(moved.unwrap().success());

    let source = source(root.path(), "");
    let entries = entries(&source);
    assert_eq!((entries.len(), entries[0].size_bytes), (1, 0));
    assert_eq!(source.read(&entries[0]).unwrap_err().kind, FailureKind::Transient);
}

#[test]
fn large_files_are_listed_but_not_read() {
    let root = tree(&["exact.md"]);
    fs::write(root.path().join("exact.md"), [b'a'; 1000]).unwrap();
    fs::write(root.path().join("over.md"), [b'a'; 1001]).unwrap();
    let tebibyte = 1 << 40;
    let sparse = File::create(root.path().join("sparse.md")).unwrap();
    let has_sparse = sparse.set_len(tebibyte).is_ok();
    if !has_sparse {
        eprintln!("skipped in part: no sparse files here");
    }

    let source = source(root.path(), "max_file_size = \"1kB\"");
    assert_eq!(entries(&source).len(), 3);
    assert_eq!(source.read(&one("exact.md")).unwrap().bytes.len(), 1000);
    let check = |uri: &str, expected: &str| {
        let error = source.read(&one(uri)).unwrap_err();
        assert_eq!(error.kind, FailureKind::Skipped);
        assert!(error.to_string().ends_with(expected), "{error}");
    };
    check("over.md", "over.md: 1001 bytes is over max_file_size (1000 bytes)");
    if has_sparse {
        assert_eq!(entries(&source)[2].size_bytes, tebibyte);
        check("sparse.md", "sparse.md: 1 TiB is over max_file_size (1000 bytes)");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_holds_more_than_its_size_says_is_bounded() {
    let open = |settings: &str| source(Path::new("/proc/self"), settings);
    let content = open("").read(&one("status")).unwrap();
    assert!(content.bytes.starts_with(b"Name:"));
    assert_eq!(content.version, None);
    let error = open("max_file_size = 10").read(&one("status")).unwrap_err();
    assert!(error.to_string().contains("is over max_file_size (10 bytes)"), "{error}");
}

#[test]
fn a_root_that_cannot_be_listed_is_unreachable() {
    let root = tree(&["file"]);
    let check = |path: &str| {
        let config: DirectoryConfig =
            toml::from_str(&format!("name = \"docs\"\npath = \"{path}\"")).unwrap();
        let source = DirectorySource::new(&config, root.path(), &[]).unwrap();
        let error = source.list().err().unwrap();
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
        let path = root.path().join(path);
        assert_eq!(error.to_string(), format!("source \"docs\": cannot reach {}", path.display()));
    };
    check("missing");
    check("file");
}

#[test]
fn an_empty_root_lists_nothing() {
    check(TempDir::new().unwrap().path(), "", &[]);
}

#[test]
fn sources_open_in_the_order_of_the_file() {
    let base = tree(&["b/x.md", "a/y.md"]);
    let config: SourceConfig = toml::from_str(
        "[[directory]]\nname = \"second\"\npath = \"b\"\n[[directory]]\nname = \"first\"\npath = \"a\"",
    )
    .unwrap();
    let stop = std::sync::Arc::default();
    let cache = kbingest::support::cache::Cache::new(&base.path().join("kb.kb"), None);
    let setting = source::Setting {
        base: base.path(),
        leave_out: &[],
        cache: &std::sync::Arc::new(cache),
        program: None,
        stop,
    };
    let sources = source::open(&config, &setting).unwrap();
    let listed = |source: &source::AnySource| match source {
        source::AnySource::Listed(source) => listed(source.as_ref()),
        source::AnySource::Crawled(_) => panic!("no site"),
        source::AnySource::Unavailable { error, .. } => panic!("{error}"),
    };
    let shown: Vec<_> = sources.iter().map(|source| (source.name(), listed(source))).collect();
    assert_eq!(shown, [("second", vec!["x.md".to_owned()]), ("first", vec!["y.md".to_owned()])]);

    let bad: SourceConfig =
        toml::from_str("[[directory]]\nname = \"a\"\npath = \"a\"\ninclude = [\"[\"]").unwrap();
    let error = source::open(&bad, &setting).err().unwrap();
    assert!(matches!(error, SourceError::Config { .. }), "{error:?}");
}

/// Every regular file below `root`, by an independent walk.
fn files_below(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(root, &path, found);
        } else {
            found.push(uri::encode(path.strip_prefix(root).unwrap()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_tree_is_listed_completely_and_in_order(
        paths in prop::collection::vec(
            prop::collection::vec(
                prop::collection::vec(prop::sample::select(b"ab-. %2f~\n\xc3\xa9\xff".to_vec()), 1..4),
                1..4,
            ),
            0..24,
        ),
    ) {
        let root = TempDir::new().unwrap();
        for path in paths {
            let path = root.path().join(OsStr::from_bytes(&path.join(&b'/')));
            // A name may be `..`, or already exist as a file or a folder.
            if path.components().all(|part| part.as_os_str() != "..") && !path.exists() {
                let _ = fs::create_dir_all(path.parent().unwrap());
                let _ = fs::write(&path, "text");
            }
        }
        let mut expected = Vec::new();
        files_below(root.path(), root.path(), &mut expected);
        expected.sort_by(|a, b| uri::uri_order(a, b));
        for settings in ["hidden = true", "hidden = true\ngitignore = false\nfollow_links = true"] {
            let source = source(root.path(), settings);
            let listed = listed(&source);
            prop_assert!(listed.is_sorted_by(|a, b| uri::uri_order(a, b).is_lt()));
            prop_assert_eq!(&listed, &expected);
            for uri in listed {
                prop_assert_eq!(source.read(&one(&uri)).unwrap().bytes, b"text");
            }
        }
    }
}
