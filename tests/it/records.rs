//! `[[source.records]]`: files whose records are documents, from listing to knowledge base.

use crate::support::{Place, rows};

fn place(file: &str, keys: &str) -> Place {
    let place = Place::in_memory();
    place.configure(&format!(
        "[kb]\npath = 'kb.kb'\n[[source.records]]\nname = 'items'\npath = '{file}'\n{keys}\n[embed.hash]\ndim = 64\n"
    ));
    place
}

fn put(place: &Place, file: &str, text: &str) {
    place.put(&place.path(file), text.as_bytes());
}

fn documents(place: &Place) -> Vec<String> {
    let sql = "SELECT uri, title, text FROM chunks ORDER BY uri, start_line";
    rows(&place.kb(), sql).into_iter().map(|row| row.replace('\n', "/")).collect()
}

fn metadata(place: &Place) -> Vec<String> {
    let sql = "SELECT uri, metadata FROM revision JOIN document ON document.id = document_id
               ORDER BY uri, revision.id";
    rows(&place.kb(), sql)
}

fn failures(place: &Place) -> Vec<String> {
    rows(&place.kb(), "SELECT error FROM failure ORDER BY error")
}

const KEYS: &str = "id = 'sku'\ntitle = 'name'\ntext = ['description']";

#[test]
fn every_row_is_a_document() {
    let place = place("items.csv", KEYS);
    let csv = "sku,name,description,price,note\r\n\
               7,Lamp,\"Gives light,\nall *night*\",12.50,\r\n\
               a/b,\"A [chair]\",To sit on,3,old\r\n";
    put(&place, "items.csv", csv);
    place.ingest();
    assert_eq!(
        documents(&place),
        ["7|Lamp|# Lamp//Gives light,/all *night*", "a/b|A [chair]|# A \\[chair\\]//To sit on"]
    );
    assert_eq!(
        metadata(&place),
        ["7|{\"price\":\"12.50\"}", "a/b|{\"note\":\"old\",\"price\":\"3\"}"]
    );
    assert_eq!(rows(&place.kb(), "SELECT DISTINCT media_type FROM revision"), ["text/markdown"]);
}

#[test]
fn a_second_run_does_what_changed_and_nothing_else() {
    let place = place("items.csv", KEYS);
    let rows_of = |names: &[(usize, &str)]| {
        let rows = names.iter().map(|(id, name)| format!("{id},Item {id},About {name},x\n"));
        format!("sku,name,description,kind\n{}", rows.collect::<String>())
    };
    let many: Vec<_> = (0..30).map(|id| (id, "it")).collect();
    put(&place, "items.csv", &rows_of(&many));
    assert_eq!(place.ingest().metrics.documents_new, 30);
    let same = place.ingest().metrics;
    assert_eq!((same.documents_unchanged, same.bytes_read), (30, 0));

    // In another order, one changed, one removed, one new.
    let mut next: Vec<_> = many.iter().rev().copied().filter(|(id, _)| *id != 4).collect();
    next[0].1 = "something else";
    next.push((100, "what is new"));
    put(&place, "items.csv", &rows_of(&next));
    let run = place.ingest().metrics;
    let done =
        (run.documents_new, run.documents_changed, run.documents_deleted, run.documents_unchanged);
    assert_eq!(done, (1, 1, 1, 28));
    place.assert_equals_fresh_ingest();

    // Only a metadata field.
    put(&place, "items.csv", &rows_of(&next).replacen(",x\n", ",y\n", 1));
    assert_eq!(place.ingest().metrics.documents_changed, 1);
    place.assert_equals_fresh_ingest();

    // A file that lost most of its rows loses no documents, nor does a missing or broken one.
    put(&place, "items.csv", &rows_of(&next[..3]));
    assert_eq!(place.ingest_to(21).metrics.deletions_withheld, 27);
    std::fs::remove_file(place.path("items.csv")).unwrap();
    place.ingest_to(20);
    put(&place, "items.csv", "sku,name\n1,a\n");
    place.ingest_to(20);
    assert_eq!(rows(&place.kb(), "SELECT count(DISTINCT uri) FROM chunks"), ["30"]);
    let options = kbingest::operations::IngestOptions {
        allow_deletes: kbingest::operations::AllowDeletes::All,
        ..Default::default()
    };
    put(&place, "items.csv", &rows_of(&next[..3]));
    crate::support::try_ingest(&place.config(), options, None).unwrap();
    assert_eq!(rows(&place.kb(), "SELECT count(DISTINCT uri) FROM chunks"), ["3"]);
}

#[test]
fn ids_that_are_missing_or_doubled_are_named() {
    let place = place("items.csv", KEYS);
    put(
        &place,
        "items.csv",
        "sku;name;description\nb;First;one\n ;Nameless;two\nb;Second;three\na;Other;four\n",
    );
    place.ingest_to(3);
    assert_eq!(documents(&place), ["a|Other|# Other//four", "b|First|# First//one"]);
    assert_eq!(
        failures(&place),
        [
            "cannot list row 2 of items.csv: it has no id: its field \"sku\" is empty or missing",
            "cannot list row 3 of items.csv: its id \"b\" is also that of row 1, which is used",
        ]
    );
    put(&place, "items.csv", "sku;name;description\nb;First;one\nc;Second;three\na;Other;four\n");
    place.ingest();
    assert_eq!(failures(&place), Vec::<String>::new());
    place.assert_equals_fresh_ingest();
}

#[test]
fn records_are_read_in_every_format() {
    let expected =
        ["1|One|# One//**body:** first//**more/note:** a, b", "2|2|# 2//**body:** second"];
    let json = r#"{"data": {"items": [
        {"id": 1, "title": "One", "body": "first", "more": {"note": ["a", "b"]}, "tags": {"x": 1}},
        {"id": "2", "title": null, "body": "second"}]}}"#;
    let keys = "id = 'id'\ntitle = 'title'\ntext = ['body', '/more/note']";
    let inner = place("items.json", &format!("{keys}\nlist = '/data/items'"));
    put(&inner, "items.json", json);
    inner.ingest();
    // Every `/` of a text is a line end here, including the one of the field's name.
    assert_eq!(documents(&inner), expected);
    assert_eq!(metadata(&inner)[0], "1|{\"more\":{\"note\":[\"a\",\"b\"]},\"tags\":{\"x\":1}}");

    let lines = place("items.ndjson", keys);
    put(
        &lines,
        "items.ndjson",
        "\u{feff}{\"id\": 1, \"title\": \"One\", \"body\": \"first\", \"more\": {\"note\": [\"a\", \"b\"]}}\n\n\
         {\"id\": \"2\", \"body\": \"second\"}\n{\"id\": 3,\n[4]\n",
    );
    lines.ingest_to(3);
    assert_eq!(documents(&lines), expected);
    let reported = failures(&lines);
    assert!(
        reported[0].starts_with("cannot list row 3 of items.ndjson: it is not JSON: "),
        "{reported:?}"
    );
    assert_eq!(reported[1], "cannot list row 4 of items.ndjson: it is not a JSON object");

    let tabs = place("items.txt", "format = 'tsv'\nid = 'id'\ntext = ['body']");
    put(&tabs, "items.txt", "id\tbody\n1\ta,b\n");
    tabs.ingest();
    assert_eq!(documents(&tabs), ["1|1|# 1//a,b"]);
}

#[test]
fn a_broken_record_deletes_nothing() {
    let place = place("items.jsonl", "id = 'id'\ntext = ['body']");
    put(&place, "items.jsonl", "{\"id\": 1, \"body\": \"a\"}\n{\"id\": 2, \"body\": \"b\"}\n");
    place.ingest();
    put(&place, "items.jsonl", "{\"id\": 1, \"body\": \"a\"}\n{\"id\": 2, \"bo\n");
    place.ingest_to(3);
    assert_eq!(documents(&place), ["1|1|# 1//a", "2|2|# 2//b"]);
}
