//! `[[source.records]]`: the settings of one file of records, with their positions in kb.toml for
//! error messages.

use std::path::{Path, PathBuf};

use crate::source::located::Located;
use serde::Deserialize;

use crate::source::settings::{Checks, empty, max_documents_default};
use crate::source::{ByteSize, MaxDelete, Problems};

const MAX_FILE_SIZE_DEFAULT: ByteSize = ByteSize(100 << 20);

/// One file, each of whose records is a document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsConfig {
    /// Name of the source, unique among all sources.
    pub name: Located<String>,
    /// The file, relative to kb.toml.
    pub path: Located<PathBuf>,
    /// Its format, if its name does not show it.
    #[serde(default = "empty")]
    pub format: Located<String>,
    /// JSON pointer to the list of records in a JSON file; empty: the whole file is that list.
    #[serde(default = "empty")]
    pub list: Located<String>,
    /// Field with a record's permanent id.
    pub id: Located<String>,
    /// Field with its title; empty: the id is the title.
    #[serde(default = "empty")]
    pub title: Located<String>,
    /// Fields that make up its text. All others are metadata.
    pub text: Located<Vec<String>>,
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
    /// A larger file is not read.
    #[serde(default = "max_file_size_default")]
    pub max_file_size: Located<ByteSize>,
}

/// Format of a file of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Fields separated by commas, semicolons, tabs or bars; the first row names them.
    Csv,
    /// Fields separated by tabs; the first row names them.
    Tsv,
    /// A list of objects.
    Json,
    /// An object on each line.
    JsonLines,
}

fn max_file_size_default() -> Located<ByteSize> {
    Located::from(MAX_FILE_SIZE_DEFAULT)
}

impl RecordsConfig {
    /// Returns the records of the file at `path`, by their fields with an id and with texts, with
    /// the defaults of all other settings.
    pub fn new(
        name: impl Into<String>,
        path: impl Into<PathBuf>,
        id: impl Into<String>,
        text: Vec<String>,
    ) -> Self {
        Self {
            name: name.into().into(),
            path: path.into().into(),
            format: empty(),
            list: empty(),
            id: id.into().into(),
            title: empty(),
            text: text.into(),
            max_documents: max_documents_default(),
            max_delete: None,
            skip_if: Vec::new(),
            base_url: empty(),
            max_file_size: max_file_size_default(),
        }
    }

    /// Checks what the syntax cannot; returns for every problem its bytes in kb.toml, the key, what
    /// is wrong and what is allowed.
    #[doc(hidden)]
    pub fn problems(&self) -> Problems {
        let mut checks = Checks::of("source.records");
        checks.name(&self.name);
        checks.base_url(&self.base_url);
        let format_key = if self.format.get_ref().is_empty() { "path" } else { "format" };
        let span = if format_key == "path" { self.path.span() } else { self.format.span() };
        checks.add(span, format_key, self.format().map(drop));
        checks.add(self.list.span(), "list", check_pointer(self.list.get_ref()));
        checks.add(self.id.span(), "id", check_field(self.id.get_ref()));
        let text = self.text.get_ref();
        let at_least_one = if text.is_empty() { Err(NO_TEXT.to_owned()) } else { Ok(()) };
        checks.add(self.text.span(), "text", at_least_one);
        for field in text {
            checks.add(self.text.span(), "text", check_field(field));
        }
        checks.size("max_file_size", &self.max_file_size);
        checks.max_documents(&self.max_documents);
        checks.into_problems()
    }

    /// Returns the format of the records, from `format` or else the name of the file.
    pub(super) fn format(&self) -> Result<Format, String> {
        let stated = self.format.get_ref().as_str();
        let path: &Path = self.path.get_ref();
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match if stated.is_empty() { ending.as_str() } else { stated } {
            "csv" => Ok(Format::Csv),
            "tsv" => Ok(Format::Tsv),
            "json" => Ok(Format::Json),
            "jsonl" | "ndjson" => Ok(Format::JsonLines),
            _ if stated.is_empty() => Err(format!(
                "the name of {} does not tell what it is: set `format` to csv, tsv, json or jsonl",
                path.display()
            )),
            _ => Err(format!("allowed is csv, tsv, json or jsonl, not \"{stated}\"")),
        }
    }
}

const NO_TEXT: &str = "at least one field must be named, as in [\"description\"]";

fn check_field(name: &str) -> Result<(), String> {
    if name.is_empty() { Err("the name of a field is needed".to_owned()) } else { Ok(()) }
}

fn check_pointer(pointer: &str) -> Result<(), String> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    Err(format!("a JSON pointer such as \"/data/items\" is needed, not \"{pointer}\""))
}
