//! `search`: a query against a knowledge base.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::Target;
use crate::embed::{self, EmbedConfig, Measure};
use crate::error::Error;
use crate::kb::{Correction, Hit, Query, SearchMode};
use crate::rerank;
use crate::search::{Reranking, SearchResult, Searcher, Warning};

/// What was found; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct SearchReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The text of the query.
    pub query: String,
    /// The mode that was used.
    pub mode: SearchMode,
    /// Whether a reranker reordered the best passages.
    pub reranked: bool,
    /// The first of `warnings`.
    pub warning: Option<Warning>,
    /// Why more might have been found.
    pub warnings: Vec<Warning>,
    /// Phrases and fields that every hit has, as typed.
    pub required: Vec<String>,
    /// Words, phrases and fields that no hit has, as typed without their sign.
    pub excluded: Vec<String>,
    /// Words that no text has, with those that were searched for instead.
    pub corrected: Vec<Correction>,
    /// Phrases, exclusions and filters that would have left nothing, so that their words were
    /// searched for.
    pub relaxed: Vec<String>,
    /// The best passages, best first.
    pub hits: Vec<Hit>,
}

/// Searches the knowledge base of `target` once; works beside a running ingest and writes nothing.
pub fn search(target: &Target, query: &Query) -> Result<SearchReport, Error> {
    search_with(&open_with(target, query.show.mode, query.show.reranks)?, query)
}

/// Searches a knowledge base that is open.
pub fn search_with(searcher: &Searcher, query: &Query) -> Result<SearchReport, Error> {
    let SearchResult { hits, interpretation, is_reranked, warning, rerank_error } =
        searcher.answer(query)?;
    let mode = match warning {
        Some(Warning::EmbedderFailed(_)) => SearchMode::Text,
        _ => searcher.mode(query.show.mode),
    };
    let warnings = searcher.warnings().iter().cloned().chain(warning);
    let warnings: Vec<_> = warnings.chain(rerank_error.map(Warning::NotReranked)).collect();
    Ok(SearchReport {
        schema: 1,
        knowledge_base: searcher.reader().path().to_owned(),
        query: query.text.clone(),
        mode,
        reranked: is_reranked,
        warning: warnings.first().cloned(),
        warnings,
        required: interpretation.required,
        excluded: interpretation.excluded,
        corrected: interpretation.corrected,
        relaxed: interpretation.relaxed,
        hits,
    })
}

/// Opens the knowledge base of `target` for any number of searches in `mode`, with the reranker of
/// its kb.toml if there is one.
pub fn open_searcher(target: &Target, mode: SearchMode) -> Result<Searcher, Error> {
    open_with(target, mode, true)
}

/// Does the same, with the reranker only if `reranks`.
pub(super) fn open_with(
    target: &Target,
    mode: SearchMode,
    reranks: bool,
) -> Result<Searcher, Error> {
    let Target::Config(config) = target else {
        return Searcher::open(target.kb(), mode, target.search_config(), None);
    };
    let needs_embedder = mode != SearchMode::Text;
    let reranker = config.search.rerank.as_ref().filter(|_| reranks);
    if (needs_embedder && config.embed.http.is_some())
        || reranker.is_some_and(|rerank| rerank.http.is_some())
    {
        config.require_trust()?;
    }
    let setting = config.embed_setting(&Arc::default(), false);
    // A search measures no chunks.
    let embed = EmbedConfig { measure: Measure::Builtin, ..config.embed.clone() };
    let open = || embed::open(&embed, &setting);
    let embedder = needs_embedder.then(open).transpose()?;
    let searcher = Searcher::open(target.kb(), mode, config.search.clone(), embedder)?;
    let searcher = searcher.with_links(config.source.links());
    Ok(match reranker {
        None => searcher,
        Some(rerank) => {
            let opened = rerank::open(rerank, &config.rerank_setting(), config.embed.cache_max);
            searcher.with_reranker(opened.map(|reranker| Reranking {
                reranker,
                candidates: rerank.candidates,
                timeout: rerank.time_limit(),
            }))
        }
    })
}
