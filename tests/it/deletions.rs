//! Deletions that are made, and those that wait until they are allowed.

use std::fs;

use crate::cli::ends_with;
use crate::support::{Place, rows};

const NOTES: &str = "[[source.directory]]\nname = 'notes'\npath = 'notes'\n";

/// Returns source and URI of the documents that searches find.
fn live(place: &Place) -> Vec<String> {
    let sql = "SELECT document.source || ':' || document.uri FROM document JOIN revision
               ON revision.document_id = document.id WHERE state = 'live' ORDER BY 1";
    rows(&place.kb(), sql)
}

/// A place with a document, and a second source with two.
fn two_sources(more: &str) -> (Place, String) {
    let place = Place::new();
    place.write("a.md", "alpha");
    for name in ["notes/1.md", "notes/2.md"] {
        place.put(&place.path(name), name.as_bytes());
    }
    let alone = fs::read_to_string(place.toml()).unwrap();
    place.configure(&format!("{alone}\n{NOTES}{more}"));
    ends_with(&place, 0, &["ingest", "-q"]);
    assert_eq!(live(&place), ["docs:a.md", "notes:1.md", "notes:2.md"]);
    (place, alone)
}

#[test]
fn a_source_that_kb_toml_no_longer_names_is_kept_until_that_is_allowed() {
    for allow in ["--allow-deletes", "--allow-deletes=notes", "--allow-deletes=docs,notes"] {
        let (place, alone) = two_sources("");
        place.configure(&alone);
        let (_, stderr) = ends_with(&place, 21, &["ingest"]);
        let expected = "source \"notes\" is no longer in kb.toml, its 2 documents are kept: \
                        `kbingest ingest --allow-deletes=notes` deletes them";
        assert!(stderr.contains(expected), "{stderr}");
        ends_with(&place, 21, &["ingest", "--allow-deletes=docs"]);
        assert_eq!(live(&place), ["docs:a.md", "notes:1.md", "notes:2.md"]);
        ends_with(&place, 0, &["ingest", "-q", allow]);
        assert_eq!(live(&place), ["docs:a.md"]);
        ends_with(&place, 0, &["ingest", "-q"]);
    }
}

/// It is as if it had never been away.
#[test]
fn a_source_that_comes_back_has_kept_its_documents() {
    let (place, alone) = two_sources("");
    let both = fs::read_to_string(place.toml()).unwrap();
    place.configure(&alone);
    ends_with(&place, 21, &["ingest"]);
    place.configure(&both);
    let (stdout, _) = ends_with(&place, 0, &["ingest"]);
    assert!(stdout.contains("0 new, 0 changed, 3 unchanged, 0 deleted"), "{stdout}");
}

#[test]
fn a_name_that_no_source_has_is_refused() {
    let (place, _) = two_sources("");
    let (_, stderr) = ends_with(&place, 2, &["ingest", "--allow-deletes=nots"]);
    assert!(stderr.contains("nots") && stderr.contains("docs, notes"), "{stderr}");
}

#[test]
fn all_documents_of_a_source_never_go_unasked() {
    let (place, _) = two_sources("");
    place.remove("a.md");
    let (_, stderr) = ends_with(&place, 21, &["ingest"]);
    assert!(stderr.contains("\"docs\": 1 of 1 document"), "{stderr}");
    assert!(stderr.contains("`kbingest ingest --allow-deletes=docs` deletes them"), "{stderr}");
    // Not all: one is renamed, or remains.
    place.write("b.md", "alpha");
    place.put(&place.path("notes/1.md"), b"one");
    ends_with(&place, 0, &["ingest", "-q"]);
    fs::remove_file(place.path("notes/1.md")).unwrap();
    ends_with(&place, 0, &["ingest", "-q"]);
    assert_eq!(live(&place), ["docs:b.md", "notes:2.md"]);
    place.remove("b.md");
    ends_with(&place, 0, &["ingest", "-q", "--allow-deletes=docs"]);
    assert_eq!(live(&place), ["notes:2.md"]);
}

/// What is found in their place does not make up for them: another disk may be mounted.
#[test]
fn new_documents_do_not_make_up_for_those_that_are_gone() {
    for (others, limit) in [(1, ""), (30, ""), (300, "max_delete = '10%'\n")] {
        let (place, _) = two_sources(limit);
        for name in ["notes/1.md", "notes/2.md"] {
            fs::remove_file(place.path(name)).unwrap();
        }
        for number in 0..others {
            place.put(&place.path(&format!("notes/other{number}.md")), b"something else");
        }
        place.put(&place.path("notes/x.bin"), b"\0");
        for _ in 0..2 {
            let (_, stderr) = ends_with(&place, 21, &["ingest"]);
            assert!(stderr.contains("\"notes\": 2 of "), "{stderr}");
        }
    }
}

/// Every text is still there, under another name.
#[test]
fn documents_that_were_moved_are_not_lost() {
    let place = Place::new();
    for number in 0..20 {
        place.write(&format!("old/{number}.md"), format!("text {number}"));
    }
    ends_with(&place, 0, &["ingest", "-q"]);
    place.rename("old", "new");
    let (stdout, _) = ends_with(&place, 0, &["ingest"]);
    assert!(stdout.contains("20 new, 0 changed, 0 unchanged, 20 deleted"), "{stdout}");
}

/// A failure without a text is nothing that could be lost.
#[test]
fn documents_without_a_text_go_at_once() {
    let place = Place::new();
    place.write("a.bin", "\0");
    ends_with(&place, 0, &["ingest", "-q"]);
    place.remove("a.bin");
    ends_with(&place, 0, &["ingest", "-q"]);
    assert_eq!(rows(&place.kb(), "SELECT uri FROM document"), [""; 0]);
}

#[test]
fn limits_are_of_one_source() {
    let check = |limit: &str, gone: usize, code: i32| {
        let (place, _) = two_sources(&format!("max_delete = {limit}\n"));
        for number in 3..=10 {
            place.put(
                &place.path(&format!("notes/{number}.md")),
                format!("note {number}").as_bytes(),
            );
        }
        ends_with(&place, 0, &["ingest", "-q"]);
        for number in 1..=gone {
            fs::remove_file(place.path(&format!("notes/{number}.md"))).unwrap();
        }
        ends_with(&place, code, &["ingest", "-q"]);
        let left = if code == 0 { 10 - gone } else { 10 };
        assert_eq!(live(&place).len(), 1 + left, "{limit}, {gone}");
    };
    check("'20%'", 2, 0);
    check("'20%'", 3, 21);
    check("'0%'", 1, 21);
    check("3", 3, 0);
    check("3", 4, 21);
    check("99", 10, 21);
    check("'100%'", 10, 0);
}

#[test]
fn a_text_goes_when_two_runs_found_its_document_skipped() {
    let place = Place::new();
    for name in ["a.md", "b.md", "c.md"] {
        place.write(name, "alpha");
    }
    place.reconfigure("path = 'docs'", "path = 'docs'\nmax_file_size = 100");
    ends_with(&place, 0, &["ingest", "-q"]);
    place.write("a.md", "\0");
    place.write("b.md", "x".repeat(101));
    ends_with(&place, 0, &["ingest", "-q"]);
    assert_eq!(live(&place), ["docs:a.md", "docs:b.md", "docs:c.md"]);
    // It grows, as a log does, and is still too large: the second run, for another reason.
    place.write("b.md", "x".repeat(202));
    let (stdout, stderr) = ends_with(&place, 0, &["ingest"]);
    assert!(stdout.contains("2 deleted"), "{stdout}");
    for uri in ["a.md", "b.md"] {
        let expected = format!("removed the text of docs:{uri}, which is skipped now: ");
        assert!(stderr.contains(&expected), "{stderr}");
    }
    assert_eq!(live(&place), ["docs:c.md"]);
    place.assert_equals_fresh_ingest();
    let (_, stderr) = ends_with(&place, 0, &["ingest"]);
    assert!(!stderr.contains("removed"), "{stderr}");
}

#[test]
fn a_text_stays_if_the_second_run_does_not_find_its_document_skipped() {
    let place = Place::new();
    place.write("a.md", "alpha");
    place.write("b.md", "beta");
    ends_with(&place, 0, &["ingest", "-q"]);
    // Replaced in the middle of a run, and whole again in the next.
    place.write("a.md", "\0");
    ends_with(&place, 0, &["ingest", "-q"]);
    place.write("a.md", "alpha");
    ends_with(&place, 0, &["ingest", "-q"]);
    place.write("a.md", "\0");
    ends_with(&place, 0, &["ingest", "-q"]);
    assert_eq!(live(&place), ["docs:a.md", "docs:b.md"]);
    // Broken is not skipped: somebody has to look.
    place.write(
        "a.md",
        b"\xff\xfe\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0",
    );
    for _ in 0..3 {
        ends_with(&place, 3, &["ingest", "-q"]);
    }
    assert_eq!(live(&place), ["docs:a.md", "docs:b.md"]);
}

/// A limit that was set too low by mistake.
#[test]
fn texts_of_half_of_a_source_never_go_unasked() {
    let place = Place::new();
    let write = |text: &str| {
        for number in 0..12 {
            place.write(&format!("{number}.md"), text);
        }
    };
    write("words");
    place.reconfigure("path = 'docs'", "path = 'docs'\nmax_file_size = 100");
    ends_with(&place, 0, &["ingest", "-q"]);
    write(&"words ".repeat(20));
    ends_with(&place, 0, &["ingest", "-q"]);
    let (_, stderr) = ends_with(&place, 21, &["ingest"]);
    assert!(stderr.contains("12 of 12 documents are skipped now"), "{stderr}");
    assert_eq!(live(&place).len(), 12);
    ends_with(&place, 0, &["ingest", "-q", "--allow-deletes"]);
    assert_eq!(live(&place), [""; 0]);
}
