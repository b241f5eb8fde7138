//! Names whose accents are part of their letters (NFC) or follow them (NFD), as on a Mac: every
//! comparison finds both, and URIs stay as they are stored.

use std::process::Command;

use kbingest::kb::{Filter, Query, SearchMode};
use kbingest::operations::{self, EvalOptions, Gate, Target};

use crate::support::{Place, ingest, rows};

const NFC: &str = "Vertr\u{e4}ge";
const NFD: &str = "Vertra\u{308}ge";

/// Ingests a folder `stored` with two documents, with `keys` in its table.
fn place(stored: &str, keys: &str) -> Place {
    let place = Place::new();
    place.write(&format!("{stored}/\u{fc}ber.md"), "# Pacht\n\nDie Pacht endet.\n");
    place.write("andere/a.md", "# Pacht\n\nDie Pacht beginnt.\n");
    place.configure(&format!(
        "[kb]\npath = 'kb.kb'\n[[source.directory]]\nname = 'docs'\npath = 'docs'\n{keys}\n[embed.hash]\ndim = 16\n"
    ));
    place
}

fn uris(place: &Place) -> Vec<String> {
    assert_eq!(ingest(&place.config(), None).exit_code, 0);
    rows(&place.kb(), "SELECT DISTINCT uri FROM chunks ORDER BY uri")
}

#[test]
fn kb_toml_matches_both_forms() {
    for (stored, written) in [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)] {
        let found = format!("{stored}/\u{fc}ber.md");
        let check = |keys: &str, expected: &[&str]| {
            assert_eq!(uris(&place(stored, keys)), expected, "{stored:?} {keys:?}");
        };
        check(&format!("exclude = [\"{written}/**\"]"), &["andere/a.md"]);
        check(&format!("exclude = [\"{written}\"]"), &["andere/a.md"]);
        check(&format!("include = [\"{written}/*\"]"), &[&found]);
        check("include = [\"**/u\u{308}ber.md\"]", &[&found]);
    }
}

#[test]
fn ignore_files_match_both_forms() {
    for (stored, written) in [(NFC, NFD), (NFD, NFC)] {
        for file in [".kbignore", ".gitignore"] {
            let place = place(stored, "");
            place.write(file, format!("{written}/\n"));
            assert_eq!(uris(&place), ["andere/a.md"], "{stored:?} {file}");
        }
    }
}

#[test]
fn searches_match_both_forms() {
    for (stored, written) in [(NFC, NFD), (NFD, NFC)] {
        let place = place(stored, "");
        let found = format!("{stored}/\u{fc}ber.md");
        uris(&place);
        let target = Target::File(place.kb());
        let glob = format!("{written}/**").parse().unwrap();
        let filter = Filter { uris: vec![glob], ..Filter::default() };
        let of_path = Query { text: "Pacht".to_owned(), filter, ..Query::default() };
        let words = format!("Pacht path:{written}");
        for query in [of_path, Query { text: words, ..Query::default() }] {
            let hits = operations::search(&target, &query).unwrap().hits;
            let hits: Vec<_> = hits.into_iter().map(|hit| hit.uri).collect();
            assert_eq!(hits, [found.as_str()], "{:?}", query.text);
        }
    }
}

#[test]
fn commands_match_both_forms() {
    assert!(Command::new("cat").arg("/dev/null").status().unwrap().success());
    for (stored, written) in [(NFC, NFD), (NFD, NFC)] {
        let place = place(stored, "");
        place.write(&format!("{stored}/a.xyz"), "# Befehl\n\nworte\n");
        let settings = std::fs::read_to_string(place.toml()).unwrap();
        place.configure(&format!(
            "{settings}\n[[extract.command]]\nmatch = '{written}/*.xyz'\nrun = ['cat', '{{path}}']\n"
        ));
        uris(&place);
        let by = rows(&place.kb(), "SELECT extract_fp FROM document WHERE uri LIKE '%.xyz'");
        assert!(by[0].contains("command@"), "{stored:?}: {by:?}");
    }
}

#[test]
fn evaluations_match_both_forms() {
    for (stored, written) in [(NFC, NFD), (NFD, NFC)] {
        let place = place(stored, "");
        place.write(&format!("{stored}/b.md"), "# Miete\n\nDie Miete steigt.\n");
        uris(&place);
        let queries = place.path("queries.jsonl");
        let line = format!(
            r#"{{"id": 1, "query": "Miete steigt", "relevant": [{{"path": "{written}/b.md"}}]}}"#
        );
        std::fs::write(&queries, line).unwrap();
        let (modes, gate) = (vec![SearchMode::Text], Gate::default());
        let options = EvalOptions { queries, modes, details: false, gate };
        let report = operations::eval(&Target::File(place.kb()), &options).unwrap();
        assert_eq!(report.modes[0].first_relevant_ranks[0], 1, "{stored:?}: {report:#?}");
    }
}
