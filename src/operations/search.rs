//! `search`: queries against a knowledge base.

use std::path::PathBuf;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Serialize;

use super::Target;
use crate::analysis::{Analyser, Language, ParsedQuery, SearchConfig};
use crate::embed::{self, Embedder};
use crate::error::Error;
use crate::kb::{
    Filter, Hit, Reader, SearchMode, SearchQuery, SearchSide, StoredVector, parse_date,
};

/// How to search.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// The question or words.
    pub query: String,
    /// Hits wanted.
    pub limit: usize,
    /// Which side is used.
    pub mode: SearchMode,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents whose address one of these globs matches.
    pub paths: Vec<String>,
    /// Only documents with all these metadata, as in `author=Ann Lee`.
    pub metadata: Vec<String>,
    /// Only documents of this day or later, as in `2025-01-31`.
    pub after: Option<String>,
    /// Only documents of an earlier day.
    pub before: Option<String>,
    /// Neighbouring chunks wanted on each side of a hit.
    pub context: usize,
    /// Neighbouring chunks become one hit, and a repeated text is told once.
    pub folds: bool,
    /// The words that match are marked in each hit.
    pub marks: bool,
    /// Scores are explained.
    pub explains: bool,
}

impl Default for SearchOptions {
    /// Five hits of a hybrid search, folded, without a query.
    fn default() -> Self {
        Self {
            query: String::new(),
            limit: 5,
            mode: SearchMode::Hybrid,
            source: None,
            paths: Vec::new(),
            metadata: Vec::new(),
            after: None,
            before: None,
            context: 0,
            folds: true,
            marks: true,
            explains: false,
        }
    }
}

/// What was found; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct SearchReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The knowledge base.
    pub knowledge_base: PathBuf,
    /// The query as given.
    pub query: String,
    /// The side that was used.
    pub mode: SearchMode,
    /// Why it is not the one that was asked for.
    pub warning: Option<String>,
    /// The best passages, best first.
    pub hits: Vec<Hit>,
}

/// Searches the knowledge base of `target`; works beside a running ingest and writes nothing.
pub fn search(target: &Target, options: &SearchOptions) -> Result<SearchReport, Error> {
    let searcher = Searcher::open(target, options.mode)?;
    if let Some(source) = &options.source {
        check_source(&searcher.kb, source)?;
    }
    let hits = searcher.search(options)?;
    Ok(SearchReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        query: options.query.clone(),
        mode: searcher.mode(options.mode),
        warning: searcher.warning,
        hits,
    })
}

/// A knowledge base and the model of its vectors, opened for any number of queries.
pub struct Searcher {
    /// The knowledge base.
    pub kb: Reader,
    embedder: Option<Box<dyn Embedder>>,
    /// Languages of the index, and the common ones of them.
    languages: (Vec<Language>, Vec<Language>),
    weights: SearchConfig,
    /// Why vectors are not used though they were asked for.
    pub warning: Option<String>,
}

impl Searcher {
    /// Opens what searches in `mode` need. Where the model of the vectors is not at hand, hybrid search does
    /// with the text and says so; vector search fails.
    pub fn open(target: &Target, mode: SearchMode) -> Result<Self, Error> {
        let kb = Reader::open(target.kb())?;
        let embedder = match mode {
            SearchMode::Text => None,
            SearchMode::Hybrid | SearchMode::Vector => embedder_for(&kb, target)?,
        };
        let fingerprint = kb.analysis_fingerprint()?;
        let mut warning = (!fingerprint.is_empty()
            && Analyser::for_fingerprint(&fingerprint).is_none())
        .then(|| {
            "its full-text index is of another version; `kbingest ingest` renews it".to_owned()
        });
        if embedder.is_none() && mode != SearchMode::Text {
            let reason = "its vectors are of a model that is not at hand";
            if mode == SearchMode::Vector {
                return Err(Error::Usage {
                    message: format!("{}: {reason}", target.kb().display()),
                    hint: Some("name its kb.toml, ingest again, or use --mode text".to_owned()),
                });
            }
            warning = Some(format!("{reason}: full-text search only"));
        }
        let languages = kb.index_languages()?;
        let weights = match target {
            Target::Config(config) => config.search.clone(),
            Target::File(_) => SearchConfig::default(),
        };
        Ok(Self { kb, embedder, languages, weights, warning })
    }

    /// Returns the mode that a search in `mode` comes to.
    pub fn mode(&self, mode: SearchMode) -> SearchMode {
        if self.embedder.is_none() { SearchMode::Text } else { mode }
    }

    /// Returns the best passages, best first.
    pub fn search(&self, options: &SearchOptions) -> Result<Vec<Hit>, Error> {
        let embedder = match self.mode(options.mode) {
            SearchMode::Text => None,
            SearchMode::Hybrid | SearchMode::Vector => self.embedder.as_deref(),
        };
        let query = ParsedQuery::parse(&options.query, &self.languages.0, &self.languages.1);
        let vector = embedder
            .filter(|_| !query.text.trim().is_empty())
            .map(|embedder| self.query_vector(embedder, &query.text))
            .transpose()?;
        Ok(self.kb.search(&SearchQuery {
            query,
            languages: self.languages.0.clone(),
            uses_text: self.mode(options.mode) != SearchMode::Vector,
            title_weight: self.weights.title_weight,
            heading_weight: self.weights.heading_weight,
            vector,
            limit: options.limit,
            filter: filter(options)?,
            context: options.context,
            folds: options.folds,
            marks: options.marks,
            explains: options.explains,
        })?)
    }

    fn query_vector(&self, embedder: &dyn Embedder, query: &str) -> Result<SearchSide, Error> {
        let embeddings = embedder.embed(&[query])?;
        let row = embeddings.rows().next().unwrap_or_default();
        let model = embedder.model();
        Ok(SearchSide {
            vector: StoredVector::quantise(row),
            embed_fp: model.fingerprint.clone(),
            weight: model.hybrid_weight * self.weights.vector_weight,
        })
    }
}

fn filter(options: &SearchOptions) -> Result<Filter, Error> {
    let wrong = |option: &str, text: &str, example: &str| Error::Usage {
        message: format!("{option}: \"{text}\" cannot be understood"),
        hint: Some(format!("as in {option} {example}")),
    };
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or_default();
        let is_pair = !key.trim().is_empty() && !value.trim().is_empty();
        let pair = (key.trim().to_owned(), value.trim().to_owned());
        is_pair.then_some(pair).ok_or_else(|| wrong("--meta", text, "'author=Ann Lee'"))
    };
    let date = |option: &str, text: &Option<String>| {
        let parse = |text: &String| {
            parse_date(text).ok_or_else(|| wrong(option, text, "2025-01-31, 2025-01 or 2025"))
        };
        text.as_ref().map(parse).transpose()
    };
    Ok(Filter {
        source: options.source.clone(),
        paths: globs(&options.paths)?,
        metadata: options.metadata.iter().map(pair).collect::<Result<_, _>>()?,
        after: date("--after", &options.after)?,
        before: date("--before", &options.before)?,
    })
}

/// Returns the globs of `--path`; a `*` stays inside a folder, as in kb.toml.
fn globs(paths: &[String]) -> Result<Option<GlobSet>, Error> {
    if paths.is_empty() {
        return Ok(None);
    }
    let wrong = |error: globset::Error| Error::Usage {
        message: format!("--path: {error}"),
        hint: Some("a glob, as in \"operations/**\" or \"**/*.md\"".to_owned()),
    };
    let mut set = GlobSetBuilder::new();
    for path in paths {
        set.add(GlobBuilder::new(path).literal_separator(true).build().map_err(wrong)?);
    }
    set.build().map(Some).map_err(wrong)
}

fn check_source(kb: &Reader, source: &str) -> Result<(), Error> {
    let names = kb.source_names()?;
    if names.iter().any(|name| name == source) {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("the knowledge base has no source \"{source}\""),
        hint: Some(format!("it has: {}", names.join(", "))),
    })
}

/// Returns the embedder that the vectors are of: the configured one, else one that made some of them.
fn embedder_for(kb: &Reader, target: &Target) -> Result<Option<Box<dyn Embedder>>, Error> {
    let fingerprints = kb.embed_fingerprints()?;
    if let Target::Config(config) = target {
        let configured = embed::open(&config.embed)?;
        // A knowledge base without a vector yet has nothing to differ in.
        if fingerprints.is_empty() || fingerprints.contains(&configured.model().fingerprint) {
            return Ok(Some(configured));
        }
    }
    for fingerprint in &fingerprints {
        if let Some(embedder) = embed::for_fingerprint(fingerprint)? {
            return Ok(Some(embedder));
        }
    }
    Ok(None)
}
