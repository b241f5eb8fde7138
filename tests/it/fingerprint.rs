//! Fingerprints as stored in users' files: another text would make every document be read again.

use crate::support::{Place, SETTINGS, rows};

/// Some documents, a few of which fail.
fn ingested(settings: &str) -> Place {
    let place = Place::in_memory();
    place.configure(settings);
    place.write("a.md", "# Title\n\nSome text about rivers.\n");
    place.write("b.txt", "plain words\n");
    place.write("c.html", "<html><body><h1>X</h1><p>Hello you</p></body></html>");
    place.write("e.rs", "fn main() {}\n");
    place.write("g.csv", "a,b\n1,2\n");
    place.write("h.ipynb", "{broken");
    place.write("i.xyz", "xyz");
    place.write("j.docx", "not a zip");
    place.ingest_to(3);
    place
}

fn check(place: &Place, sql: &str, expected: &str) {
    assert_eq!(rows(&place.kb(), sql).join("\n"), expected.trim(), "{sql}");
}

const OF_DOCUMENTS: &str = "SELECT uri, extract_fp FROM document ORDER BY uri";
const OF_CHUNKS: &str = "SELECT DISTINCT chunk_fp FROM revision ORDER BY 1";
const OF_VECTORS: &str = "SELECT DISTINCT embed_fp FROM revision";
const OF_INDEX: &str = "SELECT fingerprint FROM analysis";

#[test]
fn fingerprints_are_those_of_earlier_versions() {
    let command = "[[extract.command]]\nmatch = '*.xyz'\nrun = ['cat', '{path}']\n";
    let place = ingested(&format!("{}{command}", SETTINGS.split("[chunk]").next().unwrap()));
    let documents = "
a.md|markdown@3
b.txt|plain@2
c.html|html@5
e.rs|source@1
g.csv|csv@2
h.ipynb|notebook@3!text=16777216,pages=10000,memory=536870912,seconds=30
i.xyz|command@1:cc7c922f46466d63
j.docx|office@5>plain@2";
    check(&place, OF_DOCUMENTS, documents);
    let chunks = "
markdown@5:max_tokens=256,overlap_tokens=0
plain@4:max_tokens=256,overlap_tokens=0
source@5:max_tokens=256,overlap_tokens=0";
    check(&place, OF_CHUNKS, chunks);
    check(&place, OF_VECTORS, "static-en-256@1:3940453e32f9");
    check(&place, OF_INDEX, "words@3:language=auto");
}

#[test]
fn settings_are_in_fingerprints_as_in_earlier_versions() {
    let settings = SETTINGS.replace("max_tokens = 32", "max_tokens = 100\noverlap_tokens = 10");
    let place = ingested(&format!("{settings}[search]\nlanguage = 'de'\n"));
    let chunks = "
markdown@5:max_tokens=100,overlap_tokens=10,tokens=words
plain@4:max_tokens=100,overlap_tokens=10,tokens=words
source@5:max_tokens=100,overlap_tokens=10,tokens=words";
    check(&place, OF_CHUNKS, chunks);
    check(&place, OF_VECTORS, "hash-64@1");
    check(&place, OF_INDEX, "words@3:language=de");
}

#[test]
fn versions_of_records_are_those_of_earlier_versions() {
    let place = Place::in_memory();
    place.configure(
        r#"
[kb]
path = 'kb.kb'
[[source.records]]
name = 'rec'
path = 'r.csv'
id = 'id'
text = ['name', 'more "x"']
[embed.hash]
"#,
    );
    let csv = "id,name,\"more \"\"x\"\"\",ünï\n1,Rivers,flow,z\n2,Hills,stand,y\n";
    place.put(&place.path("r.csv"), csv.as_bytes());
    place.ingest();
    let versions = "
1|b4bce6cc6c56fe98306f0f0cd6be66c8
2|a5fc65b025f958e9ab55e232568b8f59";
    check(&place, "SELECT uri, version FROM document ORDER BY uri", versions);
}
