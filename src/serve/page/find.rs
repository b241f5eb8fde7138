//! The start page: a question and its hits.

use maud::{Markup, html};
use serde::Deserialize;

use super::dates::ago;
use super::hit::hit;
use super::layout::{Page, page};
use crate::serve::bases::KnowledgeBases;
use crate::serve::refusal::Refusal;
use crate::serve::tools::{
    self, KbStatus, ListArguments, ListedSource, SearchArguments, StatusArguments, What,
};
use crate::support::numbers::counted;

/// Hits that are shown first, and that `more` adds.
const HITS: usize = 20;
/// Limit on the hits that are shown.
const HITS_MAX: usize = 100;

/// The fields of the search form; a field that is not filled in is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Form {
    query: String,
    /// A knowledge base, `NAME`, or one of its sources, `NAME/SOURCE`.
    #[serde(rename = "in")]
    within: String,
    after: String,
    before: String,
    /// Number of hits.
    k: Option<usize>,
}

impl Form {
    /// Returns the form without filters, for pages of other things.
    pub fn plain() -> Markup {
        Self::default().html(&html! {}, false)
    }

    fn html(&self, filters: &Markup, is_focused: bool) -> Markup {
        html! {
            form action="/" method="get" role="search" {
                label .hidden for="q" { "Search" }
                input #q type="search" name="q" value=(self.query) placeholder="Ask, or name words"
                    autocomplete="off" maxlength="4000" autofocus[is_focused];
                button { "Search" }
                (filters)
            }
        }
    }

    fn filters(&self, sources: &[ListedSource]) -> Markup {
        let has_several = sources.iter().any(|one| one.kb != sources[0].kb);
        html! {
            div .filters {
                label for="in" { "In" }
                select #in name="in" {
                    option value="" { "everything" }
                    @for of_base in sources.chunk_by(|a, b| a.kb == b.kb) {
                        @let kb = &of_base[0].kb;
                        @if has_several {
                            option value=(kb) selected[self.within == *kb] { (kb) }
                        }
                        @for one in of_base {
                            @let value = format!("{kb}/{}", one.source);
                            option value=(value) selected[self.within == value] {
                                @if has_several { (kb) " / " }
                                (one.source)
                            }
                        }
                    }
                }
                label for="after" { "from" }
                input #after type="date" name="after" value=(self.after);
                label for="before" { "until before" }
                input #before type="date" name="before" value=(self.before);
            }
        }
    }

    /// Returns the search that is asked for.
    fn arguments(&self) -> SearchArguments {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (kb, source) = self.within.split_once('/').unwrap_or((&self.within, ""));
        SearchArguments {
            query: self.query.clone(),
            kb: filled(kb),
            source: filled(source),
            after: filled(&self.after),
            before: filled(&self.before),
            k: Some(self.k.unwrap_or(HITS)),
            ..SearchArguments::default()
        }
    }

    /// Returns the address of this search with more hits; `None` if there are enough.
    fn more(&self, found: usize) -> Option<String> {
        let k = self.k.unwrap_or(HITS);
        if found < k || k >= HITS_MAX {
            return None;
        }
        let more = (k + HITS).min(HITS_MAX).to_string();
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let fields = [("q", &self.query), ("in", &self.within), ("after", &self.after)];
        let fields = fields.into_iter().chain([("before", &self.before), ("k", &more)]);
        pairs.extend_pairs(fields.filter(|(_, value)| !value.is_empty()));
        Some(format!("/?{}#more", pairs.finish()))
    }
}

/// Returns the start page, with the hits if something is asked for.
pub fn find(bases: &KnowledgeBases, form: &Form) -> Result<Page, Refusal> {
    let of_sources = ListArguments { what: What::Sources, ..ListArguments::default() };
    let sources = tools::list(bases, &of_sources)?.sources;
    let is_blank = form.query.trim().is_empty();
    let filled = form.html(&form.filters(&sources), is_blank);
    if is_blank {
        let about = tools::status(bases, &StatusArguments::default())?.knowledge_bases;
        return Ok(page("kbingest", &filled, &welcome(&about)));
    }
    let title = format!("{} - kbingest", form.query);
    match hits(bases, form) {
        Ok(main) => Ok(page(&title, &filled, &main)),
        Err(refusal) => {
            let main = html! { p .error role="alert" { (refusal.message) } };
            Ok(Page { error: Some(refusal.code), ..page(&title, &filled, &main) })
        }
    }
}

fn welcome(about: &[KbStatus]) -> Markup {
    html! {
        h1 .hidden { "Knowledge bases" }
        ul .bases {
            @for base in about {
                li {
                    h2 dir="auto" {
                        @if base.title.is_empty() { (base.kb) } @else { (base.title) }
                    }
                    @if !base.description.is_empty() { p dir="auto" { (base.description) } }
                    p .about {
                        (counted(base.documents, "document"))
                        @if let Some(age) = base.last_run_age_seconds { ", updated " (ago(age)) }
                    }
                }
            }
        }
    }
}

fn hits(bases: &KnowledgeBases, form: &Form) -> Result<Markup, Refusal> {
    let arguments = form.arguments();
    let mut query = tools::query(&arguments)?;
    query.show.marks = true;
    let found = tools::ask(bases, arguments.kb.as_deref(), &query)?;
    let notes = tools::notes(&found);
    let has_several = found.len() > 1;
    let hits = tools::take_turns(found, query.show.limit, f64::NEG_INFINITY);
    Ok(html! {
        h1 .count aria-live="polite" {
            @if hits.is_empty() { "Nothing found" } @else { (counted(hits.len() as u64, "hit")) }
        }
        @for note in notes { p .note dir="auto" { (note) } }
        ol .hits {
            @for (base, found) in &hits { (hit(&base.name, has_several, found)) }
        }
        @if let Some(more) = form.more(hits.len()) {
            p #more { a .button href=(more) { "More hits" } }
        }
    })
}
