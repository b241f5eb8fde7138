//! `[embed.onnx]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::embed::hub::{HubName, Wanted, is_inside};

/// `[embed.onnx]`: a transformer in this process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxConfig {
    /// Folder of the model, relative to kb.toml: `model.onnx`, `tokenizer.json`, and the settings
    /// that sentence-transformers writes; or `hf:OWNER/NAME@REVISION`, which is fetched once.
    pub model: PathBuf,
    /// The sha256 of files that are fetched, besides those of the lock file.
    #[serde(default)]
    pub hashes: BTreeMap<String, String>,
    /// Which graph of the folder; empty: the first of `onnx/model.onnx` and `model.onnx`.
    #[serde(default)]
    pub file: String,
    /// What comes before a query; default: the model's own prompt, or nothing.
    pub query_prefix: Option<String>,
    /// What comes before a text to find; default: the model's own prompt, or nothing.
    pub document_prefix: Option<String>,
    /// How the vectors of a text's tokens become one; default: as the model's files say.
    pub pooling: Option<Pooling>,
    /// Tokens of a text that the model sees, the rest is ignored; 0: as the model's files say.
    #[serde(default)]
    pub max_tokens: usize,
    /// The folder that `model` is relative to; not in kb.toml.
    #[serde(skip)]
    pub base: PathBuf,
}

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// That of the first token.
    Cls,
    /// Their mean.
    Mean,
    /// That of the last token.
    Last,
}

impl Pooling {
    /// Returns its name in kb.toml and in fingerprints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Mean => "mean",
            Self::Last => "last",
        }
    }
}

impl OnnxConfig {
    /// The least tokens that make sense: two of them mark start and end.
    const TOKENS_MIN: usize = 8;

    /// Returns the name of the model on a hub, or what is wrong with it; `None` for a folder.
    pub fn hub_name(&self) -> Option<Result<HubName, String>> {
        let name = self.model.to_str().filter(|name| HubName::is_meant(name))?;
        Some(name.parse())
    }

    /// Returns what is wanted of the model of a hub.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { lock_folder: &self.base, file: &self.file, hashes: &self.hashes }
    }

    /// Returns what is wrong, in words for the author of kb.toml.
    pub fn validate(&self) -> Result<(), String> {
        if self.model.as_os_str().is_empty() {
            return Err(
                "onnx.model must name the folder of a model, with model.onnx and tokenizer.json"
                    .into(),
            );
        }
        if let Some(Err(reason)) = self.hub_name() {
            return Err(format!("onnx.model: {reason}"));
        }
        let file = Some(&self.file).filter(|file| !file.is_empty());
        if let Some(path) = self.hashes.keys().chain(file).find(|path| !is_inside(path)) {
            return Err(format!("onnx: {path:?} is not the path of a file in the model's folder"));
        }
        if self.max_tokens != 0 && self.max_tokens < Self::TOKENS_MIN {
            return Err(format!(
                "onnx.max_tokens is {}; it must be {} or more, or 0 for what the model says",
                self.max_tokens,
                Self::TOKENS_MIN
            ));
        }
        Ok(())
    }
}
