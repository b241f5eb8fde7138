//! Jupyter notebooks: text unchanged, code with its language, short outputs.
//!
//! After nbformat 4, with the cells of version 3 if they differ. Pictures are left out.

use serde_json::Value;

use crate::html;
use crate::text::encoding::{self, Decoded};
use crate::writer::Writer;
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};

/// Limit on the characters kept of an output.
const OUTPUT_CHARS_MAX: usize = 2000;

/// IPYNB.
pub(crate) struct Notebook;

impl Extractor for Notebook {
    fn id(&self) -> &'static str {
        "notebook@3"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        let failed = |reason: String| DocumentError::permanent(uri, reason);
        let notebook: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| failed(format!("cannot be read as a notebook: {error}")))?;
        let cells = cells(&notebook).ok_or_else(|| failed("has no cells".to_owned()))?;
        let about = &notebook["metadata"];
        let language = ["/language_info/name", "/kernelspec/language"]
            .iter()
            .find_map(|place| about.pointer(place)?.as_str())
            .unwrap_or("python");
        let mut writer = Writer::new(TEXT_BYTES_MAX);
        for cell in cells {
            write_cell(uri, cell, language, &mut writer);
        }
        if writer.is_full() {
            return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
        }
        let text = writer.finish();
        let heading = text.lines().find_map(|line| line.strip_prefix("# ")).and_then(title::clean);
        let stated = about["title"].as_str().or(about["name"].as_str()).and_then(title::clean);
        let mut metadata = Metadata::new();
        metadata.insert("programming_language".to_owned(), Value::from(language));
        Ok(Extracted {
            title: stated.or(heading).unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text,
            encoding,
            metadata,
            lines: LineMap::Unknown,
        })
    }
}

/// Returns the cells, which version 3 has one level deeper.
fn cells(notebook: &Value) -> Option<Vec<&Value>> {
    if let Some(cells) = notebook["cells"].as_array() {
        return Some(cells.iter().collect());
    }
    let sheets = notebook["worksheets"].as_array()?.iter();
    Some(sheets.filter_map(|sheet| sheet["cells"].as_array()).flatten().collect())
}

fn write_cell(uri: &str, cell: &Value, language: &str, writer: &mut Writer) {
    let source = joined(if cell["source"].is_null() { &cell["input"] } else { &cell["source"] });
    match cell["cell_type"].as_str() {
        Some("code") => {
            let language = cell["language"].as_str().unwrap_or(language);
            writer.code(language, &source);
            for output in cell["outputs"].as_array().into_iter().flatten() {
                write_output(uri, output, writer);
            }
        }
        Some("heading") => {
            let level = cell["level"].as_u64().unwrap_or(1);
            writer.heading(usize::try_from(level).unwrap_or(1), &source);
        }
        _ => writer.markdown(&closed(source)),
    }
}

fn write_output(uri: &str, output: &Value, writer: &mut Writer) {
    let data = &output["data"];
    let of_html = || {
        let html = joined(&data["text/html"]);
        let page = html::convert_text(uri, &html, &html::Options::whole());
        page.map(|page| page.markdown).unwrap_or_default()
    };
    let rich = [joined(&data["text/markdown"]), of_html(), joined(&data["text/latex"])];
    if let Some(rich) = rich.into_iter().find(|text| !text.trim().is_empty()) {
        return writer.markdown(&closed(shortened(&rich)));
    }
    let text = match output["output_type"].as_str() {
        Some("error" | "pyerr") => {
            let name = output["ename"].as_str().unwrap_or_default();
            format!("{name}: {}", output["evalue"].as_str().unwrap_or_default())
        }
        _ => {
            let places = [&output["text"], &output["data"]["text/plain"]];
            places.into_iter().map(joined).find(|text| !text.is_empty()).unwrap_or_default()
        }
    };
    let text = without_escapes(&text);
    writer.code("text", &shortened(&text));
}

/// Returns the beginning of an output: whole lines, if there are several.
fn shortened(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(OUTPUT_CHARS_MAX) else { return text.to_owned() };
    let line_end = text[..end].rfind('\n').unwrap_or(end);
    text[..line_end].to_owned()
}

/// Closes a block of code that a cell leaves open: it ends with its cell.
fn closed(mut markdown: String) -> String {
    let mut open: Option<String> = None;
    for line in markdown.lines() {
        let indented = line.trim_start();
        let Some(mark) = indented.chars().next().filter(|c| matches!(c, '`' | '~')) else {
            continue;
        };
        let length = indented.chars().take_while(|c| *c == mark).count();
        let (fence, info) = indented.split_at(length);
        match &open {
            None if length >= 3 && !(mark == '`' && info.contains('`')) => {
                open = Some(fence.to_owned());
            }
            Some(known) if fence.starts_with(known.as_str()) && info.trim().is_empty() => {
                open = None
            }
            _ => {}
        }
    }
    if let Some(fence) = open {
        markdown = format!("{}\n{fence}\n", markdown.trim_end());
    }
    markdown
}

/// Returns a text that may be a list of lines.
fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// Removes terminal colours.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}
