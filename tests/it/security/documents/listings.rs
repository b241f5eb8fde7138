//! Names, numbers and places of documents: archives, git trees, ignore files and folders that are
//! made to cost more than they contain, or to lead elsewhere.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use kbingest::operations::{self, Target};
use kbingest::source::{DirectoryConfig, DirectorySource, Source};
use rusqlite::Connection;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::archive::{failures, uris};
use crate::support::{Place, ingest, program};

/// A place with one source, whose table is `table`.
fn place(table: &str) -> Place {
    let place = Place::in_memory();
    place.configure(&format!("[kb]\npath = 'kb.kb'\n{table}\n[embed.hash]\ndim = 16\n"));
    place
}

fn archive(keys: &str) -> Place {
    place(&format!("[[source.archive]]\nname = 'a'\npath = 'a'\n{keys}"))
}

/// A header with `kind`, and padded content.
fn member(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, content: &str) -> Vec<u8> {
    member(name, b'0', content.as_bytes())
}

fn records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        bytes.extend_from_slice(format!("{length}{rest}").as_bytes());
    }
    member("pax", b'x', &bytes)
}

fn gzip(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    parts.iter().for_each(|part| encoder.write_all(part).unwrap());
    encoder.write_all(&[0; 1024]).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_name_longer_than_a_path_costs_its_member_and_is_kept_nowhere() {
    let name = "n".repeat(32 << 20);
    let long = [
        vec![member("././@LongLink", b'L', name.as_bytes()), file("nnn", "# Secret\n")],
        vec![records(&[("path", &name[..900_000])]), file("nnn", "# Secret\n")],
        vec![
            records(&[("path", &"d/".repeat(2049))]),
            member("././@LongLink", b'K', name.as_bytes()),
            file("nnn", "# Secret\n"),
        ],
    ];
    for parts in long {
        let place = archive("");
        let known = [file("a.md", "# A\n"), file("b.md", "# B\n")];
        place.put(&place.path("a"), &gzip(&known));
        place.ingest();
        let all = [known[..1].to_vec(), parts, vec![file("c.md", "# C\n")]].concat();
        place.put(&place.path("a"), &gzip(&all));
        place.ingest_to(3);
        // The document that may be the one with the long name is not deleted.
        assert_eq!(uris(&place), ["a.md", "b.md", "c.md"]);
        let reported = failures(&place);
        assert!(reported.len() == 1 && reported[0].len() < 1000, "{reported:?}");
        assert!(reported[0].contains("its name is over 4096 bytes"), "{reported:?}");
        // Nothing is new in a second run, which reports the same.
        assert_eq!(place.ingest_to(3).metrics.documents_unchanged, 2);
        let kept: u64 = ["kb.kb", "kb.kb-wal"]
            .iter()
            .filter_map(|file| Some(place.path(file).metadata().ok()?.len()))
            .sum();
        assert!(kept < 4 << 20, "{kept} bytes on disk");
        assert!(operations::status(&Target::File(place.kb())).is_ok());
    }
}

/// The names of nested archives add up.
#[test]
fn addresses_of_nested_archives_are_bounded() {
    let name = format!("{}x.tar", "d/".repeat(2000));
    let mut inner =
        [records(&[("path", &format!("{}x.md", &name[..3990]))]), file("x", "# X\n")].concat();
    for _ in 0..3 {
        inner = [records(&[("path", &name)]), member("x", b'0', &inner)].concat();
    }
    let place = archive("max_depth = 8");
    place.put(&place.path("a"), &gzip(&[inner, file("good.md", "# Good\n")]));
    place.ingest_to(3);
    assert_eq!(uris(&place), ["good.md"]);
    assert!(failures(&place).iter().all(|reported| reported.len() < 1000));
}

#[test]
fn headers_that_lie_about_sizes_are_damage() {
    let huge = |field: &[u8; 12]| {
        let mut bytes = file("b.md", "# B\n");
        bytes[124..136].copy_from_slice(field);
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&bytes[..512]);
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
        bytes
    };
    for (what, part) in [
        ("more than there is", huge(b"77777777777\0")),
        ("2^63", huge(b"\x80\0\0\0\x80\0\0\0\0\0\0\0")),
        ("negative", huge(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("2^70", huge(b"\x80\0\0\x40\0\0\0\0\0\0\0\0")),
        ("no number", huge(b"seventy\0\0\0\0\0")),
        (
            "pax: too large",
            [records(&[("size", "9223372036854775807")]), file("b.md", "# B\n")].concat(),
        ),
        ("pax: no number", [records(&[("size", "-1")]), file("b.md", "# B\n")].concat()),
        ("pax: too many bytes", member("pax", b'x', &vec![b'1'; 2 << 20])),
        ("pax: no record", member("pax", b'x', b"7 path\n")),
        (
            "two long names",
            [member("l", b'L', b"x"), member("l", b'L', b"y"), file("b", "")].concat(),
        ),
        ("a name and no member", member("l", b'L', b"x")),
    ] {
        let place = archive("");
        place.put(&place.path("a"), &gzip(&[file("a.md", "# A\n"), file("z.md", "# Z\n")]));
        place.ingest();
        place.put(&place.path("a"), &gzip(&[file("a.md", "# A\n"), part]));
        place.ingest_to(3);
        // The one after the damage stays, and no truncated member counts as complete.
        assert_eq!(uris(&place), ["a.md", "z.md"], "{what}");
    }
}

#[test]
fn what_pax_headers_say_is_obeyed() {
    let content = "# Long\n\nText.\n";
    let mut body = member("short.md", b'0', content.as_bytes());
    body[124..136].copy_from_slice(b"00000000000\0");
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(&body[..512]);
    header.set_cksum();
    body[..512].copy_from_slice(header.as_bytes());
    let said = records(&[("path", "line/é.md"), ("size", &content.len().to_string())]);
    let sparse = [records(&[("GNU.sparse.name", "s.md")]), file("GNUSparseFile.0/s.md", "1\n")];
    let place = archive("");
    let global = member("g", b'g', b"14 comment=x=\n");
    place.put(
        &place.path("a"),
        &gzip(&[global, said, body, sparse.concat(), file("z.md", "# Z\n")]),
    );
    place.ingest_to(3);
    assert_eq!(uris(&place), ["line/é.md", "z.md"]);
    assert_eq!(failures(&place), ["s.md|s.md: is stored with its holes left out (sparse)"]);
}

#[test]
fn members_that_share_bytes_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    writer.start_file("kernel.md", options).unwrap();
    writer.write_all(&vec![b'a'; 1 << 20]).unwrap();
    for number in 0..500 {
        writer.shallow_copy_file("kernel.md", &format!("{number}.md")).unwrap();
    }
    writer.start_file("good.md", options).unwrap();
    writer.write_all(b"# Good\n").unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let place = archive("");
    place.put(&place.path("a"), &bytes);
    let run = place.ingest_to(3);
    assert_eq!(uris(&place), ["good.md"]);
    assert_eq!(failures(&place).len(), 501);
    assert!(run.metrics.bytes_read < 1000, "{}", run.metrics.bytes_read);
}

/// More than are reported one by one: the others may hide what must not be deleted.
#[test]
fn problems_that_are_not_reported_one_by_one_block_deletions_too() {
    let place = archive("max_depth = 1");
    place.put(&place.path("a"), &gzip(&[file("a.md", "# A\n"), file("b.md", "# B\n")]));
    place.ingest();
    let mut parts: Vec<_> = (0..150).map(|n| file(&format!("../{n}.md"), "# Out\n")).collect();
    parts.push(file("broken.zip", "no zip"));
    parts.push(file("a.md", "# A\n"));
    place.put(&place.path("a"), &gzip(&parts));
    place.ingest_to(3);
    assert_eq!(uris(&place), ["a.md", "b.md"]);
    assert_eq!(failures(&place).len(), 101);
}

#[test]
fn names_that_come_twice_are_one_document() {
    let place = archive("");
    let parts = [file("../x.md", "# X\n"), file("../x.md", "# X\n"), file(".", "# Dot\n")];
    place.put(&place.path("a"), &gzip(&[parts.concat(), file("a.md", "# A\n")]));
    place.ingest_to(3);
    assert_eq!(uris(&place), ["a.md"]);
    assert_eq!(failures(&place).len(), 1);
}

/// Checks that `place` ingests three documents of more, reports it, deletes nothing and is stable.
fn check_limit(place: &Place, expected: &[&str]) {
    let limit = "max_documents = 3";
    place.reconfigure(limit, "max_documents = 100");
    place.ingest();
    let all = uris(place);
    assert!(all.len() > 3);
    place.reconfigure("max_documents = 100", limit);
    for _ in 0..2 {
        let run = place.ingest_to(4);
        let metrics = &run.metrics;
        assert_eq!((metrics.documents_unchanged, metrics.documents_deleted), (3, 0));
        assert!(metrics.pages_left_out > 0);
        assert_eq!(uris(place), all);
    }
    fs::remove_file(place.kb()).unwrap();
    assert_eq!(place.ingest_to(4).metrics.documents_new, 3);
    assert_eq!(uris(place), expected);
    assert_eq!(place.ingest_to(4).metrics.documents_unchanged, 3);
}

#[test]
fn every_listing_has_a_greatest_number_of_documents() {
    let limit = "max_documents = 3";
    let folder = place(&format!("[[source.directory]]\nname = 'd'\npath = 'docs'\n{limit}"));
    for name in ["z.md", "b/c.md", "a.md", "b/a.md", "c.md"] {
        folder.write(name, format!("# {name}\n"));
    }
    check_limit(&folder, &["a.md", "b/a.md", "b/c.md"]);

    let archive = archive(limit);
    let parts: Vec<_> = ["z.md", "a.md", "c.md", "b.md"].map(|name| file(name, "# X\n")).into();
    archive.put(&archive.path("a"), &gzip(&parts));
    check_limit(&archive, &["a.md", "b.md", "c.md"]);

    let table = "[[source.records]]\nname = 'r'\npath = 'r.csv'\nid = 'id'\ntext = ['t']";
    let records = place(&format!("{table}\n{limit}"));
    records.put(&records.path("r.csv"), b"id,t\nz,one\na,two\nc,three\nb,four\n");
    check_limit(&records, &["a", "b", "c"]);

    let git = place(&format!("[[source.git]]\nname = 'g'\nurl = 'repo'\n{limit}"));
    let repo = git.path("repo");
    fs::create_dir(&repo).unwrap();
    for name in ["z.md", "b/c.md", "a.md", "b/a.md", "c.md"] {
        git.put(&repo.join(name), format!("# {name}\n").as_bytes());
    }
    run_git(&repo, &["init", "-q", "-b", "main"], "");
    run_git(&repo, &["add", "-A"], "");
    run_git(&repo, &["commit", "-q", "-m", "all"], "");
    check_limit(&git, &["a.md", "b/a.md", "b/c.md"]);
}

fn run_git(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Ten folders that are one folder with ten folders …: 10^10 files, in a repository of kilobytes.
#[test]
fn a_git_tree_without_end_is_cut_off() {
    for (keys, ingested) in [
        ("max_documents = 200", 200),
        ("max_documents = 200\nexclude = ['**/*.md']", 0),
        ("max_documents = 200\ninclude = ['nothing']", 0),
    ] {
        let place = place(&format!("[[source.git]]\nname = 'g'\nurl = 'repo'\n{keys}"));
        let repo = place.path("repo");
        fs::create_dir(&repo).unwrap();
        run_git(&repo, &["init", "-q", "-b", "main"], "");
        let blob = run_git(&repo, &["hash-object", "-w", "--stdin"], "# One\n");
        let tree = |kind: &str, id: &str, ending: &str| {
            let lines = (0..10).map(|n| format!("{kind} {id}\t{n}{ending}\n"));
            run_git(&repo, &["mktree"], &lines.collect::<String>())
        };
        let mut id = tree("100644 blob", &blob, ".md");
        for _ in 0..9 {
            id = tree("040000 tree", &id, "");
        }
        let commit = run_git(&repo, &["commit-tree", &id, "-m", "bomb"], "");
        run_git(&repo, &["update-ref", "refs/heads/main", &commit], "");
        let run = place.ingest_to(4);
        assert_eq!(run.metrics.documents_new, ingested, "{keys}");
        assert_eq!(place.ingest_to(4).metrics.documents_unchanged, ingested, "{keys}");
    }
}

const FOLDER: &str = "[[source.directory]]\nname = 'docs'\npath = 'docs'";

/// Checks a folder with `.gitignore`, of which `b.md` was known and `secret.md` is unwanted.
fn check_rules(rules: &[u8], is_obeyed: bool) {
    for (folder, file) in [("", ".gitignore"), ("", ".kbignore"), ("sub/", ".gitignore")] {
        let place = place(FOLDER);
        place.write(&format!("{folder}b.md"), "# B\n");
        place.ingest();
        place.write(&format!("{folder}{file}"), rules);
        place.write(&format!("{folder}secret.md"), "# Secret\n");
        place.write(&format!("{folder}c.md"), "# C\n");
        place.ingest_to(if is_obeyed { 0 } else { 3 });
        let b = format!("{folder}b.md");
        let expected = if is_obeyed { vec![b, format!("{folder}c.md")] } else { vec![b] };
        let shown = String::from_utf8_lossy(&rules[..rules.len().min(80)]);
        assert_eq!(uris(&place), expected, "{folder}{file} {shown:?} {:?}", failures(&place));
    }
}

#[test]
fn rules_that_cannot_be_obeyed_as_a_whole_are_a_failure_and_never_none() {
    let pattern = |number: u32| format!("dir{number}/*.x{number}\n");
    let many = |count| (0..count).map(pattern).collect::<String>();
    check_rules(format!("secret.md\n{}", many(60_000)).as_bytes(), false);
    check_rules(format!("{}secret.md\n", many(8192)).as_bytes(), false);
    check_rules(format!("{}secret.md\n", "#".repeat(1 << 18)).as_bytes(), false);
    check_rules(format!("secret.md\n[{}]\n", "ab".repeat(3000)).as_bytes(), false);
    let nested = "{a,b".repeat(900) + &"}".repeat(900);
    let large: String = (0..50).map(|_| format!("{nested}*?*[!x]\n")).collect();
    check_rules(format!("secret.md\n{large}").as_bytes(), false);
}

#[test]
fn a_line_that_is_no_pattern_costs_itself_alone() {
    check_rules(b"[z-a]\n{x,\n\xff\xfe\n\xef\xbb\n# caf\xe9\nsecret.md\n", true);
    check_rules(b"\xef\xbb\xbfsecret.md\r\n", true);
    check_rules(b"*ecret.*\n!c.md\n", true);
    check_rules([b"secret.md\n", &b"*a".repeat(50_000)[..]].concat().as_slice(), true);
    let place = place(FOLDER);
    place.write(".gitignore", b"caf\xe9.md\n");
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.md");
    place.put(&place.docs().join(name), b"# Secret\n");
    place.write("a.md", "# A\n");
    place.ingest();
    assert_eq!(uris(&place), ["a.md"]);
}

#[test]
fn rules_add_up_on_the_way_down() {
    let place = place(FOLDER);
    let rules: String = (0..3000).map(|number| format!("dir{number}/*.x\n")).collect();
    for folder in ["", "a/", "a/b/", "a/b/c/", "z/"] {
        place.write(&format!("{folder}.gitignore"), &rules);
        place.write(&format!("{folder}x.md"), "# X\n");
    }
    place.ingest_to(3);
    // Those of a/b are too many together with the two above it; the ones beside it are unchanged.
    assert_eq!(uris(&place), ["a/x.md", "x.md", "z/x.md"]);
}

#[test]
fn a_link_to_rules_may_not_lead_out() {
    let place = place(FOLDER);
    place.put(&place.path("outside"), b"secret.md\n");
    place.write("sub/secret.md", "# Secret\n");
    place.write("a.md", "# A\n");
    symlink("../../outside", place.docs().join("sub/.gitignore")).unwrap();
    place.ingest_to(3);
    assert_eq!(uris(&place), ["a.md"]);
    // One that stays inside is followed.
    fs::remove_file(place.docs().join("sub/.gitignore")).unwrap();
    place.write("rules", "secret.md\nrules\n");
    symlink("../rules", place.docs().join("sub/.gitignore")).unwrap();
    place.ingest();
    assert_eq!(uris(&place), ["a.md", "rules"]);
}

fn directory(root: &Path, keys: &str) -> DirectorySource {
    let table = format!("name = 'docs'\npath = '{}'\n{keys}", root.display());
    let config: DirectoryConfig = toml::from_str(&table).unwrap();
    DirectorySource::new(&config, root, &[]).unwrap()
}

/// A folder, another one beside it with a secret, and a link to that one with another name.
fn inside_and_outside() -> tempfile::TempDir {
    let root = tempfile::TempDir::new().unwrap();
    for (file, text) in [
        ("docs/a.md", "public"),
        ("docs/sub/deep/b.md", "public"),
        ("docs/z.md", "public"),
        ("outside/deep/b.md", "secret"),
        ("outside/b.md", "secret"),
        ("outside/deep/c.md", "secret"),
    ] {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    symlink(root.path().join("outside"), root.path().join("link")).unwrap();
    root
}

#[test]
fn a_folder_exchanged_for_a_link_is_neither_entered_nor_read_through() {
    for keys in ["", "gitignore = false", "follow_links = true"] {
        let root = inside_and_outside();
        let docs = root.path().join("docs");
        let exchange = || {
            fs::rename(docs.join("sub"), root.path().join("was")).unwrap();
            symlink(root.path().join("outside"), docs.join("sub")).unwrap();
        };
        let source = directory(&docs, keys);
        // Between listing and reading.
        let listed: Vec<_> = source.list().unwrap().map(|one| one.unwrap()).collect();
        assert_eq!(listed.len(), 3);
        exchange();
        let error = source.read(&listed[1]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(source.read(&listed[0]).unwrap().bytes, b"public");
        fs::remove_file(docs.join("sub")).unwrap();
        fs::rename(root.path().join("was"), docs.join("sub")).unwrap();
        // Between reading the names of a folder and entering it.
        let mut listing = source.list().unwrap();
        assert_eq!(listing.next().unwrap().unwrap().uri, "a.md");
        exchange();
        let error = listing.next().unwrap().unwrap_err();
        assert!(error.uri == "sub" && error.blocks_deletions, "{error}");
        assert_eq!(listing.next().unwrap().unwrap().uri, "z.md");
        assert!(listing.next().is_none());
        // The root itself is still the one that was listed.
        fs::rename(&docs, root.path().join("old")).unwrap();
        symlink("outside", &docs).unwrap();
        let b = kbingest::domain::Entry { uri: "b.md".into(), ..Default::default() };
        assert!(source.read(&b).is_err());
    }
}

/// While one thread exchanges a folder and a link to another, ten thousand times, others list and
/// read.
#[test]
fn nothing_from_outside_gets_in_however_folders_are_exchanged() {
    let root = inside_and_outside();
    let docs = root.path().join("docs");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..10_000 {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                let (a, b) = (docs.join("sub"), root.path().join("link"));
                let cwd = rustix::fs::CWD;
                rustix::fs::renameat_with(cwd, &a, cwd, &b, exchange).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        for keys in ["", "follow_links = true"] {
            let (docs, is_over) = (&docs, &is_over);
            scope.spawn(move || {
                let source = directory(docs, keys);
                while !is_over.load(Ordering::Relaxed) {
                    for entry in source.list().unwrap().filter_map(Result::ok) {
                        assert_ne!(entry.uri, "sub/b.md");
                        assert_ne!(entry.uri, "sub/deep/c.md");
                        if let Ok(content) = source.read(&entry) {
                            assert_eq!(content.bytes, b"public");
                        }
                    }
                }
            });
        }
    });
}

/// Errors and URIs of any length that an earlier version stored.
#[test]
fn status_reads_what_earlier_versions_stored() {
    let place = place(FOLDER);
    place.write("a.bin", b"\0\x01\x02");
    place.write("a.md", "# A\n");
    ingest(&place.config(), None);
    let kb = Connection::open(place.kb()).unwrap();
    let long = "x".repeat(20 << 20);
    assert_eq!(kb.execute("UPDATE failure SET error = ?1", [&long]).unwrap(), 1);
    kb.execute("UPDATE document SET uri = ?1 WHERE uri = 'a.bin'", [&long]).unwrap();
    drop(kb);
    let status = operations::status(&Target::File(place.kb())).unwrap();
    assert!(status.failures[0].error.len() < 10_000 && status.failures[0].uri.len() < 10_000);
    let output = program().arg("status").arg(place.kb()).output().unwrap();
    assert!(output.status.success() && output.stdout.len() < 100_000);
}

/// What cannot be counted is not zero.
#[test]
fn failures_that_cannot_be_read_are_no_success() {
    let place = place(FOLDER);
    place.write("a.bin", b"\0\x01\x02");
    place.write("a.md", "# A\n");
    ingest(&place.config(), None);
    let kb = Connection::open(place.kb()).unwrap();
    let spoilt = "UPDATE failure SET error = CAST(x'ff' AS TEXT)";
    assert_eq!(kb.execute(spoilt, []).unwrap(), 1);
    drop(kb);
    let output = program().arg("ingest").arg(place.toml()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("error"), "{said}");
}
