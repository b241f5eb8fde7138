//! Every text is found by its words, wherever it is in a document, and what is no text is not.

use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};

use crate::support::{Place, assert_sound, ingest, rows};

/// Ingests one document beside others, and checks which words find it.
fn check(name: &str, text: impl AsRef<[u8]>, found: &[&str], lost: &[&str]) -> Place {
    let place = Place::new();
    for number in 0..12 {
        let other = format!("# Note {number}\n\nThe harbour office keeps a ledger of barges.\n");
        place.write(&format!("other{number}.md"), other);
    }
    place.write(name, &text);
    assert_eq!(ingest(&place.config(), None).exit_code, 0);
    let target = Target::File(place.kb());
    let finds = |words: &str| {
        let show = Show { mode: SearchMode::Text, limit: 20, ..Show::default() };
        let query = Query { show, ..Query::new(words) };
        let hits = operations::search(&target, &query).unwrap().hits;
        hits.iter().any(|hit| hit.uri == name)
    };
    for words in found {
        assert!(finds(words), "{words} does not find {name}");
    }
    for words in lost {
        assert!(!finds(words), "{words} finds {name}");
    }
    place
}

fn chunks(place: &Place, name: &str) -> usize {
    rows(&place.kb(), &format!("SELECT start_byte FROM chunks WHERE uri = '{name}'")).len()
}

#[test]
fn headings_without_a_body_are_found() {
    let text = "# Glazing checklist\n\n## Remove the sash\n\n## Set the putty\n";
    check("a.md", text, &["glazing putty", "sash"], &[]);
    let text =
        "# Changes\n\nAll.\n\n## 1.4 fixes the quokka overflow\n\n## 1.3\n\n### Wombats\n\n# End\n";
    check("a.md", text, &["quokka overflow", "wombats", "1.3", "end"], &[]);
    let text =
        "# Cmdlet\n\n## OUTPUTS\n\n### [System.Zebra](https://example.org/okapi)\n\n## NOTES\n";
    check("a.md", text, &["zebra", "okapi", "outputs", "notes"], &[]);
    let long = format!("# {}kudu\n\n## Sub\n\nText.\n", "word ".repeat(60));
    check("a.md", long, &["kudu"], &[]);
    check(
        "a.md",
        "Text about fossas\r\r# Head\r\r## Narwhals\r",
        &["fossas", "head", "narwhals"],
        &[],
    );
}

#[test]
fn front_matter_is_only_what_names_its_values() {
    check("a.md", "---\ntitle: Pangolin husbandry\n---\n", &["pangolin"], &[]);
    let text = "---\nOpening slide about narwhals\n\n---\n\nSecond slide.\n";
    check("a.md", text, &["narwhals", "second slide"], &[]);
    let text = "---\ntitle: Re: the axolotl order\nA loose quokka\nauthor: Vole\n---\n\nBody.\n";
    let place = check("a.md", text, &["axolotl", "quokka", "body"], &[]);
    let status = operations::status(&Target::File(place.kb())).unwrap();
    assert_eq!(status.statistics.front_matter_errors, 1);
    let text = "+++\ntitle = \"Zebra\"\nweight = = 3\ntags = [\"okapi\"]\n+++\nBody.\n";
    check("a.md", text, &["zebra", "okapi", "body"], &[]);
}

#[test]
fn metadata_is_searched_like_the_title() {
    let text = "---\ntitle: Wet room\naliases: [bathyscaphe]\ndescription: How to dry a plenum\n\
                tags: [hygrometry, {name: kudu}]\nkeywords: zebra, okapi\nauthor: Vole\n---\n\nBody.\n";
    let words =
        ["bathyscaphe", "plenum", "hygrometry", "kudu", "okapi", "vole", "title:hygrometry"];
    check("a.md", text.replace("author", "reviewer: Otter\nauthor"), &words, &["otter"]);
    let page = "<html><head><meta name=keywords content='okapi'><meta name=description content='A plenum'>\
                </head><body><main><p>Text.</p></main></body></html>";
    let place = check("a.html", page, &["okapi", "plenum"], &[]);
    place.assert_equals_fresh_ingest();
    assert_sound(&place.kb());
}

#[test]
fn links_and_comments_are_text() {
    let text = "See [the sheet][spec].\n\n[spec]: https://example.org/zebra \"Capybara spec\"\n";
    check("a.md", text, &["capybara", "zebra", "the sheet"], &[]);
    check("a.md", "[spec]: https://example.org/spec \"Capybara spec\"\n", &["capybara"], &[]);
    check("a.md", "Text.\n\n<!-- for editors: mind the okapi -->\n", &["okapi"], &[]);
}

#[test]
fn data_is_no_text() {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let data: String = (0..200_000_usize).map(|at| char::from(digits[at * at % 61])).collect();
    let part = &data[1000..1060];
    let text = format!("# P\n\nHello ![x](data:image/png;base64,{data}) zebra\n");
    let place = check("a.md", &text, &["hello", "zebra"], &[part]);
    assert_eq!(chunks(&place, "a.md"), 1);
    assert_eq!(
        rows(&place.kb(), "SELECT length(text) FROM content ORDER BY 1 DESC LIMIT 1"),
        [text.len().to_string()]
    );
    let css = format!(
        "a {{ color: red }}\n.b {{ background: url(data:font/woff2;base64,{data}) }}\n.zebra {{}}\n"
    );
    assert_eq!(chunks(&check("a.css", css, &["zebra", "background"], &[part]), "a.css"), 1);
    let json = format!("{{\"name\": \"zebra\", \"image/png\": \"{data}\"}}");
    assert_eq!(chunks(&check("a.json", json, &["zebra"], &[part]), "a.json"), 1);
    let drawing = format!(
        "# D\n\nBefore.\n\n<svg><title>Okapi</title>{}</svg>\n\nAfter zebra.\n",
        "<path d='M12 2C6.48 2 2 6.48 2 12s4.48 10'/>\n".repeat(2000)
    );
    assert_eq!(
        chunks(&check("a.md", drawing, &["okapi", "before", "zebra"], &["path"]), "a.md"),
        1
    );
}

#[test]
fn colours_of_terminals_are_no_text() {
    let log = "\u{1b}[31mfailed\u{1b}[0m: \u{1b}[1mconn\u{1b}[4mexion\u{1b}[0m refused by \u{1b}[38;5;200mwarehouse\u{1b}[0m\n\
               \u{1b}]0;my title\u{7}zebra \u{1b}]8;;https://example.org/x\u{1b}\\okapi\u{1b}]8;;\u{1b}\\\n";
    for name in ["a.log", "a.txt", "a.md", "a.out", "a.sh", "log"] {
        check(
            name,
            log,
            &["failed", "connexion", "warehouse", "zebra", "okapi"],
            &["31mfailed", "0m"],
        );
    }
}

#[test]
fn marks_of_site_generators_are_no_text() {
    let text = "import Tabs from '@theme/Tabs';\nexport const kudu = 1;\n\n# Zebra\n\n:::note Mind the okapi\n\nText of the quokka.\n\n:::\n\n\
                {{< alert color=\"gnu\" >}}Careful{{< /alert >}}\n\n> [!impala]- Read this\n> And that.\n";
    let found =
        ["zebra", "\"mind the okapi\"", "quokka", "careful", "\"read this\"", "\"and that\""];
    check("a.mdx", text, &found, &["theme", "kudu", "note", "alert", "gnu", "impala"]);
    let code = "Text.\n\n```js\nimport Tabs from 'okapi';\n```\n\nThey import okra from Mali.\n";
    check("a.md", code, &["okapi", "okra"], &[]);
}

#[test]
fn documents_are_left_out_by_their_metadata() {
    let place = Place::new();
    place.reconfigure(
        "path = 'docs'",
        "path = 'docs'\nskip_if = ['draft=true', 'nosearch', 'orphan']",
    );
    place.write("a.md", "---\ndraft: true\n---\nOkapi.\n");
    place.write("b.md", "---\ndraft: false\n---\nZebra.\n");
    place.write("c.rst", ":nosearch:\n\nTitle\n=====\n\nOkapi.\n");
    place.write("d.rst", ":orphan:\n:date: 2024-05-06\n\nTitle\n=====\n\nOkapi.\n");
    place.ingest();
    assert_eq!(rows(&place.kb(), "SELECT DISTINCT uri FROM chunks"), ["b.md"]);
    let reasons = rows(&place.kb(), "SELECT error FROM failure ORDER BY error");
    assert!(
        reasons.iter().all(|reason| reason.contains("skip_if")) && reasons.len() == 3,
        "{reasons:?}"
    );
}
