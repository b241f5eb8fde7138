//! Searches: a knowledge base that is open for any number of queries, with the embedder that its
//! vectors are of.
//!
//! Reads the knowledge base, also beside a running ingest, and writes nothing.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use crate::analysis::{Analyser, Strictness, fragment_above};
use crate::chunk::context_line;
use crate::config::SearchConfig;
use crate::domain::ChunkId;
use crate::embed::{self, EmbedError, Embedder, Role};
use crate::error::Error;
use crate::kb::{
    Candidate, Hit, Interpretation, LinesIn, Query, QueryVector, Reader, Reorder, Scoring,
    SearchMode, Show, StoredVector, WordWeights,
};
use crate::rerank::{self, RerankError};
use crate::source::{self, LinkPlace, Links};

/// A knowledge base and the embedder of its vectors, opened for any number of queries by any number
/// of threads.
///
/// A search sees what was committed when it begins, so that one searcher may live as long as a
/// server does.
pub struct Searcher {
    reader: Reader,
    embedder: Option<Box<dyn Embedder>>,
    reranker: Option<Reranking>,
    config: SearchConfig,
    warnings: Vec<Warning>,
    links: Links,
    /// Vectors of the last texts: an answer that is relaxed asks for its own again.
    vectors: Mutex<HashMap<String, Vec<f32>>>,
}

/// What reorders the best passages of a search.
pub struct Reranking {
    /// The model.
    pub reranker: rerank::Cached,
    /// How many passages it reorders.
    pub candidates: usize,
    /// How long a search waits for it.
    pub timeout: Duration,
}

/// What a search found, and how it understood its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchResult {
    /// The best passages, best first.
    pub hits: Vec<Hit>,
    /// How the text was understood.
    pub interpretation: Interpretation,
    /// Whether a reranker reordered the best passages.
    pub is_reranked: bool,
    /// Why less was searched for than was wanted.
    pub warning: Option<Warning>,
    /// Why the best passages were not reordered.
    pub rerank_error: Option<RerankError>,
}

/// Limit on the texts whose vectors are kept: some 10 MB of the largest.
const VECTORS_MAX: usize = 1000;

/// Why searches find less than they could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// No embedder of the vectors is available: hybrid search uses words only.
    NoEmbedder,
    /// The full-text index was made by another version of this program.
    OldIndex,
    /// The embedder has no vector for a query: its answer uses words only.
    EmbedderFailed(EmbedError),
    /// The text of the query says what it excludes, and nothing else.
    OnlyExcludes,
    /// The text of the query has signs only.
    NoWords,
    /// The reranker has no scores: the order of the search stays.
    NotReranked(RerankError),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEmbedder => {
                "its vectors are of a model that is not at hand: full-text search only"
            }
            Self::OldIndex => {
                "its full-text index is of another version; the next ingest renews it"
            }
            Self::EmbedderFailed(error) => return write!(f, "{error}: full-text search only"),
            Self::NoWords => "the query has no word or sign that is searched for",
            Self::OnlyExcludes => "the query needs a word beside what it excludes",
            Self::NotReranked(error) => return write!(f, "{error}: the order of the search stays"),
        })
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for Searcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searcher").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Searcher {
    /// Opens the knowledge base at `path` with what searches in `mode` need.
    ///
    /// `configured` is used if the vectors are of it, or if there are none yet; otherwise the
    /// embedder is the first of this program that made some of them. If there is none, hybrid
    /// search uses words only and [warns](Self::warnings), and opening for vector search fails.
    pub fn open(
        path: &Path,
        mode: SearchMode,
        config: SearchConfig,
        configured: Option<Box<dyn Embedder>>,
    ) -> Result<Self, Error> {
        let reader = Reader::open(path)?;
        let embedder = match mode {
            SearchMode::Text => None,
            SearchMode::Hybrid | SearchMode::Vector => embedder_of(&reader, configured)?,
        };
        if let Some(embedder) = &embedder
            && let Some(probe) = reader.probe(&embedder.model().fingerprint)?
        {
            embedder.expect_probe(probe);
        }
        let mut warnings = Vec::new();
        match mode {
            SearchMode::Hybrid if embedder.is_none() => warnings.push(Warning::NoEmbedder),
            SearchMode::Vector if embedder.is_none() => {
                return Err(Error::NoEmbedder { kb: path.to_owned() });
            }
            _ => {}
        }
        let fingerprint = reader.analysis_fingerprint()?;
        if !fingerprint.is_empty() && Analyser::for_fingerprint(&fingerprint).is_none() {
            warnings.push(Warning::OldIndex);
        }
        let vectors = Mutex::default();
        let links = Links::default();
        Ok(Self { reader, embedder, reranker: None, config, warnings, links, vectors })
    }

    /// Has searches reorder their best passages by a reranker, or warn why there is none.
    #[must_use]
    pub fn with_reranker(mut self, reranker: Result<Reranking, RerankError>) -> Self {
        match reranker {
            Ok(reranking) => self.reranker = Some(reranking),
            Err(error) => self.warnings.push(Warning::NotReranked(error)),
        }
        self
    }

    /// Has hits lead to where the documents of each source are for readers.
    #[must_use]
    pub fn with_links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// Reports whether searches reorder their best passages, if asked to.
    pub fn reranks(&self) -> bool {
        self.reranker.is_some()
    }

    /// Returns the knowledge base.
    #[doc(hidden)]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Returns why searches find less than they could.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns the mode that is used if `mode` is asked for: words only without an embedder.
    pub fn mode(&self, mode: SearchMode) -> SearchMode {
        if self.embedder.is_none() { SearchMode::Text } else { mode }
    }

    /// Returns the weight of vectors, relative to the one that the model recommends.
    pub fn vector_weight(&self) -> f64 {
        self.config.vector_weight
    }

    /// Changes that weight.
    pub fn set_vector_weight(&mut self, weight: f64) {
        self.config.vector_weight = weight;
    }

    /// Returns the best passages, best first; fails if the filter names a source that does not
    /// exist, or if a search by vectors finds only vectors of another embedder.
    pub fn search(&self, query: &Query) -> Result<Vec<Hit>, Error> {
        Ok(self.answer(query)?.hits)
    }

    /// Returns what [`search`](Self::search) finds, and how the text was understood: if a phrase,
    /// an exclusion or a filter in it leaves nothing, its words are searched for.
    pub fn answer(&self, query: &Query) -> Result<SearchResult, Error> {
        if let Some(source) = &query.filter.source {
            require_source(&self.reader, source)?;
        }
        let strict = self.answer_with(query, Strictness::Full)?;
        if strict.warning == Some(Warning::OnlyExcludes) {
            return Ok(strict);
        }
        // The embedder is not asked again for the same answer.
        let query = &match strict.warning {
            Some(_) => by_words(query),
            None => query.clone(),
        };
        for strictness in [Strictness::WithoutPhrases, Strictness::Words] {
            let is_final = query.is_exact || !strict.interpretation.restricts();
            if is_final || !strict.hits.is_empty() {
                break;
            }
            let relaxed = self.answer_with(query, strictness)?;
            if !relaxed.hits.is_empty() {
                return Ok(SearchResult { warning: strict.warning.or(relaxed.warning), ..relaxed });
            }
        }
        let mode = self.mode(query.show.mode);
        if strict.hits.is_empty() && mode == SearchMode::Vector && self.has_other_vectors()? {
            return Err(Error::NoEmbedder { kb: self.reader.path().to_owned() });
        }
        Ok(strict)
    }

    fn answer_with(&self, query: &Query, strictness: Strictness) -> Result<SearchResult, Error> {
        let mut result = self.find(query, strictness)?;
        for hit in result.hits.iter_mut().filter(|_| query.show.locates) {
            self.locate(hit)?;
        }
        Ok(result)
    }

    /// Adds to a hit the fragment of the heading above it, and where readers find it.
    fn locate(&self, hit: &mut Hit) -> Result<(), Error> {
        let links = self.links.get(&hit.source);
        if hit.anchor.is_none() {
            let style = links.map(|links| links.anchors).unwrap_or_default();
            let start = usize::try_from(hit.start_byte).unwrap_or(usize::MAX);
            let text = self.reader.markdown_of(hit)?;
            hit.anchor = text.and_then(|text| fragment_above(&text, start, style));
        }
        let lines = (hit.lines_in == LinesIn::File).then_some((hit.start_line, hit.end_line));
        let anchor = hit.anchor.as_deref();
        let place = LinkPlace { uri: &hit.uri, lines, anchor };
        let link = links.and_then(|links| source::link(&links.base_url, place));
        hit.url = link.or_else(|| source::link_of_page(place));
        Ok(())
    }

    fn find(&self, query: &Query, strictness: Strictness) -> Result<SearchResult, Error> {
        let reading = self.reader.understand(query, strictness, &embed::is_word)?;
        let mode = self.mode(query.show.mode);
        let words = (mode != SearchMode::Vector).then_some(WordWeights {
            title: self.config.title_weight,
            heading: self.config.heading_weight,
        });
        let mut warning = match () {
            () if reading.only_excludes() => Some(Warning::OnlyExcludes),
            () if reading.is_without_words() => Some(Warning::NoWords),
            () => None,
        };
        let vector = match (mode, self.vector(mode, reading.meaning())) {
            (SearchMode::Hybrid, Err(Error::Embed(error))) => {
                warning = Some(Warning::EmbedderFailed(error));
                None
            }
            (_, vector) => vector?,
        };
        let scoring = Scoring { words, vector };
        let interpretation = reading.interpretation();
        let Some(reranking) = self.reranker.as_ref().filter(|_| query.show.reranks) else {
            let hits = self.reader.search(query, &reading, &scoring, None)?;
            return Ok(SearchResult { hits, interpretation, warning, ..SearchResult::default() });
        };
        let meaning = Some(reading.meaning().trim()).filter(|meaning| !meaning.is_empty());
        let mut scores = Ok(HashMap::new());
        let mut rerank = |candidates: &[Candidate]| {
            scores = reranking.scores(meaning.unwrap_or(&query.text), candidates);
            scores.clone().unwrap_or_default()
        };
        let reorder = Reorder {
            count: reranking.candidates,
            patience: reranking.timeout,
            scores: &mut rerank,
        };
        let hits = self.reader.search(query, &reading, &scoring, Some(reorder))?;
        Ok(SearchResult {
            hits,
            is_reranked: scores.as_ref().is_ok_and(|scores| !scores.is_empty()),
            rerank_error: scores.err(),
            interpretation,
            warning,
        })
    }

    /// Returns whether all vectors are of other embedders, as after a run with another one.
    fn has_other_vectors(&self) -> Result<bool, Error> {
        let fingerprints = self.reader.embed_fingerprints()?;
        let own = self.embedder.as_deref().map(|embedder| &embedder.model().fingerprint);
        Ok(!fingerprints.is_empty() && own.is_none_or(|own| !fingerprints.contains(own)))
    }

    /// Returns the vector of what a query means, `None` if that is nothing.
    fn vector(&self, mode: SearchMode, meaning: &str) -> Result<Option<QueryVector>, Error> {
        let is_wanted = mode != SearchMode::Text && !meaning.trim().is_empty();
        let Some(embedder) = self.embedder.as_deref().filter(|_| is_wanted) else {
            return Ok(None);
        };
        let row = self.row(embedder, meaning)?;
        let model = embedder.model();
        Ok(Some(QueryVector {
            vector: StoredVector::quantise(&row),
            embed_fp: model.fingerprint.clone(),
            weight: model.hybrid_weight * self.config.vector_weight,
        }))
    }

    /// Returns the unit vector of `text` in `role`, and the fingerprint of its embedder; fails if
    /// there is no embedder of the vectors.
    pub fn embed(&self, text: &str, role: Role) -> Result<(Vec<f32>, String), Error> {
        let Some(embedder) = self.embedder.as_deref() else {
            return Err(Error::NoEmbedder { kb: self.reader.path().to_owned() });
        };
        let embeddings = embed::unit_vectors(embedder, &[text], role)?;
        let row = embeddings.rows().next().unwrap_or_default().to_vec();
        Ok((row, embedder.model().fingerprint.clone()))
    }

    /// Returns the vector of `text`, from those of the last texts if it is there.
    fn row(&self, embedder: &dyn Embedder, text: &str) -> Result<Vec<f32>, Error> {
        let known = || self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = known().get(text) {
            return Ok(row.clone());
        }
        let embeddings = embed::unit_vectors(embedder, &[text], Role::Query)?;
        let row = embeddings.rows().next().unwrap_or_default().to_vec();
        let mut known = known();
        if known.len() >= VECTORS_MAX {
            known.clear();
        }
        known.insert(text.to_owned(), row.clone());
        Ok(row)
    }
}

impl Reranking {
    /// Returns the model's score of each candidate.
    fn scores(
        &self,
        query: &str,
        candidates: &[Candidate],
    ) -> Result<HashMap<ChunkId, f32>, RerankError> {
        let text = |one: &Candidate| {
            let context = context_line(&one.title, &one.heading_path);
            let end = if context.is_empty() { "" } else { "\n" };
            [&*context, end, &one.text].concat()
        };
        let texts: Vec<String> = candidates.iter().map(text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let scores = self.reranker.scores(query, &texts, Instant::now() + self.timeout)?;
        Ok(candidates.iter().map(|one| one.id).zip(scores).collect())
    }
}

/// Fails if no document is of the source `name`.
pub fn require_source(reader: &Reader, name: &str) -> Result<(), Error> {
    if reader.has_source(name)? {
        return Ok(());
    }
    Err(Error::UnknownSource { name: name.to_owned(), known: reader.source_names()? })
}

/// Returns `query` as a search by words.
fn by_words(query: &Query) -> Query {
    let show = Show { mode: SearchMode::Text, ..query.show.clone() };
    Query { show, ..query.clone() }
}

/// Returns the embedder that most vectors of live documents are of: during a change of the model
/// these are the old one's. If it is not at hand, that of fewer vectors, or `None`.
fn embedder_of(
    reader: &Reader,
    configured: Option<Box<dyn Embedder>>,
) -> Result<Option<Box<dyn Embedder>>, Error> {
    let mut fingerprints = reader.searched_vectors()?;
    if fingerprints.is_empty() {
        fingerprints = reader.embed_fingerprints()?;
        if fingerprints.is_empty() {
            return Ok(configured);
        }
    }
    let own = configured.as_ref().map(|configured| configured.model().fingerprint.clone());
    for fingerprint in &fingerprints {
        if own.as_ref() == Some(fingerprint) {
            return Ok(configured);
        }
        if let Some(embedder) = embed::for_fingerprint(fingerprint)? {
            return Ok(Some(embedder));
        }
    }
    Ok(None)
}
