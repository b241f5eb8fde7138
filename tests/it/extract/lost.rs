//! Texts that were lost by mistakes of a kind: each is in its document.

use std::io::{Cursor, Write};

use kbingest::extract::{ExtractConfig, Extraction};

fn text_of(uri: &str, bytes: impl Into<Vec<u8>>) -> String {
    let attempt = Extraction::open(&ExtractConfig::default(), None).extract(uri, bytes.into());
    attempt.result.unwrap_or_else(|error| panic!("{uri}: {error}")).text
}

fn xhtml(head: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\"><head>{head}</head><body>{body}</body></html>"
    )
}

#[test]
fn elements_of_xml_close_themselves() {
    let check = |uri: &str, text: &str, expected: &str| {
        assert_eq!(text_of(uri, text).trim_end(), expected, "{text}");
    };
    for name in ["script src='a.js'", "title", "style", "iframe", "video", "textarea", "div", "a"] {
        check("a.xhtml", &xhtml(&format!("<{name}/>"), "<p>text</p>"), "text");
        check("a.html", &xhtml("", &format!("<{name}/><p>text</p>")), "text");
    }
    check("a.xhtml", &xhtml("", "<p>one <![CDATA[two < three]]> four</p>"), "one two < three four");
    check("a.html", "<main><svg><title/><style/></svg><p>text</p></main>", "text");
    // In HTML a slash says nothing.
    check("a.html", "<main><p/>text<br/>more</main>", "text  \nmore");
}

#[test]
fn chapters_are_read_once() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let chapter = |head: &str, text: &str| xhtml(head, text);
    for (name, text) in [
        ("mimetype", "application/epub+zip".to_owned()),
        ("META-INF/container.xml", "<container><rootfiles><rootfile full-path='c.opf'/></rootfiles></container>".to_owned()),
        ("c.opf", "<package><metadata/><manifest><item id='a' href='a.xhtml#one'/><item id='b' href='a.xhtml#two'/>\
           <item id='c' href='c.xhtml'/></manifest><spine><itemref idref='a'/><itemref idref='b'/><itemref idref='c'/></spine></package>".to_owned()),
        ("a.xhtml", chapter("<title/>", "<h1 id='one'>One</h1><p>Said once.</p>")),
        ("c.xhtml", chapter("<script src='x'/>", "<p>Second.</p>")),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    assert_eq!(text_of("a.epub", bytes), "# One\n\nSaid once.\n\nSecond.\n");
}

#[test]
fn a_part_is_not_the_page() {
    let text = "The text of the page stands beside main. ".repeat(8);
    let page =
        format!("<body><main><h1>Only a title</h1></main><section><p>{text}</p></section></body>");
    assert!(text_of("a.html", page).contains("stands beside main"));
    let manual = "<body class='manpage'><div id='header'><h1>x(1) Manual Page</h1><h2>NAME</h2><p>x - does \
        what nobody else does</p></div><div id='content'><h2>SYNOPSIS</h2><p>x [-v]</p></div></body>";
    assert!(text_of("a.html", manual).contains("nobody else"));
    // A list of links is a frame, however long.
    let links = "<li><a href='x'>another page of the site</a></li>".repeat(50);
    let framed = format!("<body><aside><ul>{links}</ul></aside><p>Words.</p></body>");
    assert_eq!(text_of("a.html", framed), "Words.\n");
    let tabs = "<main><ul><li id='t1' role='tab'>npm</li><li id='t2' role='tab'>yarn</li></ul>\
        <div role='tabpanel' aria-labelledby='t1'><pre>npm install x</pre></div>\
        <div role='tabpanel' aria-labelledby='t2' hidden><pre>yarn add x</pre></div><p hidden>no</p></main>";
    let text = text_of("a.html", tabs);
    assert!(text.contains("**yarn**\n\n```\nyarn add x\n```") && !text.contains("no\n"), "{text}");
}

#[test]
fn encodings_are_recognised() {
    let words = "Plain text in UTF-16 without a mark.\r\nSecond line.\r\n";
    let little: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = words.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(text_of("a.txt", little), words);
    assert_eq!(text_of("a.txt", big), words);
    let japanese = b"\x1b$BF|K\\8l\x1b(B abc\n".to_vec();
    assert_eq!(text_of("a.txt", japanese), "日本語 abc\n");
    // Colours of a terminal are no Japanese, and zeros here and there no UTF-16.
    assert_eq!(text_of("a.txt", "\u{1b}[31mred\u{1b}[0m\n"), "\u{1b}[31mred\u{1b}[0m\n");
    let zeros = b"ab\0cd\0\0ef\0gh\0\0\0\0\0".to_vec();
    let attempt = Extraction::open(&ExtractConfig::default(), None).extract("a.txt", zeros);
    assert_eq!(attempt.result.unwrap_err().to_string(), "a.txt: binary content");
}

#[test]
fn mails_say_what_they_say() {
    let (coded, _, _) = encoding_rs::WINDOWS_1252.encode("Das Café ist für alle geöffnet.\n");
    let mail = [b"From: a@example.org\nSubject: x\nDate: Mon, 2 Mar 2026 10:00:00 +0000\nContent-Type: text/plain\n\n", &coded[..]].concat();
    let text = text_of("a.eml", mail);
    assert!(
        text.contains("Das Café ist für alle geöffnet.") && text.contains("2026-03-02"),
        "{text}"
    );
    let both = |plain: &str| {
        format!(
            "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\n{plain}\n--b\nContent-Type: text/html\n\n<p>{}</p>\n--b--\n",
            "These prices hold until the end of the year. ".repeat(5)
        )
    };
    let stub = text_of("a.eml", both("This mail is in HTML."));
    assert!(stub.contains("These prices hold") && !stub.contains("This mail is in HTML"), "{stub}");
    let plain = text_of("a.eml", both(&"These are the same prices in plain words. ".repeat(5)));
    assert!(plain.contains("in plain words") && !plain.contains("until the end"), "{plain}");
}

#[test]
fn notes_and_tables_of_other_formats_are_kept() {
    let outline = "<opml version='2.0'><head><title>T</title></head><body><outline text='Item' _note='The note.'/></body></opml>";
    assert!(
        text_of("a.opml", outline).contains("- Item\n  The note."),
        "{}",
        text_of("a.opml", outline)
    );
    let manual = ".TH X 1\n.SH TABLE\n.TS\ntab(@);\nl l.\nT{\nName\nT}@T{\nAge\nT}\nAnn@30\n_\n.TE\nAfter.\n";
    let text = text_of("a.1", manual);
    assert!(text.contains("| Name | Age |\n| --- | --- |\n| Ann | 30 |\n\nAfter."), "{text}");
}
