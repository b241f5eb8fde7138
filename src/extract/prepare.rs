//! Office packages as their reader understands them: what it passes over is put into their text first.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::formula;

/// The part that holds the text of a Word document.
const DOCUMENT: &str = "word/document.xml";

/// Where the slides of a presentation are.
const SLIDES: &str = "ppt/slides/slide";

/// Bytes of a part when unpacked; longer parts stay as they are.
const PART_BYTES_MAX: u64 = 64 << 20;

/// Returns the package with formulas as LaTeX, and with line breaks of slides as spaces; `None` where it has
/// neither.
pub(super) fn prepared(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut parts = Vec::new();
    let mut unpacked_bytes = 0;
    let names: Vec<_> = archive
        .file_names()
        .flatten()
        .filter(|name| name == DOCUMENT || name.starts_with(SLIDES))
        .map(|name| name.into_owned())
        .collect();
    for name in names {
        let Some(index) = archive.index_for_name(&name) else { continue };
        let Ok(part) = archive.by_index(index) else { continue };
        let mut text = String::new();
        let left = PART_BYTES_MAX.saturating_sub(unpacked_bytes);
        if part.take(left).read_to_string(&mut text).is_err() {
            continue;
        }
        unpacked_bytes += text.len() as u64;
        if name == DOCUMENT && text.contains("<m:oMath") {
            parts.push((index, name, formula::replace(&text)));
        } else if name != DOCUMENT && text.contains("<a:br") {
            parts.push((index, name, without_breaks(&text)));
        }
    }
    if parts.is_empty() || unpacked_bytes >= PART_BYTES_MAX {
        return None;
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(bytes.len())));
    for index in 0..archive.len() {
        match parts.iter().find(|(changed, _, _)| *changed == index) {
            Some((_, name, text)) => {
                writer.start_file(name.as_str(), SimpleFileOptions::default()).ok()?;
                writer.write_all(text.as_bytes()).ok()?;
            }
            None => writer.raw_copy_file(archive.by_index_raw(index).ok()?).ok()?,
        }
    }
    Some(writer.finish().ok()?.into_inner())
}

/// Puts a space before the text that follows a line break, so that its words do not run together.
fn without_breaks(slide: &str) -> String {
    const TEXT: &str = "<a:t>";
    let mut told = String::with_capacity(slide.len());
    let mut parts = slide.split("<a:br");
    told.push_str(parts.next().unwrap_or_default());
    for part in parts {
        told.push_str("<a:br");
        match part.split_once(TEXT) {
            Some((before, after)) if !before.contains("</a:p>") => {
                told.push_str(before);
                told.push_str(TEXT);
                told.push(' ');
                told.push_str(after);
            }
            _ => told.push_str(part),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_around_a_break_stay_apart() {
        assert_eq!(
            without_breaks(
                "<a:t>a</a:t><a:br/><a:r><a:t>b</a:t></a:r></a:p><a:br></a:br></a:p><a:t>c</a:t>"
            ),
            "<a:t>a</a:t><a:br/><a:r><a:t> b</a:t></a:r></a:p><a:br></a:br></a:p><a:t>c</a:t>"
        );
    }
}
