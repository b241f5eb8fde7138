//! The model inside this program, `static-en-256`: one vector per word piece, made by
//! `assets/static-en-256/build.py`.
//!
//! A text's vector is the sum of its tokens' rows, at unit length. The rows are whole numbers and
//! so is the sum, so that the order of additions, the batch and the machine change nothing. The
//! weight of a word, by how rare it is, is in its row; the row of `[UNK]` is zero.

use std::cell::RefCell;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::gather::{DIM, sum_of_rows};
use super::hash::unit;
use super::{EmbedError, Embedder, Embeddings, Model, Role, WordCache, WordPiece};
use crate::support::fingerprint::Fingerprint;

/// The vocabulary of the model, one token a line.
pub const VOCABULARY: &str = include_str!("../../assets/static-en-256/vocab.txt");

/// Reports whether a text in lower case is a word that the model knows as a whole.
pub fn is_word(text: &str) -> bool {
    VOCABULARY.lines().any(|word| word == text)
}

/// The format is documented in build.py.
const ASSET: &[u8] = include_bytes!("../../assets/static-en-256/model.bin");
const ASSET_SHA256: &str = include_str!("../../assets/static-en-256/model.bin.sha256");
const NAME: &str = "static-en-256";
/// Raised when this code computes other vectors from the same asset.
const CODE_VERSION: u32 = 1;
const HEADER_BYTES: usize = 20;
/// Rows that a sum of 16 bits holds: 255 * 257 = 65,535.
const BLOCK_ROWS: usize = 257;
/// Rows are stored with this added, so that they are unsigned.
const BIAS: i64 = 128;

thread_local! {
    /// All instances have the same vocabulary.
    static WORDS: RefCell<WordCache> = RefCell::new(WordCache::new());
}

/// The embedder of `[embed.builtin]`.
///
/// Unpacked when first used: a run that finds nothing changed never does.
pub struct Builtin {
    model: Model,
    weights: OnceLock<Result<Weights, String>>,
}

struct Weights {
    words: WordPiece,
    /// The row of each token, `BIAS` added.
    rows: Vec<[u8; DIM]>,
}

impl Builtin {
    /// Returns the embedder without touching its weights.
    pub fn new() -> Self {
        let fingerprint =
            Fingerprint::new(NAME, CODE_VERSION).with_hash(&ASSET_SHA256[..12]).to_string();
        let (name, tokens) = (NAME.into(), "wordpiece");
        let model = Model { name, dim: DIM, fingerprint, tokens, hybrid_weight: 0.5 };
        Self { model, weights: OnceLock::new() }
    }

    /// Checks and unpacks the weights once, in a few milliseconds and 8 MB. Fails when the program
    /// file is damaged.
    fn weights(&self) -> Result<&Weights, EmbedError> {
        self.weights
            .get_or_init(Weights::unpack)
            .as_ref()
            .map_err(|reason| EmbedError::Refused { model: NAME.into(), reason: reason.clone() })
    }
}

impl Default for Builtin {
    fn default() -> Self {
        Self::new()
    }
}

impl Weights {
    fn unpack() -> Result<Self, String> {
        let sha256: String =
            Sha256::digest(ASSET).iter().map(|byte| format!("{byte:02x}")).collect();
        if !ASSET_SHA256.starts_with(&sha256) {
            return Err(format!("its weights are damaged (sha256 {sha256}); reinstall kbingest"));
        }
        let words = WordPiece::new(VOCABULARY);
        let rows = unpack(ASSET)?;
        if rows.len() != words.len() {
            return Err(format!("{} rows for {} tokens", rows.len(), words.len()));
        }
        Ok(Self { words, rows })
    }

    /// Returns the sum of the rows of a text's tokens.
    fn sum(&self, cache: &mut WordCache, text: &str) -> [i64; DIM] {
        let mut tokens = Vec::with_capacity(text.len() / 2);
        self.words.for_each_word(cache, text, |ids| match ids {
            [id] => tokens.push(*id),
            _ => tokens.extend_from_slice(ids),
        });
        let mut whole = [0; DIM];
        for block in tokens.chunks(BLOCK_ROWS) {
            let bias = BIAS * block.len() as i64;
            for (whole, sum) in whole.iter_mut().zip(sum_of_rows(&self.rows, block)) {
                *whole += i64::from(sum) - bias;
            }
        }
        whole
    }
}

impl Embedder for Builtin {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count_tokens(&self, text: &str) -> usize {
        // Damaged weights are reported by `embed`, which every counted text reaches.
        self.weights()
            .map_or(0, |weights| WORDS.with_borrow_mut(|cache| weights.words.count(cache, text)))
    }

    fn embed(&self, texts: &[&str], _: Role) -> Result<Embeddings, EmbedError> {
        let weights = self.weights()?;
        let mut values = Vec::with_capacity(texts.len() * DIM);
        WORDS.with_borrow_mut(|cache| {
            for text in texts {
                values.extend(unit(&weights.sum(cache, text)));
            }
        });
        Ok(Embeddings::new(DIM, values))
    }

    fn knows_every_text(&self) -> bool {
        false
    }
}

/// Returns the rows of a model, `BIAS` added, or what is wrong with its bytes.
fn unpack(asset: &[u8]) -> Result<Vec<[u8; DIM]>, String> {
    let (header, body) = asset.split_at_checked(HEADER_BYTES).ok_or("no header")?;
    let number = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
    };
    let count = number(12);
    if &header[..8] != b"KBSTATIC" || number(8) != 1 || number(16) != DIM {
        return Err("not a model of version 1".into());
    }
    if body.len() != count * (2 + DIM / 2) {
        return Err(format!("{} bytes for {count} rows", asset.len()));
    }
    let (scales, packed) = body.split_at(2 * count);
    let mut rows = vec![[0; DIM]; count];
    for ((row, scale), packed) in
        rows.iter_mut().zip(scales.chunks_exact(2)).zip(packed.chunks_exact(DIM / 2))
    {
        unpack_row(row, i16::from_le_bytes([scale[0], scale[1]]), packed);
    }
    Ok(rows)
}

/// Unpacks one row: nibble * scale / 256, rounded.
fn unpack_row(row: &mut [u8; DIM], scale: i16, packed: &[u8]) {
    // At most 7 * 4644 + 128 before the shift, so 16 bits suffice.
    let value = |nibble: i8| {
        ((i16::from(nibble).wrapping_mul(scale).wrapping_add(128) >> 8) + BIAS as i16) as u8
    };
    let (low, high) = row.split_at_mut(DIM / 2);
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(packed) {
        *low = value((byte << 4) as i8 >> 4);
        *high = value(byte as i8 >> 4);
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_ROWS, Builtin, DIM, Embedder, Role, WordCache, unpack};

    #[test]
    fn bits_are_the_same_on_every_machine() {
        let embedder = Builtin::new();
        assert_eq!(embedder.model().fingerprint, "static-en-256@1:3940453e32f9");
        let matrix =
            embedder.embed(&["How do I restore a backup?"], Role::Document).expect("never fails");
        let row = matrix.rows().next().expect("one text");
        let mut hasher = blake3::Hasher::new();
        for value in row {
            hasher.update(&value.to_le_bytes());
        }
        assert_eq!(hasher.finalize().to_hex()[..16], *"690b5bd66b631749");
    }

    #[test]
    fn a_row_depends_on_its_own_text_only() {
        let embedder = Builtin::new();
        let texts = ["Tide tables", "", "\u{1F980}", "the harbour master", "tide  TABLES\n"];
        let together = embedder.embed(&texts, Role::Document).expect("never fails");
        for (text, row) in texts.iter().zip(together.rows()) {
            let alone = embedder.embed(&[text], Role::Document).expect("never fails");
            assert_eq!(alone.rows().next(), Some(row), "{text:?}");
            let square: f32 = row.iter().map(|value| value * value).sum();
            let expected = if embedder.count_tokens(text) > 1 { 1.0 } else { 0.0 };
            assert!((square - expected).abs() < 1e-5, "{text:?} {square}");
        }
        let rows: Vec<&[f32]> = together.rows().collect();
        assert_eq!(rows[0], rows[4]);
        assert_ne!(rows[0], rows[3]);
    }

    #[test]
    fn long_texts_sum_without_overflow() {
        let embedder = Builtin::new();
        let weights = embedder.weights().expect("the asset is whole");
        let mut cache = WordCache::new();
        let one = weights.sum(&mut cache, "water");
        assert_ne!(one, [0; DIM]);
        for count in [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 10 * BLOCK_ROWS] {
            let sum = weights.sum(&mut cache, &"water ".repeat(count));
            assert_eq!(sum, one.map(|value| value * count as i64), "{count}");
        }
    }

    #[test]
    fn a_damaged_model_is_refused() {
        assert!(unpack(b"").is_err());
        assert!(unpack(&super::ASSET[..super::ASSET.len() - 1]).is_err());
        assert!(unpack(&super::ASSET[1..]).is_err());
    }
}
