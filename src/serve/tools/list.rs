//! `list`: sources, and documents by glob, in pages.

use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FilterParts, budget, url_of};
use crate::kb::{Filter, ListPlace, ListedDocument};
use crate::serve::bases::{KnowledgeBase, KnowledgeBases};
use crate::serve::budget::tokens_of;
use crate::serve::refusal::Refusal;
use crate::serve::resource;

/// Limit on the documents of a page.
const DOCUMENTS_MAX: usize = 1000;
/// Tokens of an answer, unless the request says otherwise.
const TOKENS_DEFAULT: usize = 6000;

/// Arguments of `list`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListArguments {
    /// What is listed: "documents" (the default) or "sources".
    #[serde(default)]
    pub what: What,
    /// Name of the knowledge base; needed for documents if there are several.
    #[serde(default)]
    pub kb: Option<String>,
    /// Only documents of this source.
    #[serde(default)]
    pub source: Option<String>,
    /// Only documents whose URI matches one of these globs, as in "operations/**" or "**/*.md".
    #[serde(default)]
    pub path: Vec<String>,
    /// Only documents dated this day or later: 2025-01-31, 2025-01 or 2025.
    #[serde(default)]
    pub after: Option<String>,
    /// Only documents dated before this day.
    #[serde(default)]
    pub before: Option<String>,
    /// Number of documents of a page, 1 to 1000; default 100.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Where to continue: `next_cursor` of the last page.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Limit on the tokens of the answer, estimated; default 6000.
    #[serde(default)]
    pub max_tokens: Option<usize>,
}

/// What is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum What {
    /// Documents of one knowledge base.
    #[default]
    Documents,
    /// Sources of all knowledge bases.
    Sources,
}

/// The answer of `list`.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct ListAnswer {
    /// The sources, if they are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ListedSource>,
    /// The documents, if they are asked for: by source, then folder by folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Listed>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A source.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ListedSource {
    /// Name of the knowledge base.
    pub kb: String,
    /// Name of the source.
    pub source: String,
    /// Number of its documents.
    pub documents: u64,
    /// Number of their chunks.
    pub chunks: u64,
}

/// A document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    /// Name of the source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Address of the document, if it is a page of a web site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its title.
    pub title: String,
    /// The day that it states, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Number of its chunks.
    pub chunks: u64,
    /// Bytes of its text.
    pub text_bytes: u64,
}

/// Answers a request for a list.
pub fn list(bases: &KnowledgeBases, arguments: &ListArguments) -> Result<ListAnswer, Refusal> {
    match arguments.what {
        What::Sources => sources(bases, arguments),
        What::Documents => documents(bases, arguments),
    }
}

fn sources(bases: &KnowledgeBases, arguments: &ListArguments) -> Result<ListAnswer, Refusal> {
    let mut answer = ListAnswer::default();
    let wanted = match &arguments.kb {
        Some(name) => std::slice::from_ref(bases.named(name)?),
        None => bases.all(),
    };
    for base in wanted {
        for count in base.with(|searcher| Ok(searcher.reader().source_counts()?))? {
            answer.sources.push(ListedSource {
                kb: base.name.clone(),
                source: count.source,
                documents: count.documents,
                chunks: count.chunks,
            });
        }
    }
    Ok(answer)
}

fn documents(bases: &KnowledgeBases, arguments: &ListArguments) -> Result<ListAnswer, Refusal> {
    let base = bases.named_or_only(arguments.kb.as_deref())?;
    let parts = FilterParts {
        source: arguments.source.as_deref(),
        path: &arguments.path,
        after: arguments.after.as_deref(),
        before: arguments.before.as_deref(),
    };
    let filter = parts.filter()?;
    let limit = arguments.limit.unwrap_or(100);
    if !(1..=DOCUMENTS_MAX).contains(&limit) {
        return Err(Refusal::bad_request(format!(
            "limit is {limit}; it must be from 1 to {DOCUMENTS_MAX}"
        )));
    }
    let after = match &arguments.cursor {
        Some(cursor) => place_of(base, cursor)?,
        None => ListPlace::default(),
    };
    let page = page(base, &filter, &after, limit)?;
    let mut answer = ListAnswer::default();
    let mut left = budget(arguments.max_tokens, TOKENS_DEFAULT)?;
    for document in page.documents {
        let place = ListPlace { source: document.source.clone(), uri: document.uri.clone() };
        let listed = listed(document);
        let size = tokens_of(&listed);
        if size > left && !answer.documents.is_empty() {
            // It is on the next page, with those after it.
            return Ok(answer);
        }
        left = left.saturating_sub(size);
        answer.documents.push(listed);
        answer.next_cursor = Some(resource::uri(&base.name, &place));
    }
    if !page.has_more {
        answer.next_cursor = None;
    }
    Ok(answer)
}

/// Some documents in the order of lists.
pub struct Page {
    /// The documents.
    pub documents: Vec<ListedDocument>,
    /// Whether others follow.
    pub has_more: bool,
}

/// Returns up to `limit` documents of `base` behind `after`.
pub fn page(
    base: &KnowledgeBase,
    filter: &Filter,
    after: &ListPlace,
    limit: usize,
) -> Result<Page, Refusal> {
    let page = base.with(|searcher| {
        let mut page = Page { documents: Vec::new(), has_more: false };
        searcher.reader().list_documents(filter, after, &mut |document| {
            if !document.is_live {
                return ControlFlow::Continue(());
            }
            if page.documents.len() == limit {
                page.has_more = true;
                return ControlFlow::Break(());
            }
            page.documents.push(document);
            ControlFlow::Continue(())
        })?;
        Ok(page)
    })?;
    Ok(page)
}

/// Returns the place that a cursor of this knowledge base means.
fn place_of(base: &KnowledgeBase, cursor: &str) -> Result<ListPlace, Refusal> {
    match resource::parse(cursor) {
        Some((kb, place)) if kb == base.name => Ok(place),
        _ => Err(Refusal::bad_request("cursor must be `next_cursor` of an earlier page")),
    }
}

fn listed(document: ListedDocument) -> Listed {
    Listed {
        url: url_of(&document.uri),
        source: document.source,
        uri: document.uri,
        title: document.title,
        date: document.date.map(|day| day.to_string()),
        chunks: document.chunks,
        text_bytes: document.text_bytes,
    }
}
