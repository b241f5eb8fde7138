//! The embedder of `[embed.onnx]`.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tokenizers::{Tokenizer, TruncationParams};

use super::config::{OnnxConfig, Pooling};
use super::folder::Folder;
use super::graph::Graph;
use crate::embed::hub::{self, HubError};
use crate::embed::{Builtin, EmbedError, Embedder, Embeddings, Limits, Model, Role, Setting};
use crate::support::fingerprint::Fingerprint;

/// Raised when this code computes other vectors from the same files.
const CODE_VERSION: u32 = 1;
/// Texts of one call: about a tenth of a second, after which a stop is noticed.
const CALL_TEXTS: usize = 4;
/// Weight of the cosine in hybrid search, measured for transformers; see docs/models.md.
const HYBRID_WEIGHT: f64 = 1.0;

/// The embedder of `[embed.onnx]`.
///
/// Loaded when first used: a run that finds nothing changed only reads the files once, for the
/// fingerprint.
pub struct Onnx {
    model: Model,
    folder: Folder,
    loaded: OnceLock<Result<Loaded, String>>,
    /// Chunks are measured in its tokens.
    measure: Builtin,
}

/// Outputs with the vector of a text, or of its tokens.
const OUTPUTS: [&str; 2] = ["sentence_embedding", "last_hidden_state"];

struct Loaded {
    tokenizer: Tokenizer,
    graph: Graph,
    pooling: Pooling,
}

impl Onnx {
    /// Opens the model that `config` names; fetches it if it has to, and may.
    pub fn open(config: &OnnxConfig, setting: &Setting) -> Result<Self, EmbedError> {
        let (name, path) = place(config, setting)?;
        let refused = |reason: String| EmbedError::Refused { model: name.clone(), reason };
        let folder = Folder::open(&path, config).map_err(refused)?;
        let fingerprint = fingerprint(&name, &folder).map_err(refused)?;
        let mut loaded = OnceLock::new();
        let dim = match folder.dim {
            Some(dim) => dim,
            None => {
                let load = Loaded::load(&folder).map_err(refused)?;
                let dim = load.row(&folder.document_prefix, "dimension").map_err(refused)?.len();
                loaded = OnceLock::from(Ok(load));
                dim
            }
        };
        let measure = Builtin::new();
        let tokens = measure.model().tokens;
        let model = Model { name, dim, fingerprint, tokens, hybrid_weight: HYBRID_WEIGHT };
        Ok(Self { model, folder, loaded, measure })
    }
}

impl Onnx {
    /// Returns its tokenizer.json.
    pub fn tokenizer(&self) -> &Path {
        &self.folder.tokenizer
    }
}

impl Loaded {
    fn load(folder: &Folder) -> Result<Self, String> {
        let tokenizer = load_tokenizer(&folder.tokenizer, folder.max_tokens)?;
        let graph = Graph::open(&folder.graph, &OUTPUTS)
            .map_err(|error| format!("{}: {error}", folder.graph.display()))?;
        Ok(Self { tokenizer, graph, pooling: folder.pooling })
    }

    /// Returns the vector of `text` after `prefix`.
    fn row(&self, prefix: &str, text: &str) -> Result<Vec<f32>, String> {
        let encoded = self.tokenizer.encode(format!("{prefix}{text}"), true);
        let encoded = encoded.map_err(|error| error.to_string())?;
        let (shape, values) = self.graph.run(encoded.get_ids(), encoded.get_type_ids())?;
        pooled(&shape, values, self.pooling)
    }
}

/// Returns the tokenizer at `path`, which ignores what comes after `max_tokens`.
pub(crate) fn load_tokenizer(path: &Path, max_tokens: usize) -> Result<Tokenizer, String> {
    let damaged = |error: &dyn Display| format!("{}: {error}", path.display());
    let mut tokenizer = Tokenizer::from_file(path).map_err(|error| damaged(&error))?;
    let limit = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
    tokenizer.with_padding(None).with_truncation(Some(limit)).map_err(|error| damaged(&error))?;
    Ok(tokenizer)
}

/// Returns one vector for the tokens' vectors, or what the graph has pooled itself.
fn pooled(shape: &[usize], values: Vec<f32>, pooling: Pooling) -> Result<Vec<f32>, String> {
    match *shape {
        [1, dim] if dim > 0 => Ok(values),
        [1, tokens, dim] if tokens > 0 && dim > 0 => Ok(match pooling {
            Pooling::Cls => values[..dim].to_vec(),
            Pooling::Last => values[(tokens - 1) * dim..].to_vec(),
            Pooling::Mean => {
                let mut sum = vec![0.0_f64; dim];
                for token in values.chunks_exact(dim) {
                    for (sum, &value) in sum.iter_mut().zip(token) {
                        *sum += f64::from(value);
                    }
                }
                sum.iter().map(|&sum| (sum / tokens as f64) as f32).collect()
            }
        }),
        _ => Err(format!("its output has the shape {shape:?}")),
    }
}

impl Embedder for Onnx {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.measure.count_tokens(text)
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        let Model { name, dim, .. } = &self.model;
        let prefix = match role {
            Role::Document => &self.folder.document_prefix,
            Role::Query => &self.folder.query_prefix,
        };
        apart(|| {
            let loaded = self.loaded.get_or_init(|| Loaded::load(&self.folder)).as_ref();
            let loaded = loaded.map_err(|reason| EmbedError::Refused {
                model: name.clone(),
                reason: reason.clone(),
            })?;
            let mut values = Vec::with_capacity(texts.len() * dim);
            for text in texts {
                let bad = |reason| EmbedError::BadInput { model: name.clone(), reason };
                values.extend(loaded.row(prefix, text).map_err(bad)?);
            }
            Ok(Embeddings::new(*dim, values))
        })
    }

    fn limits(&self) -> Limits {
        Limits { texts: CALL_TEXTS, ..Limits::default() }
    }
}

/// Returns the model's name, and the folder that has its files.
pub(crate) fn place(
    config: &OnnxConfig,
    setting: &Setting,
) -> Result<(String, PathBuf), EmbedError> {
    let refused =
        |reason| EmbedError::Refused { model: config.model.display().to_string(), reason };
    let Some(hub_name) = config.hub_name().transpose().map_err(refused)? else {
        let path = config.base.join(&config.model);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok((name, path));
    };
    let path = match hub::find(&hub_name, &config.wanted()) {
        Err(_) if setting.fetches => hub::fetch(&hub_name, &config.wanted(), setting, &mut |_| {}),
        found => found.map_err(HubError::Refused),
    };
    let path = path.map_err(|error| error.of_embedder(&hub_name))?;
    Ok((hub_name.name, path))
}

/// Does `work` in a thread of its own, and waits for it.
///
/// rten computes in pools of rayon. A thread of another such pool, as those that call an embedder,
/// would begin further calls while it waits for them, one within the other.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Returns what identifies the vectors: the content of graph and tokenizer, and all that is done
/// around them.
fn fingerprint(name: &str, folder: &Folder) -> Result<String, String> {
    let mut hasher = blake3::Hasher::new();
    hash_model(&mut hasher, &folder.graph, &folder.tokenizer)?;
    let Folder { pooling, max_tokens, query_prefix, document_prefix, .. } = folder;
    for setting in [pooling.name(), &max_tokens.to_string(), query_prefix, document_prefix] {
        hasher.update(&(setting.len() as u64).to_le_bytes()).update(setting.as_bytes());
    }
    let hash = &hasher.finalize().to_hex()[..12];
    Ok(Fingerprint::new(&plain_name(name), CODE_VERSION).with_hash(hash).to_string())
}

/// Returns a model's name as a fingerprint can have it.
pub(crate) fn plain_name(name: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
    let name: String = name.chars().map(|c| if is_allowed(c) { c } else { '-' }).collect();
    if name.is_empty() { "onnx".to_owned() } else { name }
}

/// Hashes the content of a graph, of the weights that are too large for its file, and of a
/// tokenizer.
pub(crate) fn hash_model(
    hasher: &mut blake3::Hasher,
    graph: &Path,
    tokenizer: &Path,
) -> Result<(), String> {
    for path in [graph, tokenizer] {
        hash_file(hasher, path)?;
    }
    let mut data = graph.to_owned().into_os_string();
    data.push("_data");
    if Path::new(&data).is_file() {
        hash_file(hasher, Path::new(&data))?;
    }
    Ok(())
}

fn hash_file(hasher: &mut blake3::Hasher, path: &Path) -> Result<(), String> {
    let hashed = crate::support::files::open_input(path)
        .and_then(|file| hasher.update_reader(file).map(drop));
    hashed.map_err(|error| format!("{}: {error}", path.display()))
}
