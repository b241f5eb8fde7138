//! Adds up rows of the built-in model's table, which is most of what a vector costs.
//!
//! There is one loop, which is also compiled for AVX2 and used if the processor supports it: a
//! quarter of the time of SSE2. Sums are whole numbers, so both give the same result.
#![expect(
    unsafe_code,
    reason = "a function that is compiled for AVX2 is called only if the processor has it"
)]

/// Components of a row.
pub const DIM: usize = 256;
/// Components that are added up at once: as many sums as fit the registers of AVX2. Each pass reads
/// all rows again from cache; with 64 lanes it took a third longer.
const LANES: usize = 128;

/// Returns the sum of the rows `ids` of `rows`, each component modulo 2^16.
pub fn sum_of_rows(rows: &[[u8; DIM]], ids: &[u16]) -> [u16; DIM] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was just checked for AVX2.
        return unsafe { sum_of_rows_avx2(rows, ids) };
    }
    plain(rows, ids)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_of_rows_avx2(rows: &[[u8; DIM]], ids: &[u16]) -> [u16; DIM] {
    plain(rows, ids)
}

#[inline(always)]
fn plain(rows: &[[u8; DIM]], ids: &[u16]) -> [u16; DIM] {
    let mut whole = [0; DIM];
    let (parts, _) = whole.as_chunks_mut::<LANES>();
    for (at, part) in parts.iter_mut().enumerate() {
        let mut sums = [0_u16; LANES];
        for &id in ids {
            let (values, _) = rows[usize::from(id)].as_chunks::<LANES>();
            for (sum, &value) in sums.iter_mut().zip(&values[at]) {
                *sum = sum.wrapping_add(u16::from(value));
            }
        }
        *part = sums;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::{DIM, plain, sum_of_rows};

    #[test]
    fn every_processor_comes_to_the_same() {
        let rows: Vec<[u8; DIM]> =
            (0..300).map(|row| std::array::from_fn(|at| (row * 7 + at * 13) as u8)).collect();
        for count in [0, 1, 2, 63, 257, 1000] {
            let ids: Vec<u16> = (0..count).map(|number| (number * 31 % 300) as u16).collect();
            let mut expected = [0_u16; DIM];
            for &id in &ids {
                for (sum, value) in expected.iter_mut().zip(rows[usize::from(id)]) {
                    *sum = sum.wrapping_add(value.into());
                }
            }
            assert_eq!(sum_of_rows(&rows, &ids), expected, "{count}");
            assert_eq!(plain(&rows, &ids), expected, "{count}");
        }
    }
}
