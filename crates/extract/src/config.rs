//! The `[extract]` table of kb.toml: limits on one document.

use std::path::PathBuf;
use std::sync::Arc;

use kbingest_support::byte_size::ByteSize;
use kbingest_support::cache::Cache;
use kbingest_support::fingerprint::Settings;
use serde::Deserialize;

use crate::child::own_program;
use crate::command::CommandConfig;

/// Least memory that a worker can start with.
const MEMORY_MIN: ByteSize = ByteSize(64 << 20);

/// Limit on `max_pages`; a page without text costs little, and there is `max_seconds`.
const PAGES_MAX: usize = 100_000;

/// Limit on `max_seconds`.
const SECONDS_MAX: u64 = 3600;

/// Limits of extraction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractConfig {
    /// Limit on the text of a document.
    pub max_text: ByteSize,
    /// Limit on the pages, slides or sheets of a document.
    pub max_pages: usize,
    /// Memory of the process that extracts a document of a risky format.
    pub max_memory: ByteSize,
    /// Seconds that such a document may take.
    pub max_seconds: u64,
    /// `[[extract.command]]`: programs for further formats; the first that matches is used.
    pub command: Vec<CommandConfig>,
    /// The folder of kb.toml, to which a program with a `/` in its name is relative.
    #[serde(skip)]
    pub base: Option<PathBuf>,
    #[doc(hidden)]
    /// Cache that contains the documents of commands, in a folder of this process alone: created
    /// when needed, removed at the end. `None`: among the system's temporary files.
    #[serde(skip)]
    pub workspace: Option<Arc<Cache>>,
    /// The program that is started for risky formats. If `None`, they are extracted in this
    /// process: a panic costs only the document, but neither memory nor time is limited. By default
    /// it is this program, if its `main` began with
    /// [`serve_if_asked`](crate::child::serve_if_asked).
    #[serde(skip)]
    pub program: Option<PathBuf>,
}

impl Default for ExtractConfig {
    fn default() -> Self {
        Self {
            max_text: ByteSize(16 << 20),
            max_pages: 10_000,
            max_memory: ByteSize(512 << 20),
            max_seconds: 30,
            command: Vec::new(),
            base: None,
            workspace: None,
            program: own_program(),
        }
    }
}

impl ExtractConfig {
    /// Checks the settings; the error names the key and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        if self.max_text.0 == 0 || self.max_text.0 > crate::TEXT_BYTES_MAX as u64 {
            let most = ByteSize(crate::TEXT_BYTES_MAX as u64);
            return Err(format!("max_text must be 1 to {most}, not {}", self.max_text));
        }
        if self.max_pages == 0 || self.max_pages > PAGES_MAX {
            return Err(format!("max_pages must be 1 to {PAGES_MAX}, not {}", self.max_pages));
        }
        if self.max_memory < MEMORY_MIN {
            return Err(format!(
                "max_memory must be {MEMORY_MIN} or more, not {}",
                self.max_memory
            ));
        }
        if !(1..=SECONDS_MAX).contains(&self.max_seconds) {
            return Err(format!(
                "max_seconds must be 1 to {SECONDS_MAX}, not {}",
                self.max_seconds
            ));
        }
        self.command.iter().try_for_each(CommandConfig::validate)
    }

    /// Returns the limits that may decide whether a document fails.
    pub(crate) fn fingerprint(&self) -> Settings {
        let Self { max_text, max_pages, max_memory, max_seconds, .. } = self;
        Settings::default()
            .with("text", max_text.0)
            .with("pages", max_pages)
            .with("memory", max_memory.0)
            .with("seconds", max_seconds)
    }
}
