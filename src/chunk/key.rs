//! Stable keys: what makes a chunk the same chunk after the document around it was edited.

use std::collections::HashMap;

use crate::domain::Chunk;

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// Returns one key per chunk: blake3-128 of source, URI, heading path, trimmed body and its index
/// among chunks equal in all of these.
///
/// Keys include no offset, line or ordinal, so an edited sentence changes the key of about one
/// chunk. Every field is hashed with its length, so no two lists of fields give the same bytes.
/// Repeated text (prefix, overlap) is not part of the key.
pub fn keys(source: &str, uri: &str, text: &str, chunks: &[Chunk]) -> Vec<[u8; KEY_BYTES]> {
    let mut document = blake3::Hasher::new();
    add(&mut document, source);
    add(&mut document, uri);
    let mut seen: HashMap<[u8; KEY_BYTES], u64> = HashMap::with_capacity(chunks.len());
    chunks
        .iter()
        .map(|chunk| {
            let mut hasher = document.clone();
            add(&mut hasher, &chunk.heading_path);
            add(&mut hasher, chunk.span.of(text).trim());
            let occurrence = seen.entry(shortened(&hasher)).or_default();
            hasher.update(&occurrence.to_le_bytes());
            *occurrence += 1;
            shortened(&hasher)
        })
        .collect()
}

/// Hashes one field, its length first.
fn add(hasher: &mut blake3::Hasher, field: &str) {
    hasher.update(&(field.len() as u64).to_le_bytes());
    hasher.update(field.as_bytes());
}

/// Returns the first 128 bits of the hash.
fn shortened(hasher: &blake3::Hasher) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..KEY_BYTES]);
    key
}
