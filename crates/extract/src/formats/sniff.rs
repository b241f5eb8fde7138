//! Detects the format of a document by its content, if that is more reliable than its name.
//!
//! Only formats with an unmistakable beginning are detected; for text the name decides. It is no
//! error if the name promises another format.

use std::io::Cursor;

use zip::ZipArchive;

use crate::{markup, title};

/// The detected format, whatever the name.
pub(super) enum Content {
    Pdf,
    /// Word, Excel or PowerPoint.
    Office,
    /// A message of Outlook.
    Outlook,
    OpenDocument,
    Epub,
    Rtf,
    ManPage,
    Html,
    /// Not what its name promises: text, or binary content that is refused as such.
    Other,
}

/// Extensions of binary formats, which are checked against the content.
const BINARY_NAMES: &[&str] = &[
    "pdf", "docx", "docm", "xlsx", "xlsm", "xlsb", "pptx", "pptm", "doc", "xls", "ppt", "msg",
    "odt", "odp", "ods", "ott", "otp", "ots", "epub", "rtf",
];

/// Bytes at the start of a file in which marks are searched.
const LOOK_BYTES: usize = 1024;

/// Returns the format of the content; `None` leaves it to the name.
pub(super) fn content(uri: &str, bytes: &[u8]) -> Option<Content> {
    let start = &bytes[..bytes.len().min(LOOK_BYTES)];
    let extension = title::extension(uri).unwrap_or_default();
    let has_binary_name = BINARY_NAMES.contains(&extension.as_ref());
    // Some programs write a few bytes before the mark.
    if start.starts_with(b"%PDF-") || extension == "pdf" && contains(start, b"%PDF-") {
        return Some(Content::Pdf);
    }
    if start.starts_with(b"PK\x03\x04") {
        let is_no_package = matches!(extension.as_ref(), "pdf" | "rtf");
        return in_zip(bytes).or_else(|| is_no_package.then_some(Content::Other));
    }
    if start.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Some(in_ole(&extension, bytes));
    }
    if start.starts_with(b"{\\rtf") {
        return Some(Content::Rtf);
    }
    // The section, as in `ls.1` or `open.3posix`; rotated logs have such names too.
    if extension.starts_with(|c: char| c.is_ascii_digit()) && markup::is_man_page(start) {
        return Some(Content::ManPage);
    }
    let is_html = begins_like_html(start);
    if is_html && (has_binary_name || matches!(extension.as_ref(), "" | "txt")) {
        return Some(Content::Html);
    }
    // It is not what its name promises: text, or binary content that is reported as such.
    has_binary_name.then_some(Content::Other)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn begins_like_html(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins =
        |mark: &[u8]| start.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark));
    begins(b"<!doctype html") || begins(b"<html")
}

/// Returns the format of a ZIP package.
fn in_zip(bytes: &[u8]) -> Option<Content> {
    // A package of OpenDocument or EPUB begins with its type, so it need not be unpacked.
    let start = &bytes[..bytes.len().min(LOOK_BYTES)];
    if contains(start, b"mimetypeapplication/epub+zip") {
        return Some(Content::Epub);
    }
    if contains(start, b"mimetypeapplication/vnd.oasis.opendocument.") {
        return Some(Content::OpenDocument);
    }
    let archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let has = |name| archive.index_for_name(name).is_some();
    let has_any = |prefix: &str| {
        archive.file_names().take(10_000).flatten().any(|name| name.starts_with(prefix))
    };
    if has("[Content_Types].xml") && ["word/", "xl/", "ppt/"].into_iter().any(has_any) {
        return Some(Content::Office);
    }
    if has("META-INF/container.xml") {
        return Some(Content::Epub);
    }
    (has("content.xml") && has("mimetype")).then_some(Content::OpenDocument)
}

/// Returns the format of an OLE file: a message has streams for its properties, everything else is
/// Office.
fn in_ole(extension: &str, bytes: &[u8]) -> Content {
    // Names in the directory are in UTF-16.
    let mark: Vec<u8> =
        "__properties_version1.0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let is_message = extension == "msg" || contains(bytes, &mark);
    if is_message { Content::Outlook } else { Content::Office }
}
