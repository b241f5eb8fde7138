//! The live documents, one by one.

use super::Reader;
use crate::kb::KbError;

/// A document that searches see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveDocument {
    /// Name of its source.
    pub source: String,
    /// Its URI.
    pub uri: String,
    /// Hash of its bytes.
    pub content: [u8; 32],
    /// What made its text, its chunks and their vectors.
    pub made_by: String,
}

impl Reader {
    /// Calls `each` with every live document, in no particular order.
    pub fn each_live_document(&self, each: &mut dyn FnMut(LiveDocument)) -> Result<(), KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.source, document.uri, revision.content_hash,
                        concat_ws(' ', revision.extract_fp, revision.chunk_fp, revision.embed_fp)
                 FROM revision CROSS JOIN document ON document.id = revision.document_id
                 WHERE revision.state = 'live'",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                each(LiveDocument {
                    source: row.get(0)?,
                    uri: row.get(1)?,
                    content: row.get(2)?,
                    made_by: row.get(3)?,
                });
            }
            Ok(())
        })
    }
}
