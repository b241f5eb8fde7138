//! A model's folder, as sentence-transformers writes it: where its graph is, and what its settings
//! say about a text before and after the graph.
//!
//! `modules.json` lists the steps; `1_Pooling/config.json` says how tokens become a text,
//! `sentence_bert_config.json` how many of them count, `config_sentence_transformers.json` has the
//! prompts.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::config::{OnnxConfig, Pooling};
use crate::embed::hub::GRAPHS;
use crate::support::files;

/// Limit on a file of settings, in bytes.
const SETTINGS_MAX_BYTES: u64 = 1024 * 1024;
/// Where vocabulary and rules of the tokens are.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// Tokens of a text if no file says how many.
const TOKENS_DEFAULT: usize = 512;
/// Above this a number of tokens means "no limit".
const TOKENS_MAX: u64 = 1 << 20;
/// Names that models have for the prompt of a text to find.
const DOCUMENT_PROMPTS: [&str; 3] = ["document", "passage", "corpus"];

/// What a model's folder and the settings of kb.toml say together.
#[derive(Debug)]
pub(super) struct Folder {
    /// The graph.
    pub graph: PathBuf,
    /// tokenizer.json.
    pub tokenizer: PathBuf,
    /// Components of a vector, if the files say it.
    pub dim: Option<usize>,
    /// How the vectors of tokens become one.
    pub pooling: Pooling,
    /// Tokens of a text that count.
    pub max_tokens: usize,
    /// What comes before a query.
    pub query_prefix: String,
    /// What comes before a text to find.
    pub document_prefix: String,
}

impl Folder {
    /// Reads the settings of the folder at `path`. The error is for the author of kb.toml.
    pub fn open(path: &Path, config: &OnnxConfig) -> Result<Self, String> {
        if !path.is_dir() {
            return Err(format!("{} is not a folder", path.display()));
        }
        refuse_more_steps(path)?;
        let prompts = settings(&path.join("config_sentence_transformers.json"))?;
        let prompt = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| Some(prompts.get("prompts")?.get(name)?.as_str()?.to_owned()))
        };
        let pooling = match config.pooling {
            Some(pooling) => pooling,
            None => pooling(&settings(&path.join("1_Pooling/config.json"))?)?,
        };
        let dim = settings(&path.join("config.json"))?.get("hidden_size").and_then(Value::as_u64);
        Ok(Self {
            dim: dim.map(|dim| dim as usize),
            graph: graph(path, &config.file)?,
            tokenizer: existing(path.join(TOKENIZER))?,
            pooling,
            max_tokens: max_tokens(path, config.max_tokens)?,
            query_prefix: config
                .query_prefix
                .clone()
                .or_else(|| prompt(&["query"]))
                .unwrap_or_default(),
            document_prefix: config
                .document_prefix
                .clone()
                .or_else(|| prompt(&DOCUMENT_PROMPTS))
                .unwrap_or_default(),
        })
    }
}

/// Fails if the model has a step after pooling that is not in the graph.
fn refuse_more_steps(folder: &Path) -> Result<(), String> {
    let modules = settings(&folder.join("modules.json"))?;
    for module in modules.as_array().into_iter().flatten() {
        let kind = module.get("type").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.rsplit('.').next().unwrap_or_default();
        if !["Transformer", "Pooling", "Normalize"].contains(&kind) {
            return Err(format!("its step {kind:?} (modules.json) is not supported"));
        }
    }
    Ok(())
}

/// Returns the graph `file` of a folder, or the first that it has.
pub(crate) fn graph(folder: &Path, file: &str) -> Result<PathBuf, String> {
    if !file.is_empty() {
        return existing(folder.join(file));
    }
    let found = GRAPHS.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| format!("{} has neither {} nor {}", folder.display(), GRAPHS[0], GRAPHS[1]))
}

/// Returns `path`, or that it is missing.
pub(crate) fn existing(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_file() { Ok(path) } else { Err(format!("{} is missing", path.display())) }
}

/// Returns the pooling that `1_Pooling/config.json` says; that of most models if there is none.
fn pooling(settings: &Value) -> Result<Pooling, String> {
    let Some(settings) = settings.as_object() else { return Ok(Pooling::Mean) };
    let is_set = |key: &str| settings.get(key).and_then(Value::as_bool).unwrap_or(false);
    let named = settings.get("pooling_mode").and_then(Value::as_str);
    let modes: Vec<&str> = settings
        .keys()
        .filter(|key| is_set(key))
        .filter_map(|key| key.strip_prefix("pooling_mode_"))
        .chain(named)
        .collect();
    match modes[..] {
        ["cls_token" | "cls"] => Ok(Pooling::Cls),
        ["mean_tokens" | "mean"] => Ok(Pooling::Mean),
        ["lasttoken"] => Ok(Pooling::Last),
        _ => Err(format!(
            "its pooling {} (1_Pooling/config.json) is not supported; onnx.pooling can be \
             \"mean\", \"cls\" or \"last\"",
            modes.join(" + ")
        )),
    }
}

/// Returns how many tokens of a text count: `wanted`, or what the files say.
pub(crate) fn max_tokens(folder: &Path, wanted: usize) -> Result<usize, String> {
    if wanted > 0 {
        return Ok(wanted);
    }
    for (file, key) in [
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
    ] {
        let number = settings(&folder.join(file))?.get(key).and_then(Value::as_u64);
        if let Some(number) = number.filter(|&number| 0 < number && number < TOKENS_MAX) {
            return Ok(number as usize);
        }
    }
    Ok(TOKENS_DEFAULT)
}

/// Reads a file of settings; `Null` if there is none.
fn settings(path: &Path) -> Result<Value, String> {
    let mut text = String::new();
    let read = files::open_input(path)
        .and_then(|file| file.take(SETTINGS_MAX_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => {
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
