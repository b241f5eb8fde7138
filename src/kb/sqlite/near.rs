//! Documents that are like another one: by the mean of the vectors of their chunks.
//!
//! The mean, and not the best pair of chunks: it compares documents as a whole, is the same in both
//! directions, and one pass over the vectors finds it. Pairs favour long documents, and texts that
//! many documents repeat, such as a notice at their end.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;

use super::convert::id;
use super::vectors::Space;
use super::{ListPlace, Passage, Reader};
use crate::domain::ChunkId;
use crate::kb::KbError;

/// A document that is like another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NearDocument {
    /// Name of its source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Its title.
    pub title: String,
    /// Cosine of the mean vectors.
    pub cosine: f32,
}

/// A live revision with chunks.
struct Row {
    revision: i64,
    first: i64,
    last: i64,
    /// Hash of its content.
    content: Vec<u8>,
}

impl Reader {
    /// Returns the live documents nearest to the one at `place`, nearest first, at most `most`,
    /// without documents of the same content; `None` if it has no vectors.
    pub fn near_documents(
        &self,
        place: &ListPlace,
        most: usize,
    ) -> Result<Option<Vec<NearDocument>>, KbError> {
        self.read(|tx| {
            let found = tx
                .prepare_cached(
                    "SELECT revision.id, revision.embed_fp FROM document
                     JOIN revision ON revision.document_id = document.id AND revision.state = 'live'
                     WHERE document.source = ?1
                       AND replace(document.uri, '/', char(1)) = replace(?2, '/', char(1))
                       AND revision.first_chunk IS NOT NULL",
                )?
                .query_row([&place.source, &place.uri], |row| Ok((id(row, 0)?, row.get(1)?)))
                .optional()?;
            let Some((revision, embed_fp)): Option<(i64, String)> = found else { return Ok(None) };
            let rows = rows(tx, &embed_fp)?;
            let (Some(this), Some(space)) =
                (rows.iter().find(|row| row.revision == revision), Space::of(tx, &embed_fp)?)
            else {
                return Ok(None);
            };
            let mut mean = Sum::new(space.dim);
            space.read(tx, (this.first, this.last), |_, entry| {
                mean.add(entry.scale(), entry.embedding());
            })?;
            let mut near = Vec::new();
            each_mean(tx, space, &rows, &mut |row, sum| {
                if row.content != this.content {
                    near.push((mean.cosine(sum), row.revision));
                }
            })?;
            near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
            near.truncate(most);
            let near = near.into_iter().map(|(cosine, revision)| named(tx, revision, cosine));
            Ok(Some(near.collect::<Result<_, _>>()?))
        })
    }
}

impl Reader {
    /// Returns the vectors, of unit length, of the chunks of one revision, as far as they have any.
    pub fn vectors(&self, passages: &[Passage]) -> Result<HashMap<ChunkId, Vec<f32>>, KbError> {
        let mut vectors = HashMap::new();
        let (Some(first), Some(last)) = (passages.first(), passages.last()) else {
            return Ok(vectors);
        };
        self.read(|tx| {
            let embed_fp: Option<String> = tx
                .prepare_cached(
                    "SELECT revision.embed_fp FROM chunk
                     JOIN revision ON revision.id = chunk.revision_id WHERE chunk.id = ?1",
                )?
                .query_row([first.id.0], |row| row.get(0))
                .optional()?;
            let Some(space) = embed_fp.map(|fp| Space::of(tx, &fp)).transpose()?.flatten() else {
                return Ok(());
            };
            space.read(tx, (first.id.0, last.id.0), |chunk, entry| {
                let mut sum = Sum::new(space.dim);
                sum.add(entry.scale(), entry.embedding());
                vectors.insert(ChunkId(chunk), sum.values);
            })
        })?;
        Ok(vectors)
    }
}

/// Returns the live revisions with vectors of `embed_fp`, by their chunks.
fn rows(tx: &Transaction<'_>, embed_fp: &str) -> Result<Vec<Row>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT id, first_chunk, first_chunk + chunk_total - 1, content_hash FROM revision
         WHERE state = 'live' AND embed_fp = ?1 AND first_chunk IS NOT NULL ORDER BY first_chunk",
    )?;
    let rows = statement.query_map([embed_fp], |row| {
        Ok(Row {
            revision: id(row, 0)?,
            first: id(row, 1)?,
            last: id(row, 2)?,
            content: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Calls `each` with every row that has a vector, and the sum of its vectors.
fn each_mean(
    tx: &Transaction<'_>,
    space: Space,
    rows: &[Row],
    each: &mut dyn FnMut(&Row, &Sum),
) -> Result<(), KbError> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let mut at = 0;
    let mut sum = Sum::new(space.dim);
    space.read(tx, (first.first, last.last), |chunk, entry| {
        while rows.get(at).is_some_and(|row| row.last < chunk) {
            sum.pass(&rows[at], each);
            at += 1;
        }
        // Chunks between the rows are of revisions that are not live.
        if rows.get(at).is_some_and(|row| row.first <= chunk) {
            sum.add(entry.scale(), entry.embedding());
        }
    })?;
    if let Some(row) = rows.get(at) {
        sum.pass(row, each);
    }
    Ok(())
}

/// The sum of vectors, whose direction is that of their mean.
struct Sum {
    values: Vec<f32>,
    is_empty: bool,
}

impl Sum {
    fn new(dim: usize) -> Self {
        Self { values: vec![0.0; dim], is_empty: true }
    }

    fn add(&mut self, scale: f32, embedding: &[u8]) {
        for (value, step) in self.values.iter_mut().zip(embedding) {
            *value += scale * f32::from(step.cast_signed());
        }
        self.is_empty = false;
    }

    /// Calls `each` with the sum of `row`, if it has any vector, and begins the next one.
    fn pass(&mut self, row: &Row, each: &mut dyn FnMut(&Row, &Self)) {
        if !self.is_empty {
            each(row, self);
            self.values.fill(0.0);
            self.is_empty = true;
        }
    }

    fn cosine(&self, other: &Self) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let lengths = dot(&self.values, &self.values) * dot(&other.values, &other.values);
        if lengths > 0.0 { dot(&self.values, &other.values) / lengths.sqrt() } else { 0.0 }
    }
}

fn named(tx: &Transaction<'_>, revision: i64, cosine: f32) -> Result<NearDocument, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT document.source, document.uri, revision.title FROM revision
         JOIN document ON document.id = revision.document_id WHERE revision.id = ?1",
    )?;
    Ok(statement.query_row([revision], |row| {
        Ok(NearDocument { source: row.get(0)?, uri: row.get(1)?, title: row.get(2)?, cosine })
    })?)
}
