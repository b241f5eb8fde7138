//! `kbingest-models.lock`: which content of which models was fetched first.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{HubName, is_inside};
use crate::support::files;

/// Its name, in the folder of kb.toml.
pub const LOCK: &str = "kbingest-models.lock";
/// Limit on its size, in bytes.
const SIZE_MAX_BYTES: u64 = 1024 * 1024;

/// The models of a folder.
#[derive(Debug, Default)]
pub(super) struct Lock {
    path: PathBuf,
    models: Vec<Pinned>,
}

/// A model whose content is fixed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// As kb.toml names it.
    pub name: String,
    /// What its revision was when it was fetched first.
    pub commit: String,
    /// The sha256 of its files, by their paths.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    model: Vec<Pinned>,
}

impl Pinned {
    /// Returns a model of which no file is known yet.
    pub(super) fn new(name: &HubName, commit: &str) -> Self {
        Self { name: name.to_string(), commit: commit.to_owned(), files: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads the file in `folder`; it is empty if there is none.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(LOCK);
        let wrong = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
        let mut text = String::new();
        match files::open_input(&path)
            .and_then(|file| file.take(SIZE_MAX_BYTES).read_to_string(&mut text))
        {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path, models: Vec::new() });
            }
            Err(error) => return Err(wrong(&error)),
        }
        let file: File = toml::from_str(&text).map_err(|error| wrong(&error.message()))?;
        for model in &file.model {
            // It may come from a stranger, and names files.
            let is_commit = !model.commit.is_empty()
                && model.commit.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !is_commit || !model.files.keys().all(|path| is_inside(path)) {
                return Err(wrong(&format!("the entry of {:?} is not valid", model.name)));
            }
        }
        Ok(Self { path, models: file.model })
    }

    /// Returns what is known of the model `name`.
    pub(super) fn model(&self, name: &HubName) -> Option<&Pinned> {
        let name = name.to_string();
        self.models.iter().find(|model| model.name == name)
    }

    /// Stores what is known of a model; writes nothing if that is not new.
    pub(super) fn set(&mut self, pinned: Pinned) -> Result<(), String> {
        if self.models.contains(&pinned) {
            return Ok(());
        }
        self.models.retain(|model| model.name != pinned.name);
        self.models.push(pinned);
        self.models.sort_by(|a, b| a.name.cmp(&b.name));
        files::replace_result(&self.path, self.text().as_bytes())
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }

    fn text(&self) -> String {
        let mut text = "# Written by kbingest: the content of models when they were fetched first. Keep it with \
                        kb.toml.\n"
            .to_owned();
        // Without control characters a string of JSON is one of TOML.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        for Pinned { name, commit, files } in &self.models {
            // Writing to a string cannot fail.
            let _ =
                write!(text, "\n[[model]]\nname = {}\ncommit = {}\n", quoted(name), quoted(commit));
            text.push_str("[model.files]\n");
            for (path, sha256) in files {
                let _ = writeln!(text, "{} = {}", quoted(path), quoted(sha256));
            }
        }
        text
    }
}
