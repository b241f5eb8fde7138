//! What a knowledge base is made of, by source, format, language and length.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Transaction;
use serde::Serialize;

use crate::analysis::Language;
use crate::kb::KbError;
use crate::kb::sqlite::convert::{format_of, from_sql, small};
use crate::kb::sqlite::{Maintenance, index};

/// Documents and groups that are named.
const NAMED_MAX: usize = 10;
/// Names of the documents of a group.
const COPIES_MAX: usize = 5;

/// What searches see, in parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Composition {
    /// Sources, by name.
    pub sources: Vec<Part>,
    /// Formats, the most documents first.
    pub formats: Vec<Part>,
    /// Languages that texts were detected to be in, the most chunks first. Short texts are in none.
    pub languages: Vec<LanguageCount>,
    /// Number of chunks by their tokens.
    #[serde(skip)]
    pub lengths: BTreeMap<u64, u64>,
    /// The documents with the longest texts.
    pub largest: Vec<DocumentSize>,
    /// Documents whose content another one has, too, one of each group not counted.
    pub duplicate_documents: u64,
    /// Groups of documents with the same content, the largest first; ten at most.
    pub duplicates: Vec<SameContent>,
}

/// A part of a knowledge base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Name of the source or the format.
    pub name: String,
    /// Its documents.
    pub documents: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Bytes of their texts.
    pub text_bytes: u64,
}

/// The chunks in a language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LanguageCount {
    /// Its code, as in `en`.
    pub language: String,
    /// Number of its chunks.
    pub chunks: u64,
}

/// A document, and how long its text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentSize {
    /// Name of its source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Its chunks.
    pub chunks: u64,
    /// Bytes of its text.
    pub text_bytes: u64,
}

/// Documents with the same content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SameContent {
    /// Their number.
    pub documents: u64,
    /// Bytes of their text.
    pub text_bytes: u64,
    /// Some of them, as `SOURCE:URI`.
    pub examples: Vec<String>,
}

impl Maintenance<'_> {
    /// Returns what the knowledge base is made of; reads all rows of documents and chunks, and no
    /// text.
    pub fn composition(&self) -> Result<Composition, KbError> {
        self.reader.read_all(|tx| {
            let mut composition = Composition::default();
            let hashes = composition.count_duplicates(tx)?;
            composition.count_documents(tx, &hashes)?;
            composition.lengths = lengths(tx)?;
            composition.languages = languages(tx)?;
            Ok(composition)
        })
    }
}

impl Composition {
    /// Counts documents with the same content, and returns the content hashes of the groups that
    /// are named, each with its place.
    fn count_duplicates(
        &mut self,
        tx: &Transaction<'_>,
    ) -> Result<HashMap<Vec<u8>, usize>, KbError> {
        let mut statement = tx.prepare_cached(
            "SELECT content_hash, COUNT(*) AS documents, max(text_bytes) AS text_bytes
             FROM revision WHERE state = 'live' AND chunk_total > 0
             GROUP BY content_hash HAVING documents > 1
             ORDER BY documents DESC, text_bytes DESC, content_hash",
        )?;
        let mut hashes = HashMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let documents = from_sql(row.get(1)?);
            self.duplicate_documents += documents.saturating_sub(1);
            if self.duplicates.len() < NAMED_MAX {
                hashes.insert(row.get(0)?, self.duplicates.len());
                let text_bytes = from_sql(row.get(2)?);
                self.duplicates.push(SameContent { documents, text_bytes, examples: Vec::new() });
            }
        }
        Ok(hashes)
    }

    fn count_documents(
        &mut self,
        tx: &Transaction<'_>,
        named: &HashMap<Vec<u8>, usize>,
    ) -> Result<(), KbError> {
        let mut statement = tx.prepare_cached(
            "SELECT document.source, document.uri, revision.extract_fp, revision.chunk_total,
                    revision.text_bytes, revision.content_hash
             FROM revision CROSS JOIN document ON document.id = revision.document_id
             WHERE revision.state = 'live'",
        )?;
        let (mut sources, mut formats) = (BTreeMap::new(), BTreeMap::new());
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
            let (source, uri) = (text(0)?, text(1)?);
            let (chunks, text_bytes) = (from_sql(small(row, 3)?), from_sql(small(row, 4)?));
            count(&mut sources, source, chunks, text_bytes);
            count(&mut formats, text(2)?, chunks, text_bytes);
            let hash = row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Some(&place) = named.get(hash)
                && self.duplicates[place].examples.len() < COPIES_MAX
            {
                self.duplicates[place].examples.push(format!("{source}:{uri}"));
            }
            if self.is_large(text_bytes) {
                let (source, uri) = (source.to_owned(), uri.to_owned());
                self.largest.push(DocumentSize { source, uri, chunks, text_bytes });
                self.largest.sort_by_key(|one| std::cmp::Reverse(one.text_bytes));
                self.largest.truncate(NAMED_MAX);
            }
        }
        for same in &mut self.duplicates {
            same.examples.sort();
        }
        self.sources = sources.into_values().collect();
        self.formats = by_format(formats);
        Ok(())
    }

    fn is_large(&self, text_bytes: u64) -> bool {
        self.largest.len() < NAMED_MAX
            || self.largest.last().is_some_and(|last| text_bytes > last.text_bytes)
    }
}

fn count(parts: &mut BTreeMap<String, Part>, name: &str, chunks: u64, text_bytes: u64) {
    // Names are few, and copied only when first seen.
    if !parts.contains_key(name) {
        parts.insert(name.to_owned(), Part { name: name.to_owned(), ..Part::default() });
    }
    if let Some(part) = parts.get_mut(name) {
        part.documents += 1;
        part.chunks += chunks;
        part.text_bytes += text_bytes;
    }
}

/// Returns the parts by the name of the extractor, given those by its fingerprint.
fn by_format(fingerprints: BTreeMap<String, Part>) -> Vec<Part> {
    let mut formats: BTreeMap<String, Part> = BTreeMap::new();
    for (fingerprint, part) in fingerprints {
        let name = format_of(&fingerprint);
        let format = formats.entry(name.clone()).or_insert(Part { name, ..Part::default() });
        format.documents += part.documents;
        format.chunks += part.chunks;
        format.text_bytes += part.text_bytes;
    }
    let mut formats: Vec<_> = formats.into_values().collect();
    formats.sort_by_key(|format| std::cmp::Reverse(format.documents));
    formats
}

fn lengths(tx: &Transaction<'_>) -> Result<BTreeMap<u64, u64>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT token_count, COUNT(*) FROM chunk
         JOIN revision ON revision.id = chunk.revision_id AND revision.state = 'live'
         GROUP BY token_count",
    )?;
    let lengths =
        statement.query_map([], |row| Ok((from_sql(small(row, 0)?), from_sql(row.get(1)?))))?;
    Ok(lengths.collect::<Result<_, _>>()?)
}

fn languages(tx: &Transaction<'_>) -> Result<Vec<LanguageCount>, KbError> {
    let mut languages = Vec::new();
    for language in Language::ALL {
        let code = language.code();
        let chunks = index::matching(tx, &format!("language : \"{code}\""), u64::MAX)?;
        if chunks > 0 {
            languages.push(LanguageCount { language: code.to_owned(), chunks });
        }
    }
    languages.sort_by_key(|language| std::cmp::Reverse(language.chunks));
    Ok(languages)
}
