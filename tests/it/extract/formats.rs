//! Formats other than text and HTML: small documents of each, made here.

use std::io::{Cursor, Write};

use kbingest::domain::FailureKind;
use kbingest::extract::{Attempt, ExtractConfig, Extracted, Extraction};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Extracts like a run does, by content and name, in this process.
fn attempt(uri: &str, bytes: impl Into<Vec<u8>>) -> Attempt {
    Extraction::open(&ExtractConfig::default(), None).extract(uri, bytes.into())
}

fn extracted(uri: &str, bytes: impl Into<Vec<u8>>) -> Extracted {
    attempt(uri, bytes).result.unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A PDF with a page for each text, and as few objects as possible.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let mut objects = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    let kids: Vec<_> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    objects.push(format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()));
    objects.push("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned());
    for (page, text) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * page
        ));
        let content = format!("BT /F1 12 Tf 72 700 Td ({text}) Tj ET");
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let mut file = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        places.push(file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let table = file.len();
    file += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    places.iter().for_each(|place| file += &format!("{place:010} 00000 n \n"));
    file += &format!(
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    );
    file.into_bytes()
}

#[test]
fn the_content_decides_where_the_name_lies() {
    let check = |uri: &str, bytes: Vec<u8>, fingerprint: &str| {
        assert_eq!(attempt(uri, bytes).fingerprint.to_string(), fingerprint, "{uri}");
    };
    check("a.md", pdf(&["Text"]), "markdown@3>pdf@4");
    check("a.pdf", pdf(&["Text"]), "pdf@4");
    check("a.doc", b"<html><p>x".into(), "office@5>html@5");
    check("a.doc", b"{\\rtf1 x}".into(), "office@5>rtf@3");
    check("a.docx", b"just text".into(), "office@5>plain@2");
    check("page", b"<!DOCTYPE html><p>x".into(), "plain@2>html@5");
    check("a.rs", b"<!DOCTYPE html><p>x".into(), "source@1");
    check(
        "a.bin",
        package(&[("content.xml", "<a/>"), ("mimetype", "x")]),
        "source@1>opendocument@3",
    );
    check("a.zip", package(&[("x", "y")]), "source@1");
}

#[test]
fn pdf_has_pages() {
    let bytes = pdf(&["The first page speaks of rivers.", "The second page speaks of bridges."]);
    let document = extracted("rivers.pdf", bytes);
    assert_eq!(
        document.text,
        "The first page speaks of rivers.\n\nThe second page speaks of bridges.\n"
    );
    assert_eq!(document.title, "rivers");
    assert_eq!(document.metadata["pages"], serde_json::json!([0, 34]));
    assert_eq!(document.metadata["page_count"], 2);
    let error = attempt("a.pdf", pdf(&["", ""])).result.unwrap_err();
    assert_eq!(error.to_string(), "a.pdf: needs OCR: 2 pages without text");
    let error = attempt("a.pdf", b"%PDF-1.7\ngarbage".to_vec()).result.unwrap_err();
    assert!(error.to_string().starts_with("a.pdf: cannot be read as PDF: "), "{error}");
}

#[test]
fn word_documents() {
    let document = "<w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'>\
        <w:body><w:p><w:pPr><w:pStyle w:val='Heading1'/></w:pPr><w:r><w:t>Locks</w:t></w:r></w:p>\
        <w:p><w:r><w:t>A gate for boats.</w:t></w:r></w:p></w:body></w:document>";
    let types = "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'>\
        <Default Extension='rels' ContentType='application/vnd.openxmlformats-package.relationships+xml'/>\
        <Override PartName='/word/document.xml' ContentType='application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml'/></Types>";
    let rels = "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>\
        <Relationship Id='r1' Type='http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument' Target='word/document.xml'/></Relationships>";
    let parts =
        [("[Content_Types].xml", types), ("_rels/.rels", rels), ("word/document.xml", document)];
    let document = extracted("a.docx", package(&parts));
    assert!(document.text.contains("A gate for boats."), "{}", document.text);
    assert!(document.text.contains("Locks"), "{}", document.text);
    let error = attempt("a.docx", package(&parts[..2])).result;
    assert!(error.is_err_and(|error| error.kind != FailureKind::Transient));
}

#[test]
fn open_documents() {
    let content = "<office:document-content><office:body><office:text>\
        <text:h text:outline-level='2'>Canals &amp; locks</text:h><text:p>One<text:s/>two \
        <text:a xlink:href='https://example.org/'>three</text:a></text:p>\
        <text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>\
        <table:table><table:table-row><table:table-cell table:number-columns-repeated='2'>\
        <text:p>c</text:p></table:table-cell></table:table-row><table:table-row>\
        <table:table-cell table:number-columns-spanned='2'><text:p>d</text:p></table:table-cell>\
        <table:covered-table-cell/></table:table-row></table:table>\
        <text:p>A claim<text:note><text:note-citation>1</text:note-citation><text:note-body>\
        <text:p>The note.</text:p></text:note-body></text:note> that goes on<office:annotation>\
        <dc:creator>Ann</dc:creator><dc:date>2024</dc:date><text:p>Why?</text:p></office:annotation>.</text:p>\
        </office:text></office:body>\
        </office:document-content>";
    let meta =
        "<office:meta><dc:title>On canals</dc:title><dc:language>en</dc:language></office:meta>";
    let document = extracted("a.odt", package(&[("content.xml", content), ("meta.xml", meta)]));
    assert_eq!(
        document.text,
        "## Canals & locks\n\nOne two [three](https://example.org/)\n\n- item\n\n| c | c |\n| --- | --- |\n| d | d |\n\n\
         A claim [1] that goes on.\n\n[1] The note.\n\n[Comment by Ann: Why?]\n"
    );
    assert_eq!(
        (document.title.as_str(), &document.metadata["language"]),
        ("On canals", &"en".into())
    );
    let content = "<x><office:automatic-styles><text:list-style style:name='L1'>\
        <text:list-level-style-number text:level='1' style:num-format='1'/>\
        <text:list-level-style-bullet text:level='2'/></text:list-style>\
        <style:style style:name='P1' style:parent-style-name='Title'/></office:automatic-styles>\
        <text:p text:style-name='P1'>The title</text:p>\
        <text:list text:style-name='L1'><text:list-item><text:p>a</text:p></text:list-item>\
        <text:list-item><text:list><text:list-item><text:p>inner</text:p></text:list-item></text:list></text:list-item>\
        <text:list-item/></text:list><text:p>Between</text:p>\
        <text:list text:style-name='L1' text:continue-numbering='true'><text:list-item><text:p>b</text:p></text:list-item></text:list>\
        <text:list><text:list-item><text:list><text:list-item><text:p>set in</text:p></text:list-item></text:list></text:list-item></text:list></x>";
    let document = extracted("a.odt", package(&[("content.xml", content)]));
    assert_eq!(document.text, "# The title\n\n1. a\n   - inner\n\nBetween\n\n2. b\n\n- set in\n");
    let slides = "<x><office:presentation><draw:page draw:name='page1'><draw:frame><text:p>Text</text:p></draw:frame>\
        <draw:frame presentation:class='title'><text:p>On</text:p><text:p>canals</text:p></draw:frame>\
        <presentation:notes><draw:page-thumbnail/><draw:frame><text:p/></draw:frame></presentation:notes></draw:page>\
        <draw:page draw:name='page2'><draw:frame presentation:class='title'/><presentation:notes><text:p>Say this</text:p>\
        </presentation:notes></draw:page></office:presentation></x>";
    let document = extracted("a.odp", package(&[("content.xml", slides)]));
    assert_eq!(document.text, "## On canals\n\nText\n\n## Slide 2\n\n### Notes\n\nSay this\n");
    let sheet = "<x><office:spreadsheet><table:table table:name='Depths'><table:table-row>\
        <table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p>\
        </table:table-cell></table:table-row></table:table></office:spreadsheet></x>";
    let document = extracted("a.ods", package(&[("content.xml", sheet)]));
    assert_eq!(document.text, "## Depths\n\n| a | b |\n| --- | --- |\n");
}

/// A row of an OpenDocument sheet as programs write it: filled up to the end. `^` is covered by a
/// merged cell; text that begins with `<` is a cell already.
fn sheet_row(texts: &[&str]) -> String {
    let cell = |text: &&str| match *text {
        "" => "<table:table-cell/>".to_owned(),
        "^" => "<table:covered-table-cell/>".to_owned(),
        text if text.starts_with('<') => text.to_owned(),
        text => format!("<table:table-cell><text:p>{text}</text:p></table:table-cell>"),
    };
    let cells: String = texts.iter().map(cell).collect();
    format!(
        "<table:table-row>{cells}<table:table-cell table:number-columns-repeated='16000'/></table:table-row>"
    )
}

fn merged_cell(text: &str, columns: usize, rows: usize) -> String {
    format!(
        "<table:table-cell table:number-columns-spanned='{columns}' table:number-rows-spanned='{rows}'>\
         <text:p>{text}</text:p></table:table-cell>"
    )
}

#[test]
fn open_spreadsheets() {
    let check = |rows: &[String], expected: &str| {
        let content = format!(
            "<x><office:spreadsheet><table:table table:name='S'>{}\
             <table:table-row table:number-rows-repeated='1048000'><table:table-cell/></table:table-row>\
             </table:table></office:spreadsheet></x>",
            rows.concat()
        );
        let document = extracted("a.ods", package(&[("content.xml", &content)]));
        assert_eq!(document.text, format!("## S\n\n{expected}"), "{rows:?}");
        assert_eq!(document.metadata["pages"], serde_json::json!([0]));
    };
    let blank = sheet_row(&[]);
    check(
        &[
            sheet_row(&["", "Ducks &lt;b> a_b"]),
            blank.clone(),
            sheet_row(&["", "Year", "Count"]),
            sheet_row(&["", "2019", "1|2"]),
        ],
        "Ducks \\<b> a_b\n\n| Year | Count |\n| --- | --- |\n| 2019 | 1\\|2 |\n",
    );
    // Rows that continue in the same columns are one table.
    check(
        &[sheet_row(&["a", "b"]), sheet_row(&["1", ""]), blank, sheet_row(&["2", "3"])],
        "| a | b |\n| --- | --- |\n| 1 |\n| 2 | 3 |\n",
    );
    let link = "<table:table-cell table:number-columns-repeated='2'><text:p>4 \
                <text:a xlink:href='https://example.org/'>s</text:a>.</text:p></table:table-cell>";
    check(
        &[
            sheet_row(&[&merged_cell("Title", 3, 1), "^", "^"]),
            sheet_row(&[&merged_cell("Year", 1, 2), &merged_cell("Tons", 2, 1), "^"]),
            sheet_row(&["^", "in", "out"]),
            sheet_row(&[&merged_cell("2019", 1, 2), link]),
            sheet_row(&["^", "", "5"]),
        ],
        "| Title |  |  |\n| --- | --- | --- |\n| Year | Tons | Tons |\n| Year | in | out |\n\
         | 2019 | 4 [s](https://example.org/). | 4 [s](https://example.org/). |\n| 2019 |  | 5 |\n",
    );
    // A thousand cells repeated a hundred times, in a row repeated a hundred times, ten times over.
    let cell = "<table:table-cell table:number-columns-repeated='100'><text:p>long</text:p></table:table-cell>";
    let row = format!(
        "<table:table-row table:number-rows-repeated='100'>{}</table:table-row>",
        cell.repeat(1000)
    );
    let content = format!(
        "<x><office:spreadsheet><table:table>{}</table:table></office:spreadsheet></x>",
        row.repeat(10)
    );
    let error = attempt("a.ods", package(&[("content.xml", &content)])).result.unwrap_err();
    assert!(error.to_string().contains("more text than"), "{error}");
    let endless = sheet_row(&["x"]).replace("='16000'", "='18446744073709551615'");
    check(
        &[endless.replace(
            "/></table",
            "/><table:table-cell><text:p>y</text:p></table:table-cell></table",
        )],
        &{ format!("| x |{} y |\n|{}\n", "  |".repeat(16_383), " --- |".repeat(16_385)) },
    );
    let repeated = "<table:table-row table:number-rows-repeated='1000000'>";
    check(
        &[sheet_row(&["x"]).replace("<table:table-row>", repeated)],
        &format!("| x |\n| --- |\n{}", "| x |\n".repeat(99)),
    );
}

#[test]
fn ebooks() {
    let container =
        "<container><rootfiles><rootfile full-path='OEBPS/b.opf'/></rootfiles></container>";
    let book = "<package><metadata><dc:title>A book</dc:title><dc:creator>Ada</dc:creator></metadata>\
        <manifest><item id='n' href='nav.xhtml' properties='nav'/><item id='1' href='text/c%201.xhtml'/>\
        <item id='2' href='two.xhtml'/></manifest><spine><itemref idref='n'/><itemref idref='2'/>\
        <itemref idref='1'/></spine></package>";
    let chapter =
        |name: &str| format!("<html><body><h1>{name}</h1><p>Text of {name}.</p></body></html>");
    let bytes = package(&[
        ("META-INF/container.xml", container),
        ("OEBPS/b.opf", book),
        ("OEBPS/nav.xhtml", "<p>nav</p>"),
        ("OEBPS/text/c 1.xhtml", &chapter("One")),
        ("OEBPS/two.xhtml", &chapter("Two")),
    ]);
    let document = extracted("a.epub", bytes);
    assert_eq!(
        document.text,
        "**Authors:** Ada\n\n# Two\n\nText of Two.\n\n# One\n\nText of One.\n"
    );
    assert_eq!((document.title.as_str(), &document.metadata["author"]), ("A book", &"Ada".into()));

    let book = "<FictionBook><description><title-info><book-title>Tale</book-title></title-info></description>\
        <body><section><title><p>One</p></title><p>Once &amp; more.</p></section></body></FictionBook>";
    let document = extracted("a.fb2", book);
    assert_eq!(
        (document.title.as_str(), document.text.as_str()),
        ("Tale", "## One\n\nOnce & more.\n")
    );
}

#[test]
fn mails_and_mailboxes() {
    let mail = "From: Ada <ada@example.org>\r\nTo: bob@example.org <bob@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
        Message-ID: <1@example.org>\r\nDate: Wed, 17 May 2000 19:18:39 -0400\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>Hello <b>Bob</b> <img src='cid:1' alt=Canal></p>\r\n\
        --b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\nx,y\r\n1,2\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nAfter it.\r\n\
        --b\r\nContent-Type: application/x-thing\r\nContent-Disposition: attachment; filename=a.bin\r\n\
        Content-Description: Water levels\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n\
        --b\r\nContent-Type: image/png\r\nContent-ID: <1>\r\nContent-Disposition: inline; filename=b.png\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n\
        --b\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\niQEz\r\n--b--\r\n";
    let document = extracted("a.eml", mail);
    assert_eq!(
        document.text,
        "# Grüße\n\n**From:** ada@example.org (Ada)  \n**To:** bob@example.org  \n\
         **Date:** 2000-05-17T19:18:39-04:00  \n**Message-ID:** 1@example.org  \n**Attachments:** a.csv, a.bin (Water levels)\n\n\
         Hello **Bob** ![Canal]()\n\n## Attachment: a.csv\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\nAfter it.\n"
    );
    insta::assert_snapshot!(serde_json::to_string(&document.metadata).unwrap(),
        @r#"{"attachments":["a.csv","a.bin","b.png"],"author":"Ada <ada@example.org>","date":"2000-05-17T19:18:39-04:00","message_id":"1@example.org","subject":"Grüße","to":"bob@example.org"}"#);
    let mailbox = "From a Wed\nSubject: One\nDate: Wed, 17 May 2000 19:18:39 -0400\n\nFirst text\n\nFrom b Thu\nSubject: Two\n\nSecond text\n";
    let document = extracted("list.mbox", mailbox);
    assert_eq!(
        document.text,
        "# One\n\n**Date:** 2000-05-17T19:18:39-04:00\n\nFirst text\n\n# Two\n\nSecond text\n"
    );
    assert_eq!(document.title, "list.mbox");
}

#[test]
fn notebooks_tables_and_transcripts() {
    let check = |uri: &str, text: &str, expected: &str| {
        assert_eq!(extracted(uri, text).text, expected, "{text}");
    };
    let notebook = r##"{"cells": [{"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": "print(1)", "outputs": [
        {"output_type": "stream", "text": ["\u001b[31m1\u001b[0m\n"]},
        {"output_type": "display_data", "data": {"image/png": "AAAA"}}]}], "metadata": {}}"##;
    check("a.ipynb", notebook, "# Title\ntext\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n");
    assert_eq!(extracted("a.ipynb", notebook).title, "Title");
    check("a.csv", "a;b\n\"1;\nx\";2|3\n", "| a | b |\n| --- | --- |\n| 1; x | 2\\|3 |\n");
    check("a.csv", "a,b\n1\n", "| a | b |\n| --- | --- |\n| 1 |\n");
    check("a.tsv", "a\tb,c\n", "| a | b,c |\n| --- | --- |\n");
    let captions = "WEBVTT\n\nNOTE x\n\n1\n00:11.000 --> 00:13.000\n<v Ada>One &amp;\n<i>two</i>\n\n\
        00:13.000 --> 00:14.000\n<v Ada>Three\n";
    check("a.vtt", captions, "**Ada:**\n\nOne & two\n\nThree\n");
    check("a.srt", "1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n", "Hello\n");
    let feed = "<rss><channel><title>Feed</title><item><title>A</title><link>https://example.org/a</link>\
        <description>&lt;p&gt;Text &amp;amp; more&lt;/p&gt;</description></item></channel></rss>";
    check("a.xml", feed, "# Feed\n\n## A\n\nhttps://example.org/a\n\nText & more\n");
    check("a.xml", "<a>x <b>y</b></a>\n", "<a>x <b>y</b></a>\n");
    let outline = "<opml><head><title>O</title></head><body><outline text='a'><outline text='b' \
        xmlUrl='u'/></outline></body></opml>";
    check("a.opml", outline, "# O\n\n- a\n  - [b](u)\n");
}

#[test]
fn rich_text() {
    let check =
        |rtf: &str, expected: &str| assert_eq!(extracted("a.rtf", rtf).text, expected, "{rtf}");
    check(
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\x no}{\info{\title T}}One \b two\b0\par gr\'fc\u223?e\par}",
        "One two\n\ngrüße\n",
    );
    check(r"{\rtf1 \outlinelevel0 Head\par\pard text\par}", "# Head\n\ntext\n");
    check(
        r"{\rtf1 \trowd a\cell b\cell\row c\cell d\cell\row\pard after\par}",
        "| a | b |\n| --- | --- |\n| c | d |\n\nafter\n",
    );
    check(
        r"{\rtf1 Before\par{\listtext\'95\tab}\pard\ls1 one\par\pard\ls1\ilvl1{\listtext\pard 1.\tab}two\par\pard\trowd a\cell\row}",
        "Before\n\n- one\n   1. two\n\n| a |\n| --- |\n",
    );
    check(
        r"{\rtf1 a{\super 1}{\footnote\pard The note.\par More.} b\par}",
        "a1 (The note. More.) b\n",
    );
    let document = extracted(
        "a.rtf",
        r"{\rtf1{\info{\title Gr\'fc\u223?e}{\author Ada}{\*\company C}{\version 1}}x}",
    );
    assert_eq!((document.title.as_str(), document.text.as_str()), ("Grüße", "x\n"));
    assert_eq!(serde_json::to_string(&document.metadata).unwrap(), r#"{"author":"Ada"}"#);
    check(r"{\rtf1 {{{}}}}}}x", "x\n");
    check(r"{\rtf1 \", "");
}

#[test]
fn bombs_and_passwords_are_told() {
    let big = "<a>".to_owned() + &"x".repeat(70 << 20);
    let check = |uri: &str, bytes: Vec<u8>, expected: &str| {
        let error = attempt(uri, bytes).result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("a.odt", package(&[("content.xml", &big), ("mimetype", "x")]), "unpacks to more than");
    check("a.odt", package(&[("content.xml", "<a"), ("mimetype", "x")]), "cannot be read");
    let deep = "<a>".repeat(1000);
    check("a.odt", package(&[("content.xml", &deep), ("mimetype", "x")]), "inside each other");
    let settings = ExtractConfig { max_text: "1kB".parse().unwrap(), ..ExtractConfig::default() };
    let attempt = Extraction::open(&settings, None).extract("a.md", vec![b'a'; 2000]);
    assert_eq!(
        attempt.result.unwrap_err().to_string(),
        "a.md: its text is over max_text (1000 bytes)"
    );
}

#[test]
fn light_markup() {
    let check = |uri: &str, text: &str, expected: &str| {
        assert_eq!(extracted(uri, text).text, expected, "{text}");
    };
    let adoc = "= Title\n:author: Ada\n// comment\n\nText with <<id,a reference>> and https://example.org[a link].\n\n\
        == Section\n\n* one\n** two\n. first\n\n[source,rust]\n----\nfn main() {}\n\n== no heading\n----\n\n\
        .Caption\n[cols=2]\n|===\n|a |b\n\n|c\n|d\n|===\n\nterm:: meaning\n\nimage::a.png[A picture,100]\n";
    check(
        "a.adoc",
        adoc,
        "# Title\n\nText with a reference and [a link](https://example.org).\n\n## Section\n\n- one\n  - two\n\
         1. first\n\n```rust\nfn main() {}\n\n== no heading\n```\n\nCaption\n\n| a | b |\n| --- | --- |\n| c | d |\n\n\
         **term**\n\nmeaning\n\n![A picture](a.png)\n",
    );
    check(
        "a.adoc",
        ":base: https://example.org\n:url: {base}/a\nifdef::env-site[]\n{url}[A {b}], {unknown}, \\{url}, {url\nendif::[]\n\n\
         ----\n{url}\n----\n\n|===\n|{base} |b\n|===\n",
        "[A {b}](https://example.org/a), {unknown}, \\{url}, {url\n\n```\n{url}\n```\n\n\
         | https://example.org | b |\n| --- | --- |\n",
    );
    let document = extracted("a.adoc", adoc);
    assert_eq!((document.title.as_str(), &document.metadata["author"]), ("Title", &"Ada".into()));

    let rst = "=====\nTitle\n=====\n\n.. _anchor:\n\nSection\n-------\n\nUse ``code``, :func:`~os.path.join` and \
        `a link <https://example.org>`_::\n\n    $ run\n\n      more\n\n.. note::\n   :class: x\n\n   Take care.\n\n\
        .. code-block:: python\n   :linenos:\n\n   x = 1\n\n.. toctree::\n\n   a\n\nSub\n~~~\n\nEnd.\n";
    check(
        "a.rst",
        rst,
        "# Title\n\n## Section\n\nUse `code`, `join` and [a link](https://example.org):\n\n```\n$ run\n\n  more\n```\n\n\
         **note:**\n\nTake care.\n\n```python\nx = 1\n```\n\n### Sub\n\nEnd.\n",
    );

    light_tables_and_directives(&check);

    let org = "#+TITLE: Notes\n#+DATE: 2024-01-02\n* TODO [#A] Head :tag:\n:PROPERTIES:\n:ID: x\n:END:\n\
        See [[https://example.org][this]] and ~code~.\n\n#+BEGIN_SRC sh\nls\n#+END_SRC\n\n| a | b |\n|---+---|\n| c | d |\n";
    check(
        "a.org",
        org,
        "# Head\n\nSee [this](https://example.org) and `code`.\n\n```sh\nls\n```\n\n| a | b |\n| --- | --- |\n| c | d |\n",
    );
    assert_eq!(extracted("a.org", org).title, "Notes");

    let man = ".\\\" comment\n.TH LS 1\n.SH NAME\nls \\- list\n.SH OPTIONS\n.TP\n\\fB\\-a\\fR, \\fB\\-\\-all\\fR\n\
        do not ignore\n.nf\nls \\-l\n.fi\n.BR stat (2)\n";
    check(
        "ls.1",
        man,
        "# ls(1)\n\n## NAME\n\nls - list\n\n## OPTIONS\n\n**-a, --all**\n\ndo not ignore\n\n```\nls -l\n```\n\nstat(2)\n",
    );
    check("app.log.1", "plain\n", "plain\n");
}

/// Text that reStructuredText, Org and LaTeX write in ways of their own.
fn light_tables_and_directives(check: &dyn Fn(&str, &str, &str)) {
    check(
        "a.rst",
        ".. |name| replace:: Canal\n\n#. The |name| of |other|\n\n=====  =====\nA      B\n=====  =====\nx      y *z*\n\n\
         \u{20}      more\n=====  =====\n\n+---+-----+\n| a | b   |\n|   | c   |\n+===+=====+\n| 1 | ``2`` |\n+---+-----+\n",
        "1. The Canal of |other|\n\n| A | B |\n| --- | --- |\n| x | y *z* more |\n\n\
         ```\n+---+-----+\n| a | b   |\n|   | c   |\n+===+=====+\n| 1 | ``2`` |\n+---+-----+\n```\n",
    );
    check(
        "a.rst",
        "+---+-----+\n| a | b   |\n|   | c   |\n+===+=====+\n| 1 | 2   |\n+---+-----+\n\n\
         .. csv-table:: Depths\n   :header: \"p, q\", r\n\n   1, 2\n\n.. list-table::\n   :header-rows: 1\n\n\
         \u{20}  * - H\n     - I\n   * - c\n       d\n     -\n\n.. figure:: a.png\n   :alt: A lock\n\n   The caption.\n\n\
         .. image:: b.png\n\n.. math:: a^2\n\n.. warning:: Take\n   care.\n\n>>> 1 + 1\n2\n",
        "| a | b c |\n| --- | --- |\n| 1 | 2 |\n\nDepths\n\n| p, q | r |\n| --- | --- |\n| 1 | 2 |\n\n\
         | H | I |\n| --- | --- |\n| c d |  |\n\n![A lock](a.png)\n\nThe caption.\n\n```math\na^2\n```\n\n\
         **warning:** Take\ncare.\n\n```python\n>>> 1 + 1\n2\n```\n",
    );
    check(
        "a.org",
        "| a | b |\n|---+---|\n| c | d |\nAfter it.\n: fixed\n:   width\n",
        "| a | b |\n| --- | --- |\n| c | d |\n\nAfter it.\n\n```\nfixed\n  width\n```\n",
    );
    check(
        "a.tex",
        "\\documentclass{article}\\title{On locks}\\begin{document}\\section{One}Text\\footnote{A note.}\n% hidden\nof caf\\'e.\n\
         \\begin{itemize}\\item a\\begin{enumerate}\\item b\\end{enumerate}\\end{itemize} After\n\n\
         \\begin{tabular}{ll}\\hline x & y \\\\ 1 & 2\\end{tabular}\n\n\\begin{equation} E = m \\end{equation}\\end{document}\n",
        "## One\n\nText (A note.)\nof café.\n\n- a\n   1. b\n\nAfter\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\n\
         ```latex\nE = m\n```\n",
    );
}

#[test]
fn hostile_text_formats_are_linear() {
    // Each is 300 kB; a quadratic step in any of them takes minutes.
    for extension in ["adoc", "rst", "org", "1", "vtt", "rtf", "csv", "xml", "fb2", "ipynb", "eml"]
    {
        for part in [
            "<<",
            "[[",
            "`",
            "``",
            "::\n\n",
            "\\[",
            "<a",
            "{",
            "\\'",
            "\"",
            "<a>",
            "[",
            "..\n  ",
            "|",
            "=",
            "- ",
            ".TP\n",
            "x::\n  ",
            "https://",
            "00:00 --> 1\n<",
            "&amp;",
            ".. note::\n   ",
        ] {
            let start = match extension {
                "1" => ".TH X 1\n",
                "rtf" => "{\\rtf1 ",
                "vtt" => "0 --> 1\n",
                _ => "",
            };
            let text = format!("{start}{}", part.repeat(300_000 / part.len()));
            let _ = attempt(&format!("a.{extension}"), text);
        }
    }
    // A table as wide as it is long, and many tables.
    for (name, first, row) in [
        ("a.csv", ",", "a\n"),
        ("a.csv", "a,", "a\n"),
        ("a.rst", "= ", "a\n"),
        ("a.rst", "== ==\n", ""),
        ("a.rst", "== ==\na\n\n", ""),
        ("a.adoc", "|===\n|a", "|b\n"),
        ("a.org", "|a", "|b|\n"),
        ("a.tex", "\\begin{tabular}a&", "\\\\b"),
        ("a.tex", "\\begin{itemize}\n\\item a\n", ""),
    ] {
        let text = format!("{}=\n{}", first.repeat(150_000 / first.len()), row.repeat(50_000));
        let _ = attempt(name, text);
    }
}
