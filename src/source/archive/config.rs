//! `[[source.archive]]`: the settings of one archive, with their positions in kb.toml for error
//! messages.

use std::path::PathBuf;

use crate::analysis::AnchorStyle;
use crate::source::located::Located;
use serde::Deserialize;

use crate::source::settings::{Checks, empty, max_documents_default, max_file_size_default};
use crate::source::{ByteSize, MaxDelete, Problems};

const MAX_TOTAL_SIZE_DEFAULT: ByteSize = ByteSize(1 << 30);
const MAX_MEMBERS_DEFAULT: u64 = 100_000;

/// Largest allowed `max_depth`.
const DEPTH_MAX: u32 = 8;

/// One archive of documents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Name of the source, unique among all sources.
    pub name: Located<String>,
    /// The file, relative to kb.toml: zip, tar, or tar compressed with gzip.
    pub path: Located<PathBuf>,
    /// Globs of members to include; empty means all.
    #[serde(default)]
    pub include: Vec<Located<String>>,
    /// Globs of members to exclude; they win over `include`.
    #[serde(default)]
    pub exclude: Vec<Located<String>>,
    /// Include members with a file or folder name that begins with a dot.
    #[serde(default)]
    pub hidden: bool,
    /// Larger members are skipped and reported.
    #[serde(default = "max_file_size_default")]
    pub max_file_size: Located<ByteSize>,
    /// Limit on the unpacked size of all members.
    #[serde(default = "max_total_size_default")]
    pub max_total_size: Located<ByteSize>,
    /// Limit on the members examined.
    #[serde(default = "max_members_default")]
    pub max_members: u64,
    /// Limit on the number of documents.
    #[serde(default = "max_documents_default")]
    pub max_documents: Located<u64>,
    /// Limit on the documents that one run deletes; `None`: half of them, or ten, but never all.
    #[serde(default)]
    pub max_delete: Option<MaxDelete>,
    /// Documents with such metadata are skipped: `draft=true`, or `nosearch` for any value.
    #[serde(default)]
    pub skip_if: Vec<Located<String>>,
    /// Where readers find the documents: a URL with `{path}`; empty: nowhere.
    #[serde(default = "empty")]
    pub base_url: Located<String>,
    /// By which rule a heading becomes the fragment of a link.
    #[serde(default)]
    pub anchors: AnchorStyle,
    /// Levels of archives inside the archive to open; 0: they are ignored.
    #[serde(default = "depth_default")]
    pub max_depth: Located<u32>,
}

fn max_total_size_default() -> Located<ByteSize> {
    Located::from(MAX_TOTAL_SIZE_DEFAULT)
}

fn max_members_default() -> u64 {
    MAX_MEMBERS_DEFAULT
}

fn depth_default() -> Located<u32> {
    Located::from(0)
}

impl ArchiveConfig {
    /// Returns the archive at `path` with the defaults of all other settings.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into().into(),
            path: path.into().into(),
            include: Vec::new(),
            exclude: Vec::new(),
            hidden: false,
            max_file_size: max_file_size_default(),
            max_total_size: max_total_size_default(),
            max_members: max_members_default(),
            max_documents: max_documents_default(),
            max_delete: None,
            skip_if: Vec::new(),
            base_url: empty(),
            anchors: AnchorStyle::default(),
            max_depth: depth_default(),
        }
    }

    /// Checks what the syntax cannot; returns for every problem its bytes in kb.toml, the key, what
    /// is wrong and what is allowed.
    #[doc(hidden)]
    pub fn problems(&self) -> Problems {
        let mut checks = Checks::of("source.archive");
        checks.name(&self.name);
        checks.base_url(&self.base_url);
        checks.globs("include", &self.include);
        checks.globs("exclude", &self.exclude);
        checks.size("max_file_size", &self.max_file_size);
        checks.size("max_total_size", &self.max_total_size);
        checks.max_documents(&self.max_documents);
        let depth = *self.max_depth.get_ref();
        let allowed = depth <= DEPTH_MAX;
        let wrong = || Err(format!("allowed is 0 to {DEPTH_MAX}, not {depth}"));
        checks.add(self.max_depth.span(), "max_depth", if allowed { Ok(()) } else { wrong() });
        checks.into_problems()
    }
}
