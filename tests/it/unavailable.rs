//! Sources that cannot be reached: their documents stay, all others are ingested, and the run ends
//! with 20.

use std::fs;

use crate::support::{Place, ingest, markdown, rows};

fn add_source(place: &Place, table: &str) {
    let settings = fs::read_to_string(place.toml()).unwrap();
    place.configure(&format!("{settings}\n{table}"));
}

/// Returns source and URI of the documents that searches find.
fn documents(place: &Place) -> Vec<String> {
    let sql = "SELECT document.source, document.uri FROM document JOIN revision
               ON revision.document_id = document.id WHERE state = 'live' ORDER BY 1, 2";
    rows(&place.kb(), sql)
}

#[test]
fn a_missing_folder_keeps_its_documents_and_spoils_nothing_else() {
    let place = Place::new();
    place.write("a.md", markdown(1, 2, "alpha"));
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    fs::write(disk.join("b.md"), "# Beta").unwrap();
    add_source(&place, "[[source.directory]]\nname = \"disk\"\npath = \"disk\"\n");
    assert_eq!(ingest(&place.config(), None).exit_code, 0);
    fs::rename(&disk, place.path("away")).unwrap();
    place.write("new.md", markdown(2, 2, "novelty"));
    let report = ingest(&place.config(), None);
    assert_eq!((report.exit_code, report.failures.len()), (20, 0), "{report:#?}");
    assert_eq!(documents(&place), ["disk|b.md", "docs|a.md", "docs|new.md"]);
    fs::rename(place.path("away"), &disk).unwrap();
    assert_eq!(ingest(&place.config(), None).exit_code, 0);
    assert_eq!(documents(&place), ["disk|b.md", "docs|a.md", "docs|new.md"]);
}

#[test]
fn a_site_without_its_files_and_variables_spoils_nothing_else() {
    for setting in [
        "url_file = \"urls.txt\"",
        "start_urls = [\"http://localhost:1/\"]\nheaders = [\"X-Key=KBINGEST_TEST_NOT_SET\"]",
    ] {
        let place = Place::new();
        place.write("a.md", markdown(1, 2, "alpha"));
        add_source(&place, &format!("[[source.web]]\nname = \"site\"\n{setting}\n"));
        let report = ingest(&place.config(), None);
        assert_eq!((report.exit_code, report.failures.len()), (20, 0), "{setting}: {report:#?}");
        assert_eq!(documents(&place), ["docs|a.md"], "{setting}");
    }
}
