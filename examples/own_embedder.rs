//! Ingests and searches with an embedder of one's own instead of one that kb.toml names:
//!
//! ```sh
//! cargo run --release --example own_embedder -- examples/handbook/kb.toml "restoring backups"
//! ```
//!
//! This one hashes the trigrams of words, so that "restoring" is near "restore". A client of a
//! server would look the same: [`Limits`] limit its calls, [`EmbedError`] says what to do when it
//! fails.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use kbingest::{
    Config, EmbedError, Embedder, Embeddings, Hit, IngestOptions, Limits, Model, Query, Role,
    SearchMode, Searcher, Session, Show,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "examples/handbook/kb.toml".to_owned());
    let query = arguments.next().unwrap_or_else(|| "restoring backups".to_owned());
    let mut config = Config::load(Path::new(&path))?;
    // With vectors of two models in one file, each change of the model would embed everything
    // again.
    config.kb.set_extension("trigrams.kb");
    for hit in ingest_and_search(&config, &query)? {
        let place = format!("{}:{}-{}", hit.uri, hit.start_line, hit.end_line);
        println!("{:.3}  {place}  {}", hit.score, hit.heading_path);
    }
    Ok(())
}

/// Brings the knowledge base of `config` up to date and returns the three passages whose vectors
/// are nearest to that of `query`.
pub fn ingest_and_search(config: &Config, query: &str) -> Result<Vec<Hit>, Box<dyn Error>> {
    let embedder = Trigrams::new();
    let session = Session { embedder: Some(&embedder), ..Session::default() };
    kbingest::ingest(config, &IngestOptions::default(), &session)?.ended?;
    let mode = SearchMode::Vector;
    let searcher =
        Searcher::open(&config.kb, mode, config.search.clone(), Some(Box::new(embedder)))?;
    let show = Show { limit: 3, mode, ..Show::default() };
    Ok(searcher.search(&Query { show, ..Query::new(query) })?)
}

/// Counts how often each trigram occurs, in one of [`Trigrams::DIM`] places chosen by its hash.
struct Trigrams {
    model: Model,
}

impl Trigrams {
    const DIM: usize = 512;

    fn new() -> Self {
        Self {
            model: Model {
                name: "trigrams".to_owned(),
                dim: Self::DIM,
                // Changes whenever the same text might have another vector: all are then computed
                // again.
                fingerprint: "trigrams-512@1".to_owned(),
                tokens: "words",
                hybrid_weight: 0.3,
            },
        }
    }

    fn row(text: &str) -> Vec<f32> {
        let mut row = vec![0.0; Self::DIM];
        for word in text.split_whitespace() {
            let word: Vec<char> = format!(" {} ", word.to_lowercase()).chars().collect();
            for trigram in word.windows(3) {
                let mut hasher = DefaultHasher::new();
                trigram.hash(&mut hasher);
                row[hasher.finish() as usize % Self::DIM] += 1.0;
            }
        }
        row
    }
}

impl Embedder for Trigrams {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed(&self, texts: &[&str], _: Role) -> Result<Embeddings, EmbedError> {
        // A row for each text, of any length: the caller scales it.
        let values = texts.iter().flat_map(|text| Self::row(text)).collect();
        Ok(Embeddings::new(Self::DIM, values))
    }

    fn limits(&self) -> Limits {
        Limits { texts: 32, ..Limits::default() }
    }
}
