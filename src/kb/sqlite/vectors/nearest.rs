//! Exact nearest neighbours: compares every vector of a space with the query.
//!
//! There is one loop, which is also compiled for AVX2 and used if the processor supports it; sums
//! are integers, so both give the same result.
#![expect(
    unsafe_code,
    reason = "a function that is compiled for AVX2 is called only if the processor has it"
)]

use rusqlite::Transaction;

use super::StoredVector;
use super::block::entries;
use super::space::{Space, blocks};
use crate::kb::KbError;

/// A query prepared for comparison: its components are widened once instead of for every vector.
struct Query {
    scale: f32,
    components: Vec<i16>,
}

/// Passes the chunks in `ranges` that have a vector in `space`, with their cosine to `query`, to
/// `each`.
///
/// `ranges` are sorted, both ends included, and do not overlap.
pub fn cosines(
    tx: &Transaction<'_>,
    space: &Space,
    query: &StoredVector,
    ranges: &[(i64, i64)],
    mut each: impl FnMut(i64, f32),
) -> Result<(), KbError> {
    let query = Query::new(query);
    let mut statement = blocks(tx)?;
    for near in ranges.chunk_by(|a, b| space.block_of(a.1) + 1 >= space.block_of(b.0)) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        let mut rows = statement.query([space.block_of(first.0), space.block_of(last.1)])?;
        let mut at = 0;
        while let Some(row) = rows.next()? {
            let before = space.chunk_before(row.get(0)?);
            let slots = row.get_ref(1)?.as_blob().unwrap_or_default();
            let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
            for (slot, entry) in entries(slots, bytes, space.dim) {
                let chunk = before + i64::from(slot);
                while near.get(at).is_some_and(|range| range.1 < chunk) {
                    at += 1;
                }
                if near.get(at).is_some_and(|range| range.0 <= chunk) {
                    each(chunk, query.cosine(entry.scale(), entry.embedding()));
                }
            }
        }
    }
    Ok(())
}

impl Query {
    fn new(vector: &StoredVector) -> Self {
        let components =
            vector.embedding.iter().map(|&byte| i16::from(byte.cast_signed())).collect();
        Self { scale: vector.scale, components }
    }

    /// Returns the dot product with a vector of the same length; both are unit vectors.
    fn cosine(&self, scale: f32, embedding: &[u8]) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "below 2^24 for up to 1,000 components")]
        let sum = dot(&self.components, embedding) as f32;
        let cosine = sum * self.scale * scale;
        // A damaged scale may be NaN; sorting needs an order.
        if cosine.is_finite() { cosine } else { 0.0 }
    }
}

/// Returns the dot product of integers, the second ones signed bytes.
fn dot(a: &[i16], b: &[u8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was just checked for AVX2.
        return unsafe { dot_avx2(a, b) };
    }
    plain(a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dot_avx2(a: &[i16], b: &[u8]) -> i32 {
    plain(a, b)
}

#[inline(always)]
fn plain(a: &[i16], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y.cast_signed())).sum()
}

/// Returns the cosine of two vectors of the same length.
pub fn cosine(query: &StoredVector, scale: f32, embedding: &[u8]) -> f32 {
    Query::new(query).cosine(scale, embedding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantised_cosine_is_close_to_the_exact_one() {
        let a: Vec<f32> = (0..256).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..256).map(|i| (i as f32 * 0.7 + 0.5).sin()).collect();
        let unit = |v: &[f32]| {
            let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
            v.iter().map(|x| x / norm).collect::<Vec<_>>()
        };
        let (a, b) = (unit(&a), unit(&b));
        let exact: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
        let b = StoredVector::quantise(&b);
        let approximate = cosine(&StoredVector::quantise(&a), b.scale, &b.embedding);
        assert!((exact - approximate).abs() < 0.005, "{exact} against {approximate}");
    }

    #[test]
    fn zero_vector_stays_zero() {
        let zero = StoredVector::quantise(&[0.0; 4]);
        assert_eq!(cosine(&zero, zero.scale, &zero.embedding), 0.0);
    }

    #[test]
    fn every_processor_comes_to_the_same() {
        for len in [0, 1, 31, 32, 256, 1000] {
            let a: Vec<i16> = (0..len).map(|at| (at * 37 % 255 - 127) as i16).collect();
            let b: Vec<u8> =
                (0..len).map(|at| ((at * 91 % 255 - 127) as i8).cast_unsigned()).collect();
            let expected: i32 =
                (0..len as usize).map(|at| i32::from(a[at]) * i32::from(b[at].cast_signed())).sum();
            assert_eq!(dot(&a, &b), expected, "{len}");
            assert_eq!(plain(&a, &b), expected, "{len}");
        }
    }
}
