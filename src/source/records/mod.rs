//! A file of records as a source: every row of a table, or object of a list, is a document.
//!
//! A document's URI is the id of its record, so rows may be moved, added and removed: only changed
//! records are read again. The version is a hash of the record as written. The file is held in
//! memory while its records are read.

mod config;
mod record;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use self::config::Format;
use self::record::Fields;
use self::table::Table;
use super::{
    ByteSize, Content, ListError, Listing, Setting, Source, SourceError, file, limited, own,
};
use crate::domain::{DocumentError, Entry, Version};

pub use config::RecordsConfig;

/// Records of one file.
pub struct RecordsSource {
    name: String,
    path: PathBuf,
    format: Format,
    list: String,
    fields: Fields,
    max_file_size: ByteSize,
    max_documents: u64,
    /// The file as last listed, with its version if that can be trusted.
    table: Mutex<Option<(Option<Version>, Arc<Table>)>>,
}

impl RecordsSource {
    /// Prepares the source without touching its file.
    pub fn new(config: &RecordsConfig, setting: &Setting<'_>) -> Result<Self, SourceError> {
        let name = config.name.get_ref().clone();
        let format =
            config.format().map_err(|reason| SourceError::Config { name: name.clone(), reason })?;
        Ok(Self {
            name,
            path: setting.base.join(config.path.get_ref()),
            format,
            list: config.list.get_ref().clone(),
            fields: Fields {
                id: config.id.get_ref().clone(),
                title: Some(config.title.get_ref().clone()).filter(|title| !title.is_empty()),
                text: config.text.get_ref().clone(),
            },
            max_file_size: *config.max_file_size.get_ref(),
            max_documents: *config.max_documents.get_ref(),
            table: Mutex::new(None),
        })
    }

    /// Returns the current records.
    fn table(&self) -> Result<Arc<Table>, SourceError> {
        let unreachable = |source| SourceError::Unreachable {
            name: self.name.clone(),
            path: self.path.clone(),
            source,
        };
        let path = self.path.canonicalize().map_err(unreachable)?;
        let now = path.metadata().map(|metadata| file::Stamp::of(&metadata).version());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some((Some(known), table)), Ok(now)) = (&*table, &now)
            && known == now
        {
            return Ok(Arc::clone(table));
        }
        let content = file::read(&path, self.max_file_size).map_err(|error| {
            unreachable(match error.source {
                Some(source) => source.downcast().map_or_else(io::Error::other, |source| *source),
                None => io::Error::other(error.reason),
            })
        })?;
        if own::is_content(&content.bytes) {
            return Err(unreachable(io::Error::other("it is a file that kbingest made")));
        }
        let file_name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let read = Table::read(content.bytes, self.format, &self.list, &self.fields, &file_name);
        let read = read.map_err(|reason| unreachable(io::Error::other(reason)))?;
        let (_, read) = table.insert((content.version, Arc::new(read)));
        Ok(Arc::clone(read))
    }
}

impl Source for RecordsSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Listing<'_>, SourceError> {
        let table = self.table()?;
        let problems = table.problems.len();
        let entry = move |at: usize| {
            if let Some(problem) = table.problems.get(at) {
                return Err(ListError {
                    uri: problem.place.clone(),
                    blocks_deletions: problem.may_hide_a_record,
                    is_limit: false,
                    source: io::Error::other(problem.reason.clone()),
                });
            }
            let row = &table.rows[at - problems];
            Ok(Entry {
                uri: row.uri.clone(),
                version: Some(row.version.clone()),
                size_bytes: row.range.len() as u64,
                // Every record is rendered as Markdown, whatever its id looks like.
                format_name: Some("record.md".to_owned()),
            })
        };
        let count = self.table()?.len();
        Ok(limited(Box::new((0..count).map(entry)), self.max_documents))
    }

    fn read(&self, entry: &Entry) -> Result<Content, DocumentError> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let row = table.as_ref().and_then(|(_, table)| Some((table, table.find(&entry.uri)?)));
        let Some((table, row)) = row else {
            let source = io::Error::other("its record is gone");
            return Err(DocumentError::unreadable(Path::new(&entry.uri), source));
        };
        let (text, metadata) = table
            .record(row)
            .map(|record| (self.fields.text_of(&record), self.fields.metadata_of(record)))
            .map_err(|reason| DocumentError::permanent(&entry.uri, reason))?;
        let metadata: BTreeMap<_, _> = metadata.into_iter().collect();
        Ok(Content { bytes: text.into_bytes(), version: Some(row.version.clone()), metadata })
    }
}
