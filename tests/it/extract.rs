//! Extraction: encodings, binary content, titles and front matter of documents that are already
//! text.

mod damaged;
mod data;
pub mod formats;
mod html;
mod lost;
mod pairs;
mod places;

use std::fmt::Write;

use encoding_rs::Encoding;
use kbingest::domain::{FailureKind, MediaType};
use kbingest::extract::{DocumentError, Extracted, TITLE_CHARS_MAX, extractor};
use proptest::prelude::*;

fn extract(uri: &str, bytes: impl Into<Vec<u8>>) -> Result<Extracted, DocumentError> {
    extractor(uri).extract(uri, bytes.into())
}

#[test]
fn the_extension_chooses_the_extractor() {
    let check = |uri: &str, id: &str, media_type: MediaType, title: &str| {
        assert_eq!(extractor(uri).id(), id, "{uri}");
        let extracted = extract(uri, "x\n").unwrap();
        assert_eq!((extracted.media_type, extracted.title.as_str()), (media_type, title), "{uri}");
    };
    check("docs/first-steps.md", "markdown@3", MediaType::Markdown, "first-steps");
    check("A.MARKDOWN", "markdown@3", MediaType::Markdown, "A");
    for extension in ["mkd", "mdx", "mdown", "qmd", "Rmd"] {
        check(&format!("a_b.{extension}"), "markdown@3", MediaType::Markdown, "a_b");
    }
    check("notes.txt", "plain@2", MediaType::Plain, "notes.txt");
    check("var/a.log", "plain@2", MediaType::Plain, "a.log");
    check("LICENSE", "plain@2", MediaType::Plain, "LICENSE");
    check("guide.rst", "rst@5", MediaType::Markdown, "guide");
    check("src/main.rs", "source@1", MediaType::Source, "main.rs");
    check("a.md/.editorconfig", "source@1", MediaType::Source, ".editorconfig");
}

#[test]
fn utf8_text_keeps_its_bytes() {
    let check = |bytes: &[u8], encoding: &str| {
        for uri in ["a.md", "a.txt", "a.rs"] {
            let extracted = extract(uri, bytes).unwrap();
            assert_eq!(extracted.text.as_bytes(), bytes);
            assert_eq!(extracted.encoding, encoding);
        }
    };
    check(b"", "utf-8");
    check(b" \r\n\t", "utf-8");
    check(b"# A\r\n\r\nb\r\n", "utf-8");
    check("\u{feff}---\ntitle: x\n---\n# A\n".as_bytes(), "utf-8-bom");
    check("\u{feff}".as_bytes(), "utf-8-bom");
    check("日本語 Ελληνικά\n".as_bytes(), "utf-8");
    check(b"\x1b[31mred\x1b[0m\n", "utf-8");
    check(b"N\x08NA\x08AM\x08ME\x08E\n", "utf-8");
    // A NUL far from the start is damage, not a format.
    check(&[&[b'a'; 9000][..], &[0], &[b'b'; 9000]].concat(), "utf-8");
}

const RUSSIAN: &str =
    "# Как устроена база знаний\n\nПервый запуск читает все документы, второй только изменённые.\n";
const JAPANESE: &str = "# 知識ベースの作り方\n\n最初の実行ではすべての文書を読み、次からは変更された文書だけを読みます。\n";
const CHINESE: &str = "# 知识库的构建\n\n第一次运行读取所有文档，以后只读取更改过的文档。\n";
const GERMAN: &str =
    "# Über die Größe\n\nDie Straße führt über die Brücke; das hätte für alle schön sein können.\n";

#[test]
fn other_encodings_are_recognised_and_recorded() {
    let check = |text: &str, encoding: &str, title: &str| {
        let (bytes, _, failed) = Encoding::for_label(encoding.as_bytes()).unwrap().encode(text);
        assert!(!failed, "{encoding} cannot hold the text");
        let extracted = extract("a.md", bytes).unwrap();
        assert_eq!((extracted.encoding.as_str(), extracted.text.as_str()), (encoding, text));
        assert_eq!(extracted.title, title);
    };
    check(RUSSIAN, "windows-1251", "Как устроена база знаний");
    // koi8-u contains all letters of koi8-r; the detector only knows the former.
    check(RUSSIAN, "koi8-u", "Как устроена база знаний");
    check(JAPANESE, "shift_jis", "知識ベースの作り方");
    check(JAPANESE, "euc-jp", "知識ベースの作り方");
    check(CHINESE, "gbk", "知识库的构建");
    check(GERMAN, "windows-1252", "Über die Größe");
}

#[test]
fn a_late_first_letter_is_found_by_the_guess() {
    let ascii = "plain words before anything else\n".repeat(4000);
    let (russian, _, _) = encoding_rs::WINDOWS_1251.encode("Первый запуск читает все документы.\n");
    let bytes = [ascii.as_bytes(), &russian].concat();
    let extracted = extract("a.txt", bytes).unwrap();
    assert_eq!(extracted.encoding, "windows-1251");
    assert!(extracted.text.ends_with("читает все документы.\n"));
}

#[test]
fn utf16_is_recognised_with_and_without_a_mark() {
    let little: Vec<u8> = GERMAN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = GERMAN.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let check = |bytes: Vec<u8>, encoding: &str| {
        let extracted = extract("a.md", bytes).unwrap();
        assert_eq!((extracted.encoding.as_str(), extracted.text.as_str()), (encoding, GERMAN));
        assert_eq!(extracted.title, "Über die Größe");
    };
    check([b"\xff\xfe", &little[..]].concat(), "utf-16le");
    check([b"\xfe\xff", &big[..]].concat(), "utf-16be");

    check(little, "utf-16le");
    check(big, "utf-16be");
}

#[test]
fn a_few_broken_characters_do_not_change_the_encoding() {
    let mut bytes = "Größe, Straße, Brücke, schön.\n".repeat(20).into_bytes();
    bytes.extend_from_slice(b"cut off: \xc3");
    let extracted = extract("a.txt", bytes).unwrap();
    assert_eq!(extracted.encoding, "utf-8-lossy");
    assert!(
        extracted.text.starts_with("Größe, Straße") && extracted.text.ends_with("off: \u{fffd}")
    );
}

#[test]
fn binary_content_is_skipped_with_what_it_looks_like() {
    let check = |bytes: &[u8], expected: &str| {
        let error = extract("a.md", bytes).unwrap_err();
        assert_eq!(error.to_string(), format!("a.md: {expected}"));
        assert_eq!(error.kind, FailureKind::Skipped);
    };
    check(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary content (PNG image)");
    check(b"%PDF-1.7\nall of it printable", "binary content (PDF document)");
    check(b"\x1f\x8b\x08", "binary content (gzip data)");
    check(b"GIF89a\x01\0\x01\0", "binary content (GIF image)");
    check(b"text\0text", "binary content");
    check(b"\x01\x02\x03\x04\x05\x06", "binary content");
    check(b"\xff\xfe\0\0a\0\0\0", "binary content");
    let random: Vec<u8> =
        (0_u32..600).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
    check(&random, "binary content");
    // The same letters at the start of a text are only letters.
    assert!(extract("a.txt", "MZ is a postal code\n").is_ok());
    assert!(extract("a.txt", "GIF8 and BZh\n").is_ok());
}

#[test]
fn text_that_cannot_be_decoded_is_a_permanent_failure() {
    let lone_surrogates = [b"\xff\xfe".to_vec(), b"\x41\xd8".repeat(50)].concat();
    let error = extract("a.md", lone_surrogates).unwrap_err();
    assert_eq!(error.to_string(), "a.md: looks like utf-16le, but cannot be decoded as that");
    assert_eq!(error.kind, FailureKind::Permanent);
}

#[test]
fn titles_come_from_the_best_place() {
    let check = |text: &str, expected: &str| {
        assert_eq!(extract("dir/file-name.md", text).unwrap().title, expected, "{text:?}");
    };
    check("---\ntitle: From front matter\n---\n# Heading\n", "From front matter");
    check("---\ntitle: ''\nname: A name\n---\n# Heading\n", "A name");
    check("---\ntitle: 2024\n---\n", "2024");
    check("---\ntitle: No\n---\n", "No");
    check("---\ntitle: [a, b]\n---\n# Heading\n", "Heading");
    check("+++\ntitle = \"From TOML\"\n+++\n# Heading\n", "From TOML");
    check("text\n\n# Heading\n", "Heading");
    check("## Second\n\n# First\n", "First");
    check("## Second\n\ntext\n", "Second");
    check("Heading\n=======\n\ntext\n", "Heading");
    check("Two\nlines\n===\n", "Two lines");
    check("# `code` *and* **bold** [link](url) ##\n", "code and bold link");
    check("# Title {#anchor .class}\n", "Title");
    check("# ![logo](logo.png) Title <br>\n", "Title");
    check("# ![logo only](logo.png)\n", "file-name");
    check("<h1 align=\"center\">Project &amp; Zebra</h1>\n\n## Install\n", "Project & Zebra");
    check("<h1>\n  <img src=a.png alt=Zebra>\n</h1>\n\n## Install\n", "Zebra");
    check("<div align=center>\n\n<h1><img alt=logo> A <b>zebra</b></h1>\n\n</div>\n", "A zebra");
    check("<p><img></p>\n\n<H1 class=\"x\">\n\n**Zebra**\n\n</H1>\n\n# Other\n", "Zebra");
    check("<h1>\n\n![Logo](a.png)\n\nZebra\n\n</h1>\n\n## Install\n", "Zebra");
    check("<h3>Third</h3>\n\n# First\n", "First");
    check("<h3>Third</h3>\n\ntext\n", "Third");
    check(&format!("{}\n<h1>Late</h1>\n", "word\n\n".repeat(2000)), "Late");
    check("Text\r\r# Heading\r\rMore\r", "Heading");
    check("```sh\n# not a heading\n```\n\ntext\n", "file-name");
    check("    # indented code\n", "file-name");
    check("#no-space\n", "file-name");
    check("", "file-name");
    check(&format!("# {}\n", "x ".repeat(400)), "x ".repeat(TITLE_CHARS_MAX / 2).trim_end());
    // After the first window, and after the last.
    check(&format!("{}\n# Late\n", "word\n".repeat(2000)), "Late");
    check(&format!("{}\nLate\n====\n", "word\n\n".repeat(2000)), "Late");
    check(&format!("{}\n# Too late\n", "word\n".repeat(20_000)), "file-name");
    check(&format!("# {}", "long line ".repeat(20_000)), "file-name");
}

#[test]
fn front_matter_becomes_metadata() {
    let yaml = "---\ntitle: \"A: b\"\ntags: [x, y]\ndraft: true\ndate: 2024-05-06\nzip: 007\nnested:\n  weight: 3\n---\ntext\n";
    let toml = "+++\ntitle = 'A: b'\ntags = ['x', 'y']\ndate = 2024-05-06\n[nested]\nweight = 3\n+++\ntext\n";
    let show =
        |text: &str| serde_json::to_string(&extract("a.md", text).unwrap().metadata).unwrap();
    insta::assert_snapshot!(show(yaml), @r#"{"date":"2024-05-06","draft":true,"nested":{"weight":3},"tags":["x","y"],"title":"A: b","zip":"007"}"#);
    insta::assert_snapshot!(show(toml), @r#"{"date":"2024-05-06","nested":{"weight":3},"tags":["x","y"],"title":"A: b"}"#);
    assert_eq!(show(&format!("\u{feff}{}", yaml.replace('\n', "\r\n"))), show(yaml));
    // A few aliases are allowed.
    insta::assert_snapshot!(show("---\na: &x [1]\nb: *x\na: 2\n...\n"), @r#"{"a":2,"b":[1]}"#);
}

#[test]
fn broken_front_matter_is_text() {
    let check = |text: &str, title: &str| {
        let extracted = extract("file.md", text).unwrap();
        assert_eq!((extracted.title.as_str(), extracted.text.as_str()), (title, text));
        assert!(extracted.metadata.is_empty(), "{text:?}");
    };
    check("---\n{{ template }}\n---\n# Heading\n", "Heading");
    check("---\njust words\n---\n# Heading\n", "Heading");
    check("---\n---\n# Heading\n", "Heading");
    check("---\ntitle: never closed\n\n# Heading\n", "Heading");
    check("+++\ntitle = \n+++\n# Heading\n", "Heading");
    check("\n---\ntitle: not at the start\n---\n# Heading\n", "Heading");
    check("----\ntitle: four dashes\n----\n# Heading\n", "Heading");
}

#[test]
fn front_matter_that_is_not_valid_is_read_line_by_line() {
    let check = |raw: &str, expected: &str| {
        let text = format!("---\n{raw}\n---\nBody.\n");
        let extracted = extract("a.md", text.as_str()).unwrap();
        assert_eq!(extracted.text, text);
        assert_eq!(serde_json::to_string(&extracted.metadata).unwrap(), expected, "{raw:?}");
    };
    let with = |pairs: &str| format!("{{{pairs}}}").replace("#", "\"front_matter_errors\":1");
    check(
        "title: Re: the order\nauthor: Vole\ntags: [zoo]",
        &with(r#""author":"Vole",#,"tags":["zoo"],"title":"Re: the order""#),
    );
    check("a: @bob\nb: 1", &with(r#""a":"@bob","b":1,#"#));
    check("a: 1\nb:\n- %\n- c", &with(r#""a":1,"b":["%","c"],#"#));
    check("a: 1\nb: [[A]], [[B]]", &with(r#""a":1,"b":"[[A]], [[B]]",#"#));
    check("a: {{x}}\nb: y", &with(r#""a":"{{x}}","b":"y",#"#));
    check("a: \"never closed\nb: y", &with(r#""a":"never closed","b":"y",#"#));
    check("a: [x, @y]\nb: z", &with(r#""a":["x","@y"],"b":"z",#"#));
    check("a: *Bold* words\nb: z", &with(r#""a":"*Bold* words","b":"z",#"#));
    check("a: x\nloose words\nb: z", &with(r#""a":"x","b":"z",#"#));
    check("a:\tx\nb:\n\t- y: z: w", &with(r#""a":"x","b":["y: z: w"],#"#));
    // The last of equal keys counts.
    check("a: x\na: y", r#"{"a":"y"}"#);
    check(
        "a: 2024-05-06\nb: 2024-05-06 07:08:09 +0200",
        r#"{"a":"2024-05-06","b":"2024-05-06 07:08:09 +0200"}"#,
    );
}

#[test]
fn values_that_begin_like_yaml_signs_are_kept() {
    let metadata = |text: &str| extract("a.md", text.as_bytes().to_vec()).unwrap().metadata;
    let found =
        metadata("---\ntitle: & the zebra company\ntags: [okapi]\nauthor: Vole\n---\nBody\n");
    assert_eq!(found["title"], "& the zebra company");
    assert_eq!((&found["tags"][0], &found["author"]), (&"okapi".into(), &"Vole".into()));
    assert_eq!(metadata("---\na: x\nb: *zz\n---\nBody\n")["b"], "*zz");
    let found = metadata("+++\ntitle = \"Tapir\" # the title\nbad line here\n+++\nBody\n");
    assert_eq!(found["title"], "Tapir");
}

#[test]
fn hostile_front_matter_is_harmless() {
    let check = |open: &str, raw: &str| {
        let text = format!("{open}\n{raw}\n{open}\n\n# Heading\n");
        let extracted = extract("a.md", text).unwrap();
        let found = serde_json::to_string(&extracted.metadata).unwrap();
        assert!(found.len() <= 2 * raw.len() + 30, "{} of {}", found.len(), raw.len());
    };
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let alias = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [alias.as_str(); 9].join(", ")).unwrap();
    }
    check("---", &bomb);
    check("---", "a: &a [*a]");
    check("---", &"[".repeat(1_000_000));
    check("---", &"[".repeat(60_000));
    check("---", &format!("a: {}{}", "[".repeat(30_000), "]".repeat(30_000)));
    check("---", &"{a: ".repeat(15_000));
    check("---", &"- ".repeat(30_000));
    check("---", &"? ".repeat(30_000));
    check("---", &"!!x ".repeat(10_000));
    check("---", &(0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>());
    check("+++", &format!("a = {}", "[".repeat(60_000)));
    check("+++", &"{a=".repeat(20_000));
    check("+++", &format!("{}a = 1", "a.".repeat(30_000)));
    check("+++", &format!("[{}a]", "a.".repeat(30_000)));
}

proptest! {
    #[test]
    fn no_bytes_make_extraction_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for uri in ["a.md", "a.txt", "a.rs"] {
            if let Ok(extracted) = extract(uri, bytes.clone()) {
                prop_assert!(!extracted.title.is_empty());
            }
        }
    }

    #[test]
    fn no_front_matter_makes_extraction_panic(
        open in prop::sample::select(vec!["---", "+++"]),
        raw in r##"([a-c:\-\[\]{}&*!|>'"#,?. \n=é]|: |\n  |- |<<: |0x|1e){0,60}"##,
    ) {
        let text = format!("{open}\n{raw}\n{open}\n# Heading\n");
        prop_assert_eq!(extract("a.md", text.as_str()).unwrap().text, text);
    }
}

#[test]
fn tags_and_dates_of_markup_become_metadata() {
    let check = |uri: &str, text: &str, expected: &str| {
        let extracted = extract(uri, text).unwrap();
        assert_eq!(serde_json::to_string(&extracted.metadata).unwrap(), expected, "{text}");
    };
    check(
        "a.rst",
        "Head\n====\n\n.. meta::\n   :description: Of zebras\n   :keywords: kudu, gnu\n   :other: x\n\nBody.\n",
        r#"{"description":"Of zebras","keywords":"kudu, gnu"}"#,
    );
    check(
        "a.org",
        "#+FILETAGS: :one:two:\n* Head :two:three:\nBody\n* At 10:30 :no\n",
        r#"{"tags":"one two three"}"#,
    );
    check(
        "a.adoc",
        "= Title\nAda Bell <ada@b.org>\nv1.2, 2024-05-06: Spring\n\nBody.\n",
        r#"{"author":"Ada Bell","date":"2024-05-06"}"#,
    );
    check("a.adoc", "= Title\n2024-05-06\n", r#"{"date":"2024-05-06"}"#);
    check("a.adoc", "= Title\n\n2024-05-06 was fine.\n", "{}");
}

#[test]
fn headers_of_html_tables_are_one_row() {
    let check = |rows: &str, expected: &str| {
        let html = format!(
            "<html><body><main><p>Some text.</p><table>{rows}</table></main></body></html>"
        );
        let text = extract("a.html", html).unwrap().text;
        let table: String = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(table, expected, "{rows}");
    };
    let rows = "<tr><td>a</td><td>1</td><td>2</td></tr>";
    check(
        &format!(
            "<thead><tr><th rowspan=2>Name</th><th colspan=2>Size</th></tr><tr><th>Min</th>\
             <th>Max<br>at</th></tr></thead>{rows}"
        ),
        "| Name | Size Min | Size Max at || --- | --- | --- || a | 1 | 2 |",
    );
    // Names of rows are no header.
    check(
        "<tr><th>Host</th><td>a</td></tr><tr><th>Port</th><td>1</td></tr>",
        "|  |  || --- | --- || Host | a || Port | 1 |",
    );
}
