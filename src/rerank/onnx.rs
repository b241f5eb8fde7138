//! `[search.rerank.onnx]`: a cross-encoder in this process: a model's folder, its tokens, its
//! graph, whose output is one number for a query and a text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{RerankError, Reranker};
use crate::embed::{OnnxConfig, Setting};

/// `[search.rerank.onnx]`: a cross-encoder in this process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RerankOnnxConfig {
    /// Folder of the model, relative to kb.toml, with `model.onnx` and `tokenizer.json`; or
    /// `hf:OWNER/NAME@REVISION`, which is fetched once.
    pub model: PathBuf,
    /// The sha256 of files that are fetched, besides those of the lock file.
    #[serde(default)]
    pub hashes: BTreeMap<String, String>,
    /// Which graph of the folder; empty: the first of `onnx/model.onnx` and `model.onnx`.
    #[serde(default)]
    pub file: String,
    /// Tokens of query and text together that the model sees, the rest is ignored; 0: as the
    /// model's files say.
    #[serde(default)]
    pub max_tokens: usize,
    /// The folder that `model` is relative to; not in kb.toml.
    #[serde(skip)]
    pub base: PathBuf,
}

impl RerankOnnxConfig {
    /// Returns what is wrong, beginning with the key.
    pub(super) fn validate(&self) -> Result<(), String> {
        self.files().validate().map_err(|reason| format!("rerank.{reason}"))
    }

    /// Returns where the model's files are, as for an embedder.
    pub fn files(&self) -> OnnxConfig {
        OnnxConfig {
            model: self.model.clone(),
            hashes: self.hashes.clone(),
            file: self.file.clone(),
            query_prefix: None,
            document_prefix: None,
            pooling: None,
            max_tokens: self.max_tokens,
            base: self.base.clone(),
        }
    }
}

#[cfg(not(feature = "onnx"))]
pub(super) fn open(
    config: &RerankOnnxConfig,
    _: &Setting,
) -> Result<Box<dyn Reranker>, RerankError> {
    let model = config.model.display().to_string();
    Err(RerankError::Refused { model, reason: crate::embed::WITHOUT_ONNX.to_owned() })
}

#[cfg(feature = "onnx")]
pub(super) fn open(
    config: &RerankOnnxConfig,
    setting: &Setting,
) -> Result<Box<dyn Reranker>, RerankError> {
    Ok(Box::new(cross_encoder::CrossEncoder::open(config, setting)?))
}

#[cfg(feature = "onnx")]
mod cross_encoder {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;
    use std::time::Instant;

    use tokenizers::Tokenizer;

    use super::{RerankError, RerankOnnxConfig, Reranker, Setting};
    use crate::embed::EmbedError;
    use crate::embed::onnx::{
        Graph, TOKENIZER, existing, graph_of, hash_model, load_tokenizer, max_tokens, place,
        plain_name,
    };
    use crate::support::fingerprint::Fingerprint;

    /// Raised when this code computes other scores from the same files.
    const CODE_VERSION: u32 = 1;
    /// Texts of one call, which are kept together: a fraction of a second.
    const CALL_TEXTS: usize = 16;
    /// What a cross-encoder calls its output.
    const OUTPUTS: [&str; 1] = ["logits"];

    /// The reranker of `[search.rerank.onnx]`; loaded when first used.
    pub struct CrossEncoder {
        name: String,
        fingerprint: String,
        graph: PathBuf,
        tokenizer: PathBuf,
        max_tokens: usize,
        loaded: OnceLock<Result<Loaded, String>>,
    }

    struct Loaded {
        tokenizer: Tokenizer,
        graph: Graph,
    }

    impl CrossEncoder {
        /// Opens the model that `config` names, which must be here.
        pub fn open(config: &RerankOnnxConfig, setting: &Setting) -> Result<Self, RerankError> {
            let setting = Setting { fetches: false, ..setting.clone() };
            let (name, folder) = place(&config.files(), &setting).map_err(|error| match error {
                EmbedError::Refused { model, reason } => RerankError::Refused { model, reason },
                error => RerankError::Unavailable {
                    model: config.model.display().to_string(),
                    reason: error.to_string(),
                },
            })?;
            let read = || {
                if !folder.is_dir() {
                    return Err(format!("{} is not a folder", folder.display()));
                }
                let graph = graph_of(&folder, &config.file)?;
                let tokenizer = existing(folder.join(TOKENIZER))?;
                let max_tokens = max_tokens(&folder, config.max_tokens)?;
                let mut hasher = blake3::Hasher::new();
                hash_model(&mut hasher, &graph, &tokenizer)?;
                hasher.update(&(max_tokens as u64).to_le_bytes());
                let hash = &hasher.finalize().to_hex()[..12];
                let id = format!("rerank-{}", plain_name(&name));
                let fingerprint = Fingerprint::new(&id, CODE_VERSION).with_hash(hash).to_string();
                Ok((graph, tokenizer, max_tokens, fingerprint))
            };
            let (graph, tokenizer, max_tokens, fingerprint) =
                read().map_err(|reason| RerankError::Refused { model: name.clone(), reason })?;
            let loaded = OnceLock::new();
            Ok(Self { name, fingerprint, graph, tokenizer, max_tokens, loaded })
        }

        fn load(&self) -> Result<Loaded, String> {
            let tokenizer = load_tokenizer(&self.tokenizer, self.max_tokens)?;
            let graph = Graph::open(&self.graph, &OUTPUTS)
                .map_err(|error| format!("{}: {error}", self.graph.display()))?;
            Ok(Loaded { tokenizer, graph })
        }
    }

    impl Loaded {
        /// Returns the logit of the one label that the model has.
        fn score(&self, query: &str, text: &str) -> Result<f32, String> {
            let encoded = self.tokenizer.encode((query, text), true);
            let encoded = encoded.map_err(|error| error.to_string())?;
            let (shape, values) = self.graph.run(encoded.get_ids(), encoded.get_type_ids())?;
            match values[..] {
                [score] if score.is_finite() => Ok(score),
                [_] => Err("its score is no number".to_owned()),
                _ => Err(format!(
                    "its output has the shape {shape:?}, and a cross-encoder has one label"
                )),
            }
        }
    }

    impl Reranker for CrossEncoder {
        fn name(&self) -> &str {
            &self.name
        }

        fn fingerprint(&self) -> &str {
            &self.fingerprint
        }

        fn texts_max(&self) -> usize {
            CALL_TEXTS
        }

        /// Scores the texts side by side, in threads of their own: each is one call of the graph,
        /// as those of rten would wait for each other in a pool of rayon.
        fn scores(
            &self,
            query: &str,
            texts: &[&str],
            until: Instant,
        ) -> Result<Vec<f32>, RerankError> {
            let refused = |reason| RerankError::Refused { model: self.name.clone(), reason };
            let next = AtomicUsize::new(0);
            let is_over = AtomicBool::new(false);
            let score_some = || {
                let loaded = self.loaded.get_or_init(|| self.load()).as_ref();
                let loaded = loaded.map_err(|reason| refused(reason.clone()))?;
                let mut scores = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(text) = texts.get(index) else { return Ok(scores) };
                    if is_over.load(Ordering::Relaxed) || Instant::now() >= until {
                        is_over.store(true, Ordering::Relaxed);
                        return Err(self.late());
                    }
                    scores.push((index, loaded.score(query, text).map_err(refused)?));
                }
            };
            let threads = thread::available_parallelism().map_or(1, usize::from).min(texts.len());
            let parts: Vec<Result<Vec<(usize, f32)>, RerankError>> = thread::scope(|scope| {
                let started: Vec<_> = (0..threads).map(|_| scope.spawn(score_some)).collect();
                let join = |one: thread::ScopedJoinHandle<'_, _>| {
                    one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                started.into_iter().map(join).collect()
            });
            let mut scores = vec![f32::NAN; texts.len()];
            for part in parts {
                part?.into_iter().for_each(|(index, score)| scores[index] = score);
            }
            Ok(scores)
        }
    }

    impl CrossEncoder {
        fn late(&self) -> RerankError {
            let reason = "it is not done within `timeout`".to_owned();
            RerankError::Unavailable { model: self.name.clone(), reason }
        }
    }
}
