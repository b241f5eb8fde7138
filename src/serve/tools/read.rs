//! `read`: a document, or some of its passages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{budget, is_false, url_of};
use crate::kb::{ListPlace, Passage, WholeDocument};
use crate::serve::bases::KnowledgeBases;
use crate::serve::budget::{start_of, tokens, tokens_of};
use crate::serve::refusal::{Refusal, RefusalCode};
use crate::serve::resource;

/// Limit on the neighbouring passages on each side.
const CONTEXT_MAX: usize = 50;
/// Tokens of an answer, unless the request says otherwise.
const TOKENS_DEFAULT: usize = 10_000;

/// Arguments of `read`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadArguments {
    /// URI of the document, as in a hit, or its resource `kb://NAME/SOURCE/URI`.
    pub uri: String,
    /// Name of the source; needed if several have a document with this URI.
    #[serde(default)]
    pub source: Option<String>,
    /// Name of the knowledge base; needed if there are several.
    #[serde(default)]
    pub kb: Option<String>,
    /// First line wanted, as in hits; default: the first of the document.
    #[serde(default)]
    pub start_line: Option<u64>,
    /// Last line wanted; default: the last of the document.
    #[serde(default)]
    pub end_line: Option<u64>,
    /// Number of the passage to begin at, as in `next_passage`; instead of lines.
    #[serde(default)]
    pub from_passage: Option<usize>,
    /// Neighbouring passages added on each side of the lines, 0 to 50; default 0.
    #[serde(default)]
    pub context: usize,
    /// Returns the outline of the document instead of its text.
    #[serde(default)]
    pub outline: bool,
    /// Limit on the tokens of the answer, estimated; default 10000. If there is more,
    /// `next_passage` says where to continue.
    #[serde(default)]
    pub max_tokens: Option<usize>,
}

/// The answer of `read`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReadAnswer {
    /// Name of the knowledge base.
    pub kb: String,
    /// Name of the source.
    pub source: String,
    /// URI of the document inside the source.
    pub uri: String,
    /// Address of the document, if it is a page of a web site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The document as a resource.
    pub resource: String,
    /// Title of the document.
    pub title: String,
    /// The day that the document states, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Number of passages of the whole document.
    pub passages: usize,
    /// First line of the text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_line: Option<u64>,
    /// Its last line, included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u64>,
    /// Whether these are lines of the "file" or of the "text" that was made from it.
    pub lines_in: String,
    /// Headings with the lines that they begin at, if the outline is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outline: Vec<OutlineEntry>,
    /// The text: whole passages.
    pub text: String,
    /// Number of the first passage or heading that did not fit in `max_tokens`: ask again with
    /// `from_passage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_passage: Option<usize>,
    /// The passage is longer than `max_tokens` and ends in the middle.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_cut: bool,
}

/// A heading of a document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OutlineEntry {
    /// The heading and those above it, joined by " > ".
    pub heading_path: String,
    /// Its first line.
    pub start_line: u64,
    /// Number of its first passage.
    pub passage: usize,
}

/// Answers a request for a document.
pub fn read(bases: &KnowledgeBases, arguments: &ReadArguments) -> Result<ReadAnswer, Refusal> {
    let most = budget(arguments.max_tokens, TOKENS_DEFAULT)?;
    check(arguments)?;
    let (kb, place, document) = find(bases, arguments)?;
    let mut answer = ReadAnswer {
        resource: resource::uri(&kb, &place),
        kb,
        url: url_of(&place.uri),
        source: place.source,
        uri: place.uri,
        title: document.title.clone(),
        date: document.date.map(|day| day.to_string()),
        passages: document.passages.len(),
        start_line: None,
        end_line: None,
        lines_in: document.lines_in.as_str().to_owned(),
        outline: Vec::new(),
        text: String::new(),
        next_passage: None,
        is_cut: false,
    };
    let left = most.saturating_sub(tokens_of(&answer));
    if arguments.outline {
        add_outline(&document, arguments.from_passage.unwrap_or(0), left, &mut answer);
    } else {
        add_text(&document, arguments, left, &mut answer)?;
    }
    Ok(answer)
}

fn check(arguments: &ReadArguments) -> Result<(), Refusal> {
    let ReadArguments { start_line, end_line, from_passage, context, .. } = arguments;
    let has_lines = start_line.is_some() || end_line.is_some();
    if has_lines && from_passage.is_some() {
        return Err(Refusal::bad_request("either lines or from_passage can be given"));
    }
    if let (Some(start), Some(end)) = (start_line, end_line)
        && start > end
    {
        return Err(Refusal::bad_request(format!("start_line {start} is after end_line {end}")));
    }
    if *context > CONTEXT_MAX {
        return Err(Refusal::bad_request(format!("context is {context}, at most {CONTEXT_MAX}")));
    }
    Ok(())
}

/// Returns the document that is asked for, and where it is.
fn find(
    bases: &KnowledgeBases,
    arguments: &ReadArguments,
) -> Result<(String, ListPlace, WholeDocument), Refusal> {
    if let Some((kb, place)) = resource::parse(&arguments.uri) {
        let document = whole(bases, &kb, &place)?;
        return Ok((kb, place, document));
    }
    let base = bases.named_or_only(arguments.kb.as_deref())?;
    let uri = &arguments.uri;
    let sources = match &arguments.source {
        Some(source) => vec![source.clone()],
        None => base.with(|searcher| Ok(searcher.reader().sources_of(uri)?))?,
    };
    match sources.as_slice() {
        [source] => {
            let place = ListPlace { source: source.clone(), uri: uri.clone() };
            let document = whole(bases, &base.name, &place)?;
            Ok((base.name.clone(), place, document))
        }
        [] => Err(not_found(&base.name, uri)),
        several => Err(Refusal::bad_request(format!(
            "several sources have {uri}: `source` must be one of {}",
            crate::serve::refusal::listed(several)
        ))),
    }
}

/// Returns the document at `place` of the knowledge base called `kb`.
pub fn whole(
    bases: &KnowledgeBases,
    kb: &str,
    place: &ListPlace,
) -> Result<WholeDocument, Refusal> {
    let found = bases.named(kb)?.with(|searcher| Ok(searcher.reader().document(place)?))?;
    found.ok_or_else(|| not_found(kb, &format!("{}:{}", place.source, place.uri)))
}

fn not_found(kb: &str, document: &str) -> Refusal {
    Refusal {
        code: RefusalCode::NotFound,
        message: format!("{kb} has no document {document}; `list` finds documents by glob"),
    }
}

/// Adds the headings from passage `from` on that fit in `left` tokens.
fn add_outline(document: &WholeDocument, from: usize, left: usize, answer: &mut ReadAnswer) {
    let mut left = left;
    for (number, passage) in document.headings().skip_while(|(number, _)| *number < from) {
        let entry = OutlineEntry {
            heading_path: passage.heading_path.clone(),
            start_line: passage.start_line,
            passage: number,
        };
        let size = tokens_of(&entry);
        if size > left && !answer.outline.is_empty() {
            answer.next_passage = Some(number);
            return;
        }
        left = left.saturating_sub(size);
        answer.outline.push(entry);
    }
}

/// Adds the passages that are asked for and fit in `left` tokens: at least one, if need be its
/// start.
fn add_text(
    document: &WholeDocument,
    arguments: &ReadArguments,
    left: usize,
    answer: &mut ReadAnswer,
) -> Result<(), Refusal> {
    let passages = &document.passages;
    let Some((first, last)) = wanted(passages, arguments)? else {
        // A text without words has no passage.
        return Ok(());
    };
    // With what is above the first passage and below the last one: front matter, blanks. What is
    // between two of them belongs to the second if a document is read in parts.
    let start = match first.checked_sub(1) {
        None => 0,
        Some(previous) if arguments.from_passage.is_some() => passages[previous].end_byte,
        Some(_) => passages[first].start_byte,
    };
    let end_of = |number: usize| match passages.get(number + 1) {
        Some(_) => passages[number].end_byte,
        None => document.text.len(),
    };
    let text_to = |number: usize| &document.text[start..end_of(number)];
    let mut room = left;
    let mut end = None;
    let mut from = start;
    for number in first..=last {
        // As JSON: a text has escapes, too.
        let size = tokens_of(&&document.text[from..end_of(number)]);
        if size > room {
            break;
        }
        room -= size;
        from = end_of(number);
        end = Some(number);
    }
    answer.is_cut = end.is_none();
    let end = end.unwrap_or(first);
    let text = text_to(end);
    let room = left.saturating_sub(tokens_of(&text).saturating_sub(tokens(text)));
    answer.text = if answer.is_cut { start_of(text, room) } else { text }.to_owned();
    answer.start_line = Some(if first == 0 { 1 } else { passages[first].start_line });
    answer.end_line = Some(passages[end].end_line);
    answer.next_passage = (end < last).then_some(end + 1);
    Ok(())
}

/// Returns the numbers of the first and the last passage wanted; `None` if the document has none.
fn wanted(
    passages: &[Passage],
    arguments: &ReadArguments,
) -> Result<Option<(usize, usize)>, Refusal> {
    let Some(last) = passages.len().checked_sub(1) else { return Ok(None) };
    if let Some(from) = arguments.from_passage {
        if from > last {
            return Err(Refusal::bad_request(format!(
                "from_passage is {from}; the last passage is {last}"
            )));
        }
        return Ok(Some((from, last)));
    }
    let start = arguments.start_line.unwrap_or(0);
    let end = arguments.end_line.unwrap_or(u64::MAX);
    let is_wanted = |passage: &Passage| passage.end_line >= start && passage.start_line <= end;
    let first = passages.iter().position(is_wanted);
    let (Some(first), Some(end)) = (first, passages.iter().rposition(is_wanted)) else {
        let lines = passages.iter().map(|passage| passage.end_line).max().unwrap_or_default();
        return Err(Refusal::bad_request(format!(
            "no passage has these lines; the last line of the document is {lines}"
        )));
    };
    let context = arguments.context;
    Ok(Some((first.saturating_sub(context), end.saturating_add(context).min(last))))
}
