//! The confidence interval of a difference between two rankings, by the paired bootstrap (Efron
//! 1979; for retrieval Sakai 2006, "Evaluating Evaluation Metrics based on the Bootstrap").

use serde::Serialize;

/// Samples drawn; between seeds the bounds of the interval move by less than a twentieth of its
/// width.
const SAMPLES: usize = 2000;

/// A difference of means over the same queries, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Mean of the first minus mean of the second.
    pub mean: f64,
    /// Lower bound, at 2.5 % of the samples.
    pub low: f64,
    /// Upper bound, at 97.5 % of the samples.
    pub high: f64,
}

/// Returns the mean of `differences`, one per query, with its interval; the same input gives the
/// same result.
pub fn difference(differences: &[f64]) -> Difference {
    let Some(mean) = mean(differences) else {
        return Difference { mean: 0.0, low: 0.0, high: 0.0 };
    };
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    let mut means: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let sum: f64 =
                differences.iter().map(|_| differences[draw.below(differences.len())]).sum();
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let count = differences.len() as f64;
            sum / count
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Difference { mean, low: means[SAMPLES * 25 / 1000], high: means[SAMPLES * 975 / 1000] }
}

fn mean(values: &[f64]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let count = values.len() as f64;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count)
}

/// A pseudo-random generator with a fixed seed (`splitmix64`, Steele et al. 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // The high half of the product is below `end`: Lemire's reduction, whose bias is negligible
        // here.
        let product = u128::from(mixed) * end as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_narrows_with_the_number_of_queries() {
        let sample = |count: usize| {
            let values: Vec<f64> = (0..count).map(|i| ((i * 7919) % 100) as f64 / 100.0).collect();
            difference(&values)
        };
        for (count, half_width) in [(100, 0.057), (10_000, 0.0057)] {
            let found = sample(count);
            assert!((found.mean - 0.495).abs() < 0.01, "{found:?}");
            // 1.96 standard errors of numbers uniformly distributed over 0 to 1.
            let width = (found.high - found.low) / 2.0;
            assert!((width - half_width).abs() < half_width * 0.15, "{count}: {found:?}");
        }
        assert_eq!(sample(50), sample(50));
    }

    #[test]
    fn no_difference_and_no_query() {
        let none = Difference { mean: 0.0, low: 0.0, high: 0.0 };
        assert_eq!(difference(&[0.0; 9]), none);
        assert_eq!(difference(&[]), none);
    }
}
