//! `[chunk] tokenizer`: what chunks are measured in.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What chunks are measured in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Measure {
    /// The tokens of the built-in model: another model has the same chunks.
    #[default]
    Builtin,
    /// The model's own tokens.
    Model,
    /// The tokens of a tokenizer.json.
    File(PathBuf),
}

impl TryFrom<String> for Measure {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "builtin" => Ok(Self::Builtin),
            "model" => Ok(Self::Model),
            path if path.ends_with(".json") => Ok(Self::File(text.into())),
            _ => Err(format!(
                "{text:?} is neither \"builtin\" nor \"model\" nor the path of a tokenizer.json"
            )),
        }
    }
}

impl Measure {
    /// Returns the same, whose path is relative to `base`.
    #[must_use]
    pub fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other,
        }
    }
}
