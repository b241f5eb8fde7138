//! Vectors of a fixed sentence, by which a model that changed under its name is found.

use rusqlite::{OptionalExtension, params};

use super::{Reader, Run};
use crate::kb::KbError;

impl Reader {
    /// Returns the stored vector of the fixed sentence by the model with this fingerprint.
    pub fn probe(&self, embed_fp: &str) -> Result<Option<Vec<f32>>, KbError> {
        let bytes: Option<Vec<u8>> = self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT vector FROM probe WHERE embed_fp = ?1")?;
            Ok(statement.query_row([embed_fp], |row| row.get(0)).optional()?)
        })?;
        Ok(bytes.map(|bytes| floats(&bytes)))
    }
}

impl Run<'_> {
    /// Stores the vector of the fixed sentence; the first one stays.
    pub fn save_probe(&self, embed_fp: &str, vector: &[f32]) -> Result<(), KbError> {
        self.write(|tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO probe (embed_fp, vector) VALUES (?1, ?2)")?
                .execute(params![embed_fp, bytes(vector)])?;
            Ok(())
        })
    }
}

/// Returns the bytes of `values`, little-endian.
pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Returns the values of little-endian `bytes`.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
