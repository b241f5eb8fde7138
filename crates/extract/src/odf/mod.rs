//! OpenDocument texts, presentations and spreadsheets: their XML, rendered as HTML, or as tables.
//!
//! After OpenDocument 1.3, part 3. The HTML converter then takes care of lists, tables and spans.

mod renderer;
mod sheets;
mod styles;

use crate::html::{self, Options};
use crate::package::Package;
use crate::xml::{self, Part};
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};
use renderer::Renderer;
use styles::Styles;

/// Repetitions of a cell or row that are written out.
const REPEAT_MAX: usize = 100;

/// Elements that are left out with their content.
const LEFT_OUT: [&str; 10] = [
    "automatic-styles",
    "desc",
    "font-face-decls",
    "forms",
    "scripts",
    "sequence-decls",
    "settings",
    "shapes",
    "styles",
    "tracked-changes",
];

/// ODT, ODP and ODS.
pub(super) struct OpenDocument;

impl Extractor for OpenDocument {
    fn id(&self) -> &'static str {
        "opendocument@3"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let mut package = Package::open(uri, bytes)?;
        let content = package.read("content.xml")?;
        let content = String::from_utf8_lossy(&content);
        let is_workbook = content.contains("<office:spreadsheet");
        let (text, heading, pages) = if is_workbook {
            workbook(uri, &content)?
        } else {
            document(uri, &content, &mut package)?
        };
        let mut metadata = Metadata::new();
        let mut stated = None;
        if package.has("meta.xml") {
            let meta = package.read("meta.xml")?;
            (stated, metadata) = read_meta(&String::from_utf8_lossy(&meta));
        }
        if !pages.is_empty() {
            metadata.insert("pages".to_owned(), pages.into());
        }
        Ok(Extracted {
            title: stated.or(heading).unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text,
            encoding: "opendocument".to_owned(),
            metadata,
            lines: LineMap::Unknown,
        })
    }
}

/// The result: the text, its first heading, and where its sheets begin.
type Rendered = (String, Option<String>, Vec<usize>);

fn broken(uri: &str, error: &str) -> DocumentError {
    let reason = format!("its content.xml cannot be read {error}");
    DocumentError::permanent(uri, reason)
}

fn workbook(uri: &str, content: &str) -> Result<Rendered, DocumentError> {
    let workbook = sheets::render(content).map_err(|error| broken(uri, &error))?;
    if workbook.is_full {
        return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
    }
    let name = workbook.name.as_deref().and_then(title::clean);
    Ok((workbook.markdown, name, workbook.starts))
}

fn document(
    uri: &str,
    content: &str,
    package: &mut Package<'_>,
) -> Result<Rendered, DocumentError> {
    let mut styles = Styles::default();
    // Only lists and titles depend on styles.
    let is_asked = content.contains("<text:list") || content.contains("<text:p ");
    if is_asked && let Ok(text) = package.read("styles.xml") {
        styles.read(&String::from_utf8_lossy(&text));
    }
    let mut renderer = Renderer::new(styles);
    xml::read(content, |part| renderer.render(part)).map_err(|error| broken(uri, &error))?;
    let page = html::convert_text(uri, &renderer.finish(), &Options::whole())?;
    Ok((page.markdown, page.title, Vec::new()))
}

/// Returns title and metadata.
fn read_meta(text: &str) -> (Option<String>, Metadata) {
    let mut metadata = Metadata::new();
    let mut stated = None;
    let mut name = String::new();
    let read = xml::read(text, |part| {
        match part {
            Part::Start(element) => name = element.name,
            Part::End(_) => name.clear(),
            Part::Text(text) => {
                let key = match name.as_str() {
                    "title" => {
                        stated = title::clean(text);
                        return true;
                    }
                    "initial-creator" => "author",
                    "date" => "date",
                    "language" => "language",
                    "subject" => "subject",
                    "description" => "description",
                    _ => return true,
                };
                if let Some(value) = title::clean(text) {
                    metadata.insert(key.to_owned(), value.into());
                }
            }
        }
        true
    });
    if let Err(error) = read {
        tracing::debug!(%error, "metadata cannot be read");
    }
    (stated, metadata)
}
