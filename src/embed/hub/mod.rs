//! Models by name: `hf:OWNER/NAME@REVISION`, fetched once from a hub that speaks like Hugging
//! Face's, and kept in the user's cache.
//!
//! The first fetch writes what it found to `kbingest-models.lock` beside kb.toml: the commit and
//! the sha256 of each file. From then on every other content is refused, wherever it comes from.

mod download;
mod lock;
mod name;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use lock::{LOCK, Pinned};
pub use name::HubName;
pub use store::{Kept, kept};

use super::{EmbedError, Setting};
use download::{Download, Hub};
use lock::Lock;
use store::Store;

/// Files that a model must have besides its graph.
const NEEDED: [&str; 1] = ["tokenizer.json"];
/// Files that it may have.
const OPTIONAL: [&str; 6] = [
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
];
/// Where a graph may be, the best first.
pub const GRAPHS: [&str; 2] = ["onnx/model.onnx", "model.onnx"];

/// Why a model cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// May pass.
    #[error("{0}")]
    Unavailable(String),
    /// Will not pass by waiting.
    #[error("{0}")]
    Refused(String),
}

impl From<String> for HubError {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl HubError {
    /// Returns it as the error of the embedder `name`.
    pub fn of_embedder(self, name: &HubName) -> EmbedError {
        let model = name.to_string();
        match self {
            Self::Refused(reason) => EmbedError::Refused { model, reason },
            Self::Unavailable(reason) => {
                EmbedError::Unavailable { model, reason, retry_after: None }
            }
        }
    }
}

/// What the settings want of a model.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The folder of the lock file.
    pub lock_folder: &'a Path,
    /// The graph; empty: the first of [`GRAPHS`].
    pub file: &'a str,
    /// The sha256 of files, by their paths.
    pub hashes: &'a BTreeMap<String, String>,
}

impl Wanted<'_> {
    /// Returns the graphs that may be meant, the best first.
    fn graphs(&self) -> Vec<&str> {
        if self.file.is_empty() { GRAPHS.to_vec() } else { vec![self.file] }
    }
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Its path in the model's folder.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its sha256, in hexadecimal.
    pub sha256: String,
    /// Whether it came over the network now.
    pub is_new: bool,
}

/// Returns the folder of the model `name` if all its files are here, and are those of the lock
/// file; otherwise why it cannot be used, and what to do.
pub fn find(name: &HubName, wanted: &Wanted<'_>) -> Result<PathBuf, String> {
    let lock = Lock::read(wanted.lock_folder)?;
    let advice = "fetch it with: kbingest model fetch";
    let Some(pinned) = lock.model(name) else {
        return Err(format!("it was never fetched for this kb.toml; {advice}"));
    };
    let store = Store::open(name, &pinned.commit)?;
    for (path, sha256) in &pinned.files {
        match store.sha256(path)? {
            None => return Err(format!("{path} is missing; {advice}")),
            Some(found) if found == *sha256 => {}
            Some(found) => return Err(store.differs(path, sha256, &found)),
        }
    }
    if wanted.graphs().iter().any(|path| pinned.files.contains_key(*path)) {
        Ok(store.folder().to_owned())
    } else {
        Err(format!("its graph {:?} was never fetched; {advice}", wanted.file))
    }
}

/// Fetches the files of the model `name` that are not here yet, compares all of them with the lock
/// file, and writes it if the model is new to it. Each file is handed to `note`.
pub fn fetch(
    name: &HubName,
    wanted: &Wanted<'_>,
    setting: &Setting,
    note: &mut dyn FnMut(&ModelFile),
) -> Result<PathBuf, HubError> {
    let mut lock = Lock::read(wanted.lock_folder)?;
    let hub = Hub::new(setting)?;
    let known = lock.model(name).cloned();
    let commit = match &known {
        Some(pinned) => pinned.commit.clone(),
        None => hub.commit(name)?,
    };
    let store = Store::create(name, &commit, &setting.stop)?;
    let mut pinned = known.unwrap_or_else(|| Pinned::new(name, &commit));
    let mut take = |path: &str, pinned: &mut Pinned| -> Result<bool, HubError> {
        let expected = wanted.hashes.get(path).or_else(|| pinned.files.get(path)).cloned();
        let download = Download { hub: &hub, store: &store, name, commit: &commit };
        let Some(file) = download.file(path, expected.as_deref())? else { return Ok(false) };
        note(&file);
        pinned.files.insert(file.path.clone(), file.sha256);
        Ok(true)
    };
    let mut graph = None;
    for path in wanted.graphs() {
        if take(path, &mut pinned)? {
            graph = Some(path);
            break;
        }
    }
    let Some(graph) = graph else {
        return Err(format!("it has no {}", wanted.graphs().join(" and no ")).into());
    };
    take(&format!("{graph}_data"), &mut pinned)?;
    for path in NEEDED {
        if !take(path, &mut pinned)? {
            return Err(format!("it has no {path}").into());
        }
    }
    for path in OPTIONAL {
        take(path, &mut pinned)?;
    }
    lock.set(pinned)?;
    Ok(store.folder().to_owned())
}

/// Returns whether `path` stays in the folder that it is relative to.
pub(super) fn is_inside(path: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    !path.is_empty() && !path.contains(['\\', '\0']) && path.split('/').all(is_plain)
}
