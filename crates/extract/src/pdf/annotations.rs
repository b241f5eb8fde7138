//! Annotations of pages that are text: what was typed onto them, and comments.
//!
//! After PDF 32000-1, section 12.5: those that are hidden are left out, and what a popup shows is
//! that of its parent.

use std::collections::BTreeMap;

use unpdf::parser::raw::{PdfDict, PdfObject, RawDocument};

/// Kinds of annotations whose contents are text.
const COMMENTS: [&[u8]; 13] = [
    b"Text",
    b"Highlight",
    b"Underline",
    b"Squiggly",
    b"StrikeOut",
    b"Caret",
    b"Stamp",
    b"Square",
    b"Circle",
    b"Line",
    b"Polygon",
    b"PolyLine",
    b"Ink",
];

/// Limit on the annotations of a document.
const ANNOTATIONS_MAX: usize = 10_000;

/// Annotations that are invisible or hidden.
const HIDDEN: i64 = 1 | 2;

/// Returns the paragraphs of annotations by the numbers of their pages, from 1.
pub(super) fn read(bytes: &[u8]) -> BTreeMap<u32, Vec<String>> {
    let mut found = BTreeMap::new();
    if memchr::memmem::find(bytes, b"/Annots").is_none()
        && memchr::memmem::find(bytes, b"/ObjStm").is_none()
    {
        return found;
    }
    let Ok(document) = RawDocument::load(bytes) else { return found };
    let mut left = ANNOTATIONS_MAX;
    for (number, page) in document.pages() {
        let Ok(page) = document.get_dict(page) else { continue };
        let annotations = page.get(b"Annots".as_slice()).map(|list| document.resolve(list));
        let annotations = annotations.and_then(PdfObject::as_array).unwrap_or_default();
        for annotation in annotations.iter().take(left) {
            left -= 1;
            let text =
                document.resolve(annotation).as_dict().and_then(|dict| text(&document, dict));
            if let Some(text) = text {
                found.entry(number).or_insert_with(Vec::new).push(text);
            }
        }
    }
    found
}

fn text(document: &RawDocument, annotation: &PdfDict) -> Option<String> {
    let get = |key: &[u8]| annotation.get(key).map(|value| document.resolve(value));
    let flags = get(b"F").and_then(PdfObject::as_i64).unwrap_or(0);
    let kind = get(b"Subtype")?.as_name()?;
    let contents = decoded(get(b"Contents")?.as_str_bytes()?);
    if flags & HIDDEN != 0 || contents.is_empty() {
        return None;
    }
    if kind == b"FreeText" {
        return Some(contents);
    }
    if !COMMENTS.contains(&kind) {
        return None;
    }
    let author = get(b"T").and_then(PdfObject::as_str_bytes).map(decoded).unwrap_or_default();
    let by = if author.is_empty() { "" } else { " by " };
    Some(format!("[Comment{by}{author}: {contents}]"))
}

/// Decodes a text string (section 7.9.2.2) to one line.
fn decoded(bytes: &[u8]) -> String {
    let text = match bytes {
        [0xfe, 0xff, text @ ..] => encoding_rs::UTF_16BE.decode_without_bom_handling(text).0,
        [0xff, 0xfe, text @ ..] => encoding_rs::UTF_16LE.decode_without_bom_handling(text).0,
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text),
        text => match std::str::from_utf8(text) {
            Ok(text) => text.into(),
            // Letters are those of Latin-1 in the encoding of PDF, too.
            Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(text).0,
        },
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
