//! `[[source.archive]]`: members of archives as documents, and archives that are hostile.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::{Place, rows};

fn place(file: &str, keys: &str) -> Place {
    let place = Place::in_memory();
    place.configure(&format!(
        "[kb]\npath = 'kb.kb'\n[[source.archive]]\nname = 'manuals'\npath = '{file}'\n{keys}\n[embed.hash]\ndim = 64\n"
    ));
    place
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes names into the headers unchanged, which the `tar` crate would refuse.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn put(place: &Place, file: &str, bytes: &[u8]) {
    place.put(&place.path(file), bytes);
}

pub fn uris(place: &Place) -> Vec<String> {
    let sql = "SELECT DISTINCT uri FROM document JOIN revision ON document_id = document.id";
    rows(&place.kb(), &format!("{sql} WHERE state = 'live' ORDER BY uri"))
}

pub fn failures(place: &Place) -> Vec<String> {
    let sql =
        "SELECT uri, error FROM failure JOIN document ON document.id = document_id ORDER BY uri";
    rows(&place.kb(), sql)
}

const HTML: &[u8] = b"<html><body><main><h1>Page</h1><p>Some words.</p></main></body></html>";

#[test]
fn members_are_documents() {
    let members: [(&str, &[u8]); 5] = [
        ("guide/a.md", b"# A\n\nWords of a.\n"),
        ("./guide/b.html", HTML),
        ("guide/.hidden.md", b"# Hidden\n"),
        ("drafts/c.md", b"# C\n"),
        ("notes.txt", b"Plain words.\n"),
    ];
    for (file, bytes) in [
        ("m.zip", zip(&members)),
        ("m.tar", tar(&members)),
        ("m.tar.gz", gzip(&tar(&members))),
        // Its format is detected by its content.
        ("m.zip", gzip(&tar(&members))),
    ] {
        let place = place(file, "exclude = ['drafts/**']");
        put(&place, file, &bytes);
        place.ingest();
        assert_eq!(uris(&place), ["guide/a.md", "guide/b.html", "notes.txt"], "{file}");
        let page = rows(&place.kb(), "SELECT title, text FROM chunks WHERE uri = 'guide/b.html'");
        assert_eq!(page, ["Page|# Page\n\nSome words."], "{file}");

        let again = place.ingest().metrics;
        assert_eq!((again.documents_unchanged, again.bytes_read), (3, 0), "{file}");
        place.assert_equals_fresh_ingest();
    }
}

/// Unpacking cannot be observed from outside, so the archive is damaged without a trace: a new
/// listing finds it broken, a cached one is used without reading it.
#[test]
fn an_unchanged_archive_is_not_unpacked_again() {
    let members: [(&str, &[u8]); 2] = [("a.md", b"# A\n\nWords of a.\n"), ("b.md", b"# B\n")];
    let place = place("m.zip", "");
    let bytes = zip(&members);
    let archive = place.path("m.zip");
    let settled = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 7);
    let put = |bytes: &[u8]| {
        place.put(&archive, bytes);
        let file = std::fs::File::options().write(true).open(&archive).unwrap();
        file.set_modified(settled).unwrap();
    };
    put(&bytes);
    place.ingest();
    let spoiled = vec![b'x'; bytes.len()];
    put(&spoiled);
    let run = place.ingest().metrics;
    assert_eq!((run.documents_unchanged, run.bytes_read), (2, 0));

    // Same bytes with another mtime: they are compared, and recognised by the new mtime from then
    // on.
    put(&bytes);
    let file = std::fs::File::options().write(true).open(&archive).unwrap();
    file.set_modified(settled + std::time::Duration::from_secs(60)).unwrap();
    drop(file);
    assert_eq!(place.ingest().metrics.documents_unchanged, 2);
    // Other settings list it again, and so does a lost or damaged cache.
    let kept = place.cache_of(&place.kb()).join("archives/manuals.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    for other in [text.replace("b.md", "c.md"), text[..text.len() / 2].to_owned(), String::new()] {
        std::fs::write(&kept, other).unwrap();
        assert_eq!(place.ingest().metrics.documents_unchanged, 2);
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), text);
    }
    // The cached listing of a removed archive is not used.
    std::fs::remove_file(&archive).unwrap();
    place.ingest_to(20);
    assert_eq!(uris(&place), ["a.md", "b.md"]);
}

/// A cached listing also serves a knowledge base that has lost its documents: they are unpacked
/// when they are read.
#[test]
fn a_kept_listing_is_read_by_unpacking() {
    let place = place("m.zip", "");
    let members: [(&str, &[u8]); 2] = [("a.md", b"# A\n\nWords of a.\n"), ("b.md", b"# B\n")];
    put(&place, "m.zip", &zip(&members));
    place.ingest();
    std::fs::remove_file(place.kb()).unwrap();
    assert_eq!(place.ingest().metrics.documents_new, 2);
    place.assert_equals_fresh_ingest();
}

#[test]
fn a_new_archive_changes_what_differs() {
    let place = place("m.zip", "");
    put(&place, "m.zip", &zip(&[("a.md", b"# A\n"), ("b.md", b"# B\n"), ("c.md", b"# C\n")]));
    place.ingest();
    put(
        &place,
        "m.zip",
        &gzip(&tar(&[("c.md", b"# C\n"), ("b.md", b"# B2\n"), ("d.md", b"# D\n")])),
    );
    let run = place.ingest().metrics;
    let done =
        (run.documents_new, run.documents_changed, run.documents_deleted, run.documents_unchanged);
    assert_eq!(done, (1, 1, 1, 1));
    place.assert_equals_fresh_ingest();
    // A missing archive, or a file that is not an archive, deletes nothing.
    put(&place, "m.zip", b"not an archive");
    place.ingest_to(20);
    std::fs::remove_file(place.path("m.zip")).unwrap();
    place.ingest_to(20);
    assert_eq!(uris(&place), ["b.md", "c.md", "d.md"]);
}

#[test]
fn names_cannot_leave_the_archive() {
    let members: [(&str, &[u8]); 6] = [
        ("../up.md", b"# Up\n"),
        ("/etc/absolute.md", b"# Absolute\n"),
        ("a/../../climb.md", b"# Climb\n"),
        ("..\\windows.md", b"# Windows\n"),
        ("a\nb\x1b.md", b"# Control\n"),
        ("good.md", b"# Good\n"),
    ];
    for (file, bytes) in [("m.zip", zip(&members)), ("m.tar.gz", gzip(&tar(&members)))] {
        let place = place(file, "");
        put(&place, file, &bytes);
        place.ingest_to(3);
        assert_eq!(uris(&place), ["a%0Ab%1B.md", "good.md"], "{file}");
        let reported = failures(&place);
        assert_eq!(reported.len(), 4, "{reported:?}");
        assert!(
            reported
                .iter()
                .all(|one| one.ends_with("its name leads out of the archive; it is left out"))
        );
        assert!(!place.path("up.md").exists() && !place.path("../climb.md").exists());
    }
}

#[test]
fn bombs_are_cut_off() {
    let zeroes = vec![b'0'; 4 << 20];
    let members: [(&str, &[u8]); 3] = [("a.md", b"# A\n"), ("b.md", &zeroes), ("c.md", b"# C\n")];
    for (file, bytes) in [("m.zip", zip(&members)), ("m.tar.gz", gzip(&tar(&members)))] {
        let one = place(file, "max_file_size = '1MiB'");
        put(&one, file, &bytes);
        one.ingest();
        assert_eq!(uris(&one), ["a.md", "c.md"], "{file}");
        assert_eq!(failures(&one), ["b.md|b.md: it is over max_file_size (1 MiB)"], "{file}");

        let all = place(file, "max_total_size = '2MiB'");
        put(&all, file, &bytes);
        all.ingest_to(3);
        assert_eq!(uris(&all), ["a.md"], "{file}");
        let reported = failures(&all);
        let expected = "it unpacks to more than max_total_size (2 MiB); the rest is left out";
        assert!(reported.len() == 1 && reported[0].ends_with(expected), "{file}: {reported:?}");

        let few = place(file, "max_members = 2");
        put(&few, file, &bytes);
        few.ingest_to(3);
        assert_eq!(uris(&few), ["a.md", "b.md"], "{file}");
        assert!(failures(&few)[0].ends_with("it has more than max_members (2)"));
    }
    // Unwanted members of a tar file have to be unpacked nevertheless.
    let place = place("m.tar.gz", "max_total_size = '2MiB'\ninclude = ['c.md']");
    put(&place, "m.tar.gz", &gzip(&tar(&members)));
    place.ingest_to(3);
    assert_eq!(uris(&place), Vec::<String>::new());
}

#[test]
fn archives_in_archives_are_opened_as_deep_as_is_asked_for() {
    let innermost = zip(&[("deep.md", b"# Deep\n")]);
    let inner = gzip(&tar(&[("inner.md", b"# Inner\n"), ("innermost.zip", &innermost)]));
    let outer = zip(&[("outer.md", b"# Outer\n"), ("x/inner.tgz", &inner)]);
    for (depth, expected) in [
        (0, &["outer.md"][..]),
        (1, &["outer.md", "x/inner.tgz/inner.md"]),
        (2, &["outer.md", "x/inner.tgz/inner.md", "x/inner.tgz/innermost.zip/deep.md"]),
    ] {
        let place = place("m.zip", &format!("max_depth = {depth}"));
        put(&place, "m.zip", &outer);
        place.ingest();
        assert_eq!(uris(&place), expected);
    }
    // A bomb of archives: the limit is on the unpacked size of all of them.
    let part = vec![b'0'; 1 << 20];
    let inner = zip(&[("a.md", &part)]);
    let names: Vec<_> = (0..10).map(|number| format!("{number}.zip")).collect();
    let members: Vec<_> = names.iter().map(|name| (name.as_str(), inner.as_slice())).collect();
    let place = place("m.zip", "max_depth = 1\nmax_total_size = '3MiB'");
    put(&place, "m.zip", &zip(&members));
    place.ingest_to(3);
    assert_eq!(uris(&place).len(), 2);
}

/// Truncated and with bytes flipped: the run ends, and intact members are ingested.
#[test]
fn damage_costs_what_is_damaged() {
    let words = "words and more words ".repeat(400);
    let members: [(&str, &[u8]); 3] =
        [("a.md", words.as_bytes()), ("b.md", words.as_bytes()), ("c.md", b"# C\n")];
    for (file, bytes) in
        [("m.zip", zip(&members)), ("m.tar.gz", gzip(&tar(&members))), ("m.tar", tar(&members))]
    {
        for part in 1..6 {
            let place = place(file, "max_depth = 2");
            put(&place, file, &bytes[..bytes.len() * part / 6]);
            let code = crate::support::ingest(&place.config(), None).exit_code;
            assert!(matches!(code, 3 | 20), "{file} {part}: {code}");
        }
        let mut draw = crate::support::Draw::new(7);
        for _ in 0..10 {
            let mut bytes = bytes.clone();
            for _ in 0..20 {
                let at = draw.below(bytes.len());
                bytes[at] ^= 1 << draw.below(8);
            }
            let place = place(file, "max_depth = 2");
            put(&place, file, &bytes);
            let code = crate::support::ingest(&place.config(), None).exit_code;
            assert!(matches!(code, 0 | 3 | 20), "{file}: {code}");
        }
    }
}

#[test]
fn of_a_member_that_occurs_twice_the_last_is_a_document() {
    let members: [(&str, &[u8]); 3] =
        [("a.md", b"# A\n\nfirst\n"), ("b.md", b"# B\n\nother\n"), ("c.md", b"# C\n\nlast\n")];
    let twice: Vec<_> = members
        .iter()
        .map(|(name, text)| (if *name == "c.md" { "a.md" } else { *name }, *text))
        .collect();
    // The writer refuses a name that it has written.
    let mut renamed = zip(&members);
    while let Some(at) = renamed.windows(4).position(|part| part == b"c.md") {
        renamed[at] = b'a';
    }
    for (file, bytes) in [("m.tar", tar(&twice)), ("m.zip", renamed)] {
        let place = place(file, "");
        put(&place, file, &bytes);
        place.ingest();
        assert_eq!(uris(&place), ["a.md", "b.md"], "{file}");
        let texts = rows(&place.kb(), "SELECT text FROM chunks").concat();
        assert!(texts.contains("last") && !texts.contains("first"), "{file}: {texts}");
        assert!(failures(&place).is_empty(), "{file}");
        assert_eq!(place.ingest().metrics.documents_unchanged, 2, "{file}");
    }
}
