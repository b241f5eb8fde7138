//! `model`: the models that a kb.toml names on a hub.

use std::path::PathBuf;

use serde::Serialize;

use super::Session;
use crate::config::Config;
use crate::embed::hub::{self, HubError, HubName, Kept, ModelFile};
use crate::embed::{EmbedError, OnnxConfig};
use crate::error::Error;
use crate::rerank::RerankOnnxConfig;

/// The models that were fetched; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct KeptModels {
    /// Version of this object's schema.
    pub schema: u32,
    /// The models, by name.
    pub models: Vec<Kept>,
}

/// Fetches what is missing of the models that `config` names, and returns their folders. Each file
/// is handed to `note`.
pub fn fetch_models(
    config: &Config,
    session: &Session<'_>,
    note: &mut dyn FnMut(&ModelFile),
) -> Result<Vec<PathBuf>, Error> {
    let setting = config.embed_setting(&session.stop, true);
    let fetch = |(name, onnx): (HubName, OnnxConfig)| {
        let fetched = hub::fetch(&name, &onnx.wanted(), &setting, note);
        Ok(fetched.map_err(|error| error.of_embedder(&name))?)
    };
    named(config)?.into_iter().map(fetch).collect()
}

/// Compares the files of the models that `config` names with the lock file, and returns their
/// folders.
pub fn verify_models(config: &Config) -> Result<Vec<PathBuf>, Error> {
    let verify = |(name, onnx): (HubName, OnnxConfig)| {
        let found = hub::find(&name, &onnx.wanted());
        Ok(found.map_err(|reason| HubError::Refused(reason).of_embedder(&name))?)
    };
    named(config)?.into_iter().map(verify).collect()
}

/// Returns the models that were fetched, for any kb.toml.
pub fn kept_models() -> Result<KeptModels, Error> {
    let models = hub::kept().map_err(|error| {
        let reason = format!("the folder of models cannot be read: {error}");
        EmbedError::Refused { model: "cache".to_owned(), reason }
    })?;
    Ok(KeptModels { schema: 1, models })
}

/// Returns the models of a hub: that of the embedder and that of the reranker.
fn named(config: &Config) -> Result<Vec<(HubName, OnnxConfig)>, Error> {
    let reranker = config.search.rerank.as_ref().and_then(|rerank| rerank.onnx.as_ref());
    let all = [config.embed.onnx.clone(), reranker.map(RerankOnnxConfig::files)];
    let named = all.into_iter().flatten().filter_map(|onnx| Some((onnx.hub_name()?.ok()?, onnx)));
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        let reason =
            "kb.toml names no model of a hub: [embed.onnx] model = \"hf:OWNER/NAME@REVISION\"";
        let model = "model".to_owned();
        return Err(EmbedError::Refused { model, reason: reason.to_owned() }.into());
    }
    Ok(named)
}
