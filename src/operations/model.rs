//! `model`: the model that a kb.toml names on a hub.

use std::path::PathBuf;

use serde::Serialize;

use super::Session;
use crate::config::Config;
use crate::embed::hub::{self, HubError, HubName, Kept, ModelFile};
use crate::embed::{EmbedError, OnnxConfig};
use crate::error::Error;

/// The models that were fetched; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct KeptModels {
    /// Version of this object's schema.
    pub schema: u32,
    /// The models, by name.
    pub models: Vec<Kept>,
}

/// Fetches what is missing of the model that `config` names, and returns its folder. Each file is
/// handed to `note`.
pub fn fetch_model(
    config: &Config,
    session: &Session<'_>,
    note: &mut dyn FnMut(&ModelFile),
) -> Result<PathBuf, Error> {
    let (name, onnx) = named(config)?;
    let setting = config.embed_setting(&session.stop, true);
    let fetched = hub::fetch(&name, &onnx.wanted(), &setting, note);
    Ok(fetched.map_err(|error| error.of_embedder(&name))?)
}

/// Compares the files of the model that `config` names with the lock file, and returns its folder.
pub fn verify_model(config: &Config) -> Result<PathBuf, Error> {
    let (name, onnx) = named(config)?;
    let found = hub::find(&name, &onnx.wanted());
    Ok(found.map_err(|reason| HubError::Refused(reason).of_embedder(&name))?)
}

/// Returns the models that were fetched, for any kb.toml.
pub fn kept_models() -> Result<KeptModels, Error> {
    let models = hub::kept().map_err(|error| {
        let reason = format!("the folder of models cannot be read: {error}");
        EmbedError::Refused { model: "cache".to_owned(), reason }
    })?;
    Ok(KeptModels { schema: 1, models })
}

fn named(config: &Config) -> Result<(HubName, &OnnxConfig), Error> {
    let onnx = config.embed.onnx.as_ref();
    let named = onnx.and_then(|onnx| Some((onnx.hub_name()?.ok()?, onnx)));
    named.ok_or_else(|| {
        let reason =
            "kb.toml names no model of a hub: [embed.onnx] model = \"hf:OWNER/NAME@REVISION\"";
        EmbedError::Refused { model: "model".to_owned(), reason: reason.to_owned() }.into()
    })
}
