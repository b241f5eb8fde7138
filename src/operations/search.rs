//! `search`: a query against a knowledge base.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::Target;
use crate::analysis::SearchConfig;
use crate::embed;
use crate::error::Error;
use crate::kb::{Correction, Hit, Query, SearchMode};
use crate::search::{SearchResult, Searcher, Warning};

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
    let searcher = open_searcher(target, query.show.mode)?;
    let SearchResult { hits, interpretation, warning } = searcher.answer(query)?;
    let mode = match warning {
        Some(Warning::EmbedderFailed { .. }) => SearchMode::Text,
        _ => searcher.mode(query.show.mode),
    };
    let warnings: Vec<_> = searcher.warnings().iter().cloned().chain(warning).collect();
    Ok(SearchReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        query: query.text.clone(),
        mode,
        warning: warnings.first().cloned(),
        warnings,
        required: interpretation.required,
        excluded: interpretation.excluded,
        corrected: interpretation.corrected,
        relaxed: interpretation.relaxed,
        hits,
    })
}

/// Opens the knowledge base of `target` for any number of searches in `mode`.
pub fn open_searcher(target: &Target, mode: SearchMode) -> Result<Searcher, Error> {
    let (config, embedder) = match target {
        Target::File(_) => (SearchConfig::default(), None),
        Target::Config(config) => {
            let needs_embedder = mode != SearchMode::Text;
            if needs_embedder && config.embed.http.is_some() {
                config.require_trust()?;
            }
            let setting = config.embed_setting(&Arc::default(), false);
            let open = || embed::open(&config.embed, &setting);
            let embedder = needs_embedder.then(open).transpose()?;
            (config.search.clone(), embedder)
        }
    };
    Searcher::open(target.kb(), mode, config, embedder)
}
