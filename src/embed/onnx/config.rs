//! `[embed.onnx]`.

use std::path::PathBuf;

use serde::Deserialize;

/// `[embed.onnx]`: a transformer in this process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxConfig {
    /// Folder of the model, relative to kb.toml: `model.onnx`, `tokenizer.json`, and the settings
    /// that sentence-transformers writes.
    pub model: PathBuf,
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

    /// Returns what is wrong, in words for the author of kb.toml.
    pub fn validate(&self) -> Result<(), String> {
        if self.model.as_os_str().is_empty() {
            return Err(
                "onnx.model must name the folder of a model, with model.onnx and tokenizer.json"
                    .into(),
            );
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
