//! Vectors that a new revision of a document reuses from the one it replaces.

use std::collections::HashMap;

use rusqlite::OptionalExtension;

use super::{Space, StoredVector};
use crate::domain::RevisionId;
use crate::kb::KbError;
use crate::kb::sqlite::Reader;
use crate::kb::sqlite::convert::id;

/// Vectors of the revisions about to be replaced, by the hash of the embedded text.
pub type ReusableVectors = HashMap<[u8; 16], StoredVector>;

impl Reader {
    /// Returns the vectors of the live revisions that `revisions` will replace, if they are of the
    /// same embedder.
    pub fn reusable_vectors(&self, revisions: &[RevisionId]) -> Result<ReusableVectors, KbError> {
        self.read(|tx| {
            let mut vectors = ReusableVectors::new();
            let mut replaced = tx.prepare_cached(
                "SELECT old.embed_fp, old.first_chunk, old.first_chunk + old.chunk_total - 1
                 FROM revision AS new
                 JOIN revision AS old ON old.document_id = new.document_id
                      AND old.state = 'live' AND old.embed_fp = new.embed_fp
                 WHERE new.id = ?1 AND old.first_chunk IS NOT NULL",
            )?;
            let mut hashes =
                tx.prepare_cached("SELECT id, input_hash FROM chunk WHERE id BETWEEN ?1 AND ?2")?;
            for revision in revisions {
                let old = replaced.query_row([revision.0], |row| {
                    Ok((row.get::<_, String>(0)?, (id(row, 1)?, id(row, 2)?)))
                });
                let Some((embed_fp, range)) = old.optional()? else { continue };
                let Some(space) = Space::of(tx, &embed_fp)? else { continue };
                let hashes = hashes.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
                let hashes = hashes.collect::<Result<HashMap<i64, [u8; 16]>, _>>()?;
                space.read(tx, range, |chunk, entry| {
                    // A damaged vector is not reused.
                    if let (Some(hash), Some(vector)) = (hashes.get(&chunk), entry.intact(chunk)) {
                        vectors.insert(*hash, vector);
                    }
                })?;
            }
            Ok(vectors)
        })
    }
}
