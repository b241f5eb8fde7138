//! `analyze` and `embed`: what a program with an SQLite of its own needs to search the file.

use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use super::search::open_with;
use crate::analysis::Strictness;
use crate::embed::{self, Role};
use crate::error::Error;
use crate::kb::{Expressions, Interpretation, Query, Reader, SearchMode, StoredVector};

/// A query as expressions of FTS5; `analyze --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct AnalyzeReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The text of the query.
    pub query: String,
    /// What chunks match, and the tokens in it.
    #[serde(flatten)]
    pub expressions: Expressions,
    /// What `bm25` has to be given behind the table: a weight for each column.
    pub bm25_weights: [f64; 5],
    /// How the text was understood.
    #[serde(flatten)]
    pub interpretation: Interpretation,
    /// What the text means, to be embedded.
    pub meaning: String,
}

/// Returns `text` as `search` looks it up in the knowledge base of `target`, without corrections if
/// `is_exact`; takes no lock and writes nothing.
pub fn analyze(target: &Target, text: &str, is_exact: bool) -> Result<AnalyzeReport, Error> {
    let kb = Reader::open(target.kb())?;
    let query = Query { is_exact, ..Query::new(text) };
    let read = |strictness| -> Result<_, Error> {
        let reading = kb.understand(&query, strictness, &embed::is_word)?;
        let expressions = kb.expressions(&reading)?;
        Ok((reading, expressions))
    };
    let (mut reading, mut expressions) = read(Strictness::Full)?;
    // As `search` does, which looks for words if phrases and filters leave nothing.
    if !is_exact && reading.interpretation().restricts() && !kb.matches(&expressions)? {
        for strictness in [Strictness::WithoutPhrases, Strictness::Words] {
            let relaxed = read(strictness)?;
            if kb.matches(&relaxed.1)? {
                (reading, expressions) = relaxed;
                break;
            }
        }
    }
    let search = target.search_config();
    Ok(AnalyzeReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        query: text.to_owned(),
        expressions,
        bm25_weights: [search.title_weight, search.heading_weight, 1.0, 1.0, 0.0],
        interpretation: reading.interpretation(),
        meaning: reading.meaning().to_owned(),
    })
}

/// The vector of a text; `embed --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct EmbedReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The fingerprint of the embedder: `revision.embed_fp` of the chunks that it can be compared
    /// with.
    pub embed_fp: String,
    /// What the text is: `query` or `document`.
    pub role: &'static str,
    /// Number of components.
    pub dim: usize,
    /// The vector, of unit length.
    pub vector: Vec<f32>,
    /// The same in whole steps, as `vector.embedding` of the file.
    pub embedding: Vec<i8>,
}

/// Returns the vector of `text` by the embedder of the vectors of `target`; takes no lock and
/// writes nothing. A kb.toml with a model behind a server has to be allowed.
pub fn embed(target: &Target, text: &str, role: Role) -> Result<EmbedReport, Error> {
    let searcher = open_with(target, SearchMode::Vector, false)?;
    let (vector, embed_fp) = searcher.embed(text, role)?;
    let steps = StoredVector::quantise(&vector).embedding;
    Ok(EmbedReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        embed_fp,
        role: match role {
            Role::Query => "query",
            Role::Document => "document",
        },
        dim: vector.len(),
        embedding: steps.into_iter().map(u8::cast_signed).collect(),
        vector,
    })
}
