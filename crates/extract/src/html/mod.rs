//! HTML: the main content of a page as Markdown, with what the page declares.
//!
//! Other formats become HTML first, too: mails, e-books.

mod block;
mod inline;
mod math;
mod redirect;
mod renderer;
mod root;
mod table;

use serde_json::Value;

pub use crate::dom::{Facts, Selector};

use crate::dom::{self, NodeId, Tree};
use crate::text::charset;
use crate::text::encoding::{self, Decoded};
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};

/// How a page is converted.
#[derive(Default)]
pub struct Options<'a> {
    /// Encoding according to the server, as in `utf-8`; overrides the page's declaration.
    pub charset: Option<&'a str>,
    /// Selectors of the main content, tried in order instead of the usual ones.
    pub content: &'a [Selector],
    /// Everything is content, as in a chapter or a mail: the main content is not searched.
    pub is_whole: bool,
    /// The page is XML, whatever it says.
    pub is_xml: bool,
    /// What to leave out, besides navigation and the like.
    pub leave_out: &'a [Selector],
    /// Turns a URL as written in the page into that of its link, for example an absolute one;
    /// `None` leaves URLs unchanged.
    pub resolve: Option<&'a dyn Fn(&str) -> String>,
}

impl Options<'_> {
    /// Returns the options for a text that is all content.
    pub(super) fn whole() -> Self {
        Self { is_whole: true, ..Self::default() }
    }
}

/// A converted page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Main content. Headings, lists, tables, code with its language, links and images with a
    /// description are kept.
    pub markdown: String,
    /// Byte of [`Self::markdown`] at which a heading begins, and the fragment that links to it.
    pub anchors: Vec<(usize, String)>,
    /// The lines of the page that those of [`Self::markdown`] come from.
    pub lines: LineMap,
    /// Title of the page: `<title>`, else the first heading.
    pub title: Option<String>,
    /// What the page declares.
    pub facts: Facts,
    /// Every link of the page that may be followed, as written, including navigation.
    pub links: Vec<String>,
    /// Encoding of the bytes, as in [`Extracted::encoding`].
    pub encoding: String,
}

/// Converts the bytes of a page. Fails if they are not text, or if the Markdown would be larger
/// than [`TEXT_BYTES_MAX`].
pub fn convert(uri: &str, bytes: Vec<u8>, options: &Options<'_>) -> Result<Page, DocumentError> {
    let Decoded { text, encoding } = match charset::declared(&bytes, options.charset) {
        Some(encoding) => encoding::decode_as(uri, encoding, &bytes)?,
        None => encoding::decode(uri, bytes)?,
    };
    let mut page = convert_text(uri, &text, options)?;
    page.encoding = encoding;
    Ok(page)
}

/// Converts a page that is already text.
pub(super) fn convert_text(
    uri: &str,
    text: &str,
    options: &Options<'_>,
) -> Result<Page, DocumentError> {
    let has_xml_name = matches!(title::extension(uri).as_deref(), Some("xhtml" | "xht"));
    let parse = if options.is_xml || has_xml_name { dom::parse_xml } else { dom::parse };
    let tree = parse(text);
    let facts = tree.facts();
    let followed = tree.links().filter(|link| !link.nofollow);
    let links = followed.map(|link| link.href.to_owned()).collect();
    let block::Rendered { markdown, anchors, lines, is_full } =
        block::render(&tree, &root::find(&tree, options), options);
    if is_full {
        return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
    }
    let heading = || first_heading(&tree).and_then(|id| title::clean(&tree.line(id)));
    let title = facts.title.as_deref().and_then(title::clean).or_else(heading);
    Ok(Page { markdown, anchors, lines, title, facts, links, encoding: "utf-8".to_owned() })
}

fn first_heading(tree: &Tree) -> Option<NodeId> {
    tree.all().find(|&id| matches!(tree.name(id), "h1" | "h2"))
}

/// Name and version of the extractor of HTML.
pub(super) const ID: &str = "html@5";

/// HTML and XHTML documents.
pub(super) struct Html;

impl Extractor for Html {
    fn id(&self) -> &'static str {
        ID
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let page = convert(uri, bytes, &Options::default())?;
        let title = page.title.clone().unwrap_or_else(|| title::from_stem(uri));
        let metadata = page.metadata();
        Ok(Extracted {
            title,
            media_type: MediaType::Markdown,
            text: page.markdown,
            encoding: page.encoding,
            metadata,
            lines: page.lines,
        })
    }
}

impl Page {
    /// Returns what is stored with the document.
    pub fn metadata(&self) -> Metadata {
        let Facts { language, canonical, description, keywords, author, date, .. } = &self.facts;
        let known = [
            ("language", language),
            ("canonical", canonical),
            ("description", description),
            ("keywords", keywords),
            ("author", author),
            ("date", date),
        ];
        let mut metadata: Metadata = known
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Value::from(value.as_deref()?))))
            .collect();
        if !self.anchors.is_empty() {
            metadata.insert("anchors".to_owned(), serde_json::json!(self.anchors));
        }
        metadata
    }
}
