//! `search`: passages for a question, from one knowledge base or all of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FilterParts, budget, is_false};
use crate::kb::{Hit, ListPlace, Query, SearchMode, Show};
use crate::operations::{self, SearchReport};
use crate::serve::bases::{KnowledgeBase, KnowledgeBases};
use crate::serve::budget::{start_of, tokens, tokens_of};
use crate::serve::refusal::Refusal;
use crate::serve::resource;
use crate::support::numbers::counted;

/// Limit on the hits of an answer.
const HITS_MAX: usize = 100;
/// Limit on the text of a query, in bytes.
const QUERY_BYTES_MAX: usize = 16 << 10;
/// Limit on the neighbouring chunks on each side.
const CONTEXT_MAX: usize = 10;
/// Tokens of an answer, unless the request says otherwise.
const TOKENS_DEFAULT: usize = 6000;

/// Arguments of `search`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchArguments {
    /// A question, or words to find. "Phrases" in quotes are required, -word excludes, prefix*
    /// matches beginnings; title:, heading:, path:, language: and source: restrict a word.
    pub query: String,
    /// Name of the knowledge base; default: all of them.
    #[serde(default)]
    pub kb: Option<String>,
    /// Number of hits, 1 to 100; default 8.
    #[serde(default)]
    pub k: Option<usize>,
    /// What hits are ranked by: "hybrid" (words and meaning, the default), "text" (words only) or
    /// "vector" (meaning only).
    #[serde(default)]
    pub mode: Mode,
    /// Only documents of this source.
    #[serde(default)]
    pub source: Option<String>,
    /// Only documents whose URI matches one of these globs, as in "operations/**" or "**/*.md".
    #[serde(default)]
    pub path: Vec<String>,
    /// Only documents with these metadata, as in {"author": "Ann Lee", "tags": "boats"}.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Only documents dated this day or later: 2025-01-31, 2025-01 or 2025.
    #[serde(default)]
    pub after: Option<String>,
    /// Only documents dated before this day.
    #[serde(default)]
    pub before: Option<String>,
    /// Only hits with at least this score.
    #[serde(default)]
    pub min_score: Option<f64>,
    /// Neighbouring chunks added on each side of a hit, 0 to 10; default 0.
    #[serde(default)]
    pub context: usize,
    /// Limit on the tokens of the answer, estimated; default 6000. Hits that do not fit are left
    /// out, and `omitted` counts them.
    #[serde(default)]
    pub max_tokens: Option<usize>,
}

/// What hits are ranked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Mode {
    /// Words and meaning.
    #[default]
    Hybrid,
    /// Words only.
    Text,
    /// Meaning only.
    Vector,
}

impl From<Mode> for SearchMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Hybrid => Self::Hybrid,
            Mode::Text => Self::Text,
            Mode::Vector => Self::Vector,
        }
    }
}

/// The answer of `search`.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct SearchAnswer {
    /// The best passages, best first. Those of several knowledge bases take turns, as their scores
    /// cannot be compared.
    pub hits: Vec<FoundPassage>,
    /// Further hits that did not fit in `max_tokens`.
    pub omitted: usize,
    /// How the query was understood, and why more might have been found.
    pub notes: Vec<String>,
}

/// A passage that was found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FoundPassage {
    /// Name of the knowledge base.
    pub kb: String,
    /// Name of the source.
    pub source: String,
    /// URI of the document inside the source; `read` takes it.
    pub uri: String,
    /// Address of the document, if it is a page of a web site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The document as a resource.
    pub resource: String,
    /// Title of the document.
    pub title: String,
    /// Headings above the passage, joined by " > ".
    pub heading_path: String,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line, included.
    pub end_line: u64,
    /// Whether these are lines of the "file" or of the "text" that was made from it.
    pub lines_in: String,
    /// Page, slide or sheet that the passage begins on, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// What hits are ranked by, comparable within one answer of one knowledge base.
    pub score: f64,
    /// The passage.
    pub text: String,
    /// The passage is longer than `max_tokens` and ends in the middle.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_cut: bool,
}

/// Answers a search.
pub fn search(
    bases: &KnowledgeBases,
    arguments: &SearchArguments,
) -> Result<SearchAnswer, Refusal> {
    let query = query(arguments)?;
    let most = budget(arguments.max_tokens, TOKENS_DEFAULT)?;
    let found = ask(bases, arguments.kb.as_deref(), &query)?;
    let mut answer = SearchAnswer { notes: notes(&found), ..SearchAnswer::default() };
    let least = arguments.min_score.unwrap_or(f64::NEG_INFINITY);
    let hits = take_turns(found, query.show.limit, least);
    fit(hits.into_iter().map(|(base, hit)| passage(base, hit)), most, &mut answer);
    Ok(answer)
}

/// Searches the knowledge base called `kb`, or all of them.
pub fn ask<'a>(
    bases: &'a KnowledgeBases,
    kb: Option<&str>,
    query: &Query,
) -> Result<Vec<(&'a KnowledgeBase, SearchReport)>, Refusal> {
    let wanted = match kb {
        Some(name) => std::slice::from_ref(bases.named(name)?),
        None => bases.all(),
    };
    let report_of =
        |base: &'a KnowledgeBase| base.with(|searcher| operations::search_with(searcher, query));
    wanted.iter().map(|base| Ok((base, report_of(base)?))).collect()
}

/// Returns the search that is asked for; fails if an argument is not allowed.
pub fn query(arguments: &SearchArguments) -> Result<Query, Refusal> {
    let SearchArguments { query, k, context, .. } = arguments;
    if query.trim().is_empty() {
        return Err(Refusal::bad_request("query is empty"));
    }
    if query.len() > QUERY_BYTES_MAX {
        return Err(Refusal::bad_request(format!(
            "query has {}, at most {QUERY_BYTES_MAX} are allowed",
            counted(query.len() as u64, "byte")
        )));
    }
    let limit = k.unwrap_or(8);
    if !(1..=HITS_MAX).contains(&limit) {
        return Err(Refusal::bad_request(format!("k is {limit}; it must be from 1 to {HITS_MAX}")));
    }
    if *context > CONTEXT_MAX {
        return Err(Refusal::bad_request(format!("context is {context}, at most {CONTEXT_MAX}")));
    }
    let parts = FilterParts {
        source: arguments.source.as_deref(),
        path: &arguments.path,
        after: arguments.after.as_deref(),
        before: arguments.before.as_deref(),
    };
    let mut filter = parts.filter()?;
    filter.metadata =
        arguments.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let show = Show {
        limit,
        mode: arguments.mode.into(),
        context: *context,
        marks: false,
        ..Show::default()
    };
    Ok(Query { filter, show, ..Query::new(query.clone()) })
}

/// Returns how a query was understood, and why more might have been found; each note begins with
/// the name of its knowledge base if there are several.
pub fn notes(found: &[(&KnowledgeBase, SearchReport)]) -> Vec<String> {
    let of_base = |(base, report): &(&KnowledgeBase, SearchReport)| {
        let prefix = if found.len() > 1 { format!("{}: ", base.name) } else { String::new() };
        notes_of(report).into_iter().map(move |note| format!("{prefix}{note}"))
    };
    found.iter().flat_map(of_base).collect()
}

fn notes_of(report: &SearchReport) -> Vec<String> {
    let mut notes: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    for corrected in &report.corrected {
        notes
            .push(format!("no text has \"{}\": searched for \"{}\"", corrected.from, corrected.to));
    }
    if !report.relaxed.is_empty() {
        let relaxed = report.relaxed.join(", ");
        notes.push(format!("nothing fits {relaxed}: searched for its words"));
    }
    notes
}

/// Returns at most `limit` hits with a score of at least `least`, by turns.
pub fn take_turns(
    found: Vec<(&KnowledgeBase, SearchReport)>,
    limit: usize,
    least: f64,
) -> Vec<(&KnowledgeBase, Hit)> {
    let of_each = found.into_iter().map(|(base, report)| {
        let hits = report.hits.into_iter().filter(move |hit| hit.score >= least);
        hits.map(move |hit| (base, hit))
    });
    let mut of_each: Vec<_> = of_each.collect();
    let mut hits = Vec::new();
    while hits.len() < limit {
        let round: Vec<_> = of_each.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        hits.extend(round);
    }
    hits.truncate(limit);
    hits
}

fn passage(base: &KnowledgeBase, hit: Hit) -> FoundPassage {
    let place = ListPlace { source: hit.source, uri: hit.uri };
    FoundPassage {
        kb: base.name.clone(),
        resource: resource::uri(&base.name, &place),
        url: hit.url,
        source: place.source,
        uri: place.uri,
        title: hit.title,
        heading_path: hit.heading_path,
        start_line: hit.start_line,
        end_line: hit.end_line,
        lines_in: hit.lines_in.as_str().to_owned(),
        page: hit.page,
        score: hit.score,
        text: format!("{}{}{}", hit.before, hit.text, hit.after),
        is_cut: false,
    }
}

/// Adds the `hits` that fit in `most` tokens; the first one always, if need be its start.
fn fit(hits: impl Iterator<Item = FoundPassage>, most: usize, answer: &mut SearchAnswer) {
    let mut left = most;
    for mut hit in hits {
        let size = tokens_of(&hit);
        if size > left && answer.hits.is_empty() {
            let room = left.saturating_sub(size.saturating_sub(tokens(&hit.text)));
            hit.text = start_of(&hit.text, room).to_owned();
            hit.is_cut = true;
            left = 0;
            answer.hits.push(hit);
        } else if size > left || answer.omitted > 0 {
            answer.omitted += 1;
        } else {
            left -= size;
            answer.hits.push(hit);
        }
    }
}
