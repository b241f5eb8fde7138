//! Jupyter notebooks: text unchanged, code with its language, short outputs.
//!
//! After nbformat 4, with the cells of version 3 if they differ. Pictures are left out.

use serde_json::Value;

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
        "notebook@1"
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
            write_cell(cell, language, &mut writer);
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

fn write_cell(cell: &Value, language: &str, writer: &mut Writer) {
    let source = joined(if cell["source"].is_null() { &cell["input"] } else { &cell["source"] });
    match cell["cell_type"].as_str() {
        Some("code") => {
            let language = cell["language"].as_str().unwrap_or(language);
            writer.code(language, &source);
            for output in cell["outputs"].as_array().into_iter().flatten() {
                write_output(output, writer);
            }
        }
        Some("heading") => {
            let level = cell["level"].as_u64().unwrap_or(1);
            writer.heading(usize::try_from(level).unwrap_or(1), &source);
        }
        _ => writer.markdown(&source),
    }
}

fn write_output(output: &Value, writer: &mut Writer) {
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
    let short: String = text.chars().take(OUTPUT_CHARS_MAX).collect();
    writer.code("text", &short);
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
