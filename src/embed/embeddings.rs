//! The vectors that an embedder returns, checked before use: an embedder may be a program or a
//! server that we did not write.

use super::{EmbedError, Embedder, Role};

/// How far the squared length of a row may be from 1 before the row is scaled.
const SQUARE_TOLERANCE: f32 = 1e-3;

/// A flat matrix of vectors, row after row.
///
/// It is not checked when it is made; [`unit_vectors`] does that for callers of an embedder.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    dim: usize,
    values: Vec<f32>,
    tokens: Option<u64>,
}

impl Embeddings {
    /// Returns the matrix of `values`, row after row of `dim` components.
    pub fn new(dim: usize, values: Vec<f32>) -> Self {
        Self { dim, values, tokens: None }
    }

    /// Sets the number of tokens that the call is paid for, if it is known.
    #[must_use]
    pub fn with_tokens(self, tokens: Option<u64>) -> Self {
        Self { tokens, ..self }
    }

    /// Returns the number of tokens that the call is paid for; `None`: those of its texts.
    pub fn tokens(&self) -> Option<u64> {
        self.tokens
    }

    /// Returns the rows in order, each of `dim` components. An incomplete last row is left out.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }

    /// Scales every row to unit length. Returns what is wrong with the first row that has no
    /// direction.
    fn scale_to_unit(&mut self, may_be_zero: bool) -> Result<(), String> {
        for (index, row) in self.values.chunks_exact_mut(self.dim.max(1)).enumerate() {
            // Rows of most models have unit length, and keep every bit.
            if (square(row) - 1.0).abs() < SQUARE_TOLERANCE {
                continue;
            }
            let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            if !length.is_finite() {
                return Err(format!("row {index} of its answer has a component that is no number"));
            }
            if length > 0.0 {
                row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
            } else if !may_be_zero {
                return Err(format!("row {index} of its answer is all zero"));
            }
        }
        Ok(())
    }
}

/// Embeds `texts` and returns a row of unit length for each, in their order.
///
/// Vectors of the wrong shape or a row without direction are [`EmbedError::Refused`]: another call
/// would change nothing, and they must not be stored.
pub fn unit_vectors(
    embedder: &dyn Embedder,
    texts: &[&str],
    role: Role,
) -> Result<Embeddings, EmbedError> {
    let mut embeddings = embedder.embed(texts, role)?;
    let model = embedder.model();
    let checked = if embeddings.dim != model.dim || model.dim == 0 {
        Err(format!("its answer has {} components a row, not {}", embeddings.dim, model.dim))
    } else if embeddings.values.len() != texts.len() * model.dim {
        let (values, rows) = (embeddings.values.len(), texts.len());
        Err(format!("its answer has {values} values, not {rows} rows of {}", model.dim))
    } else {
        embeddings.scale_to_unit(!embedder.knows_every_text())
    };
    match checked {
        Ok(()) => Ok(embeddings),
        Err(reason) => Err(EmbedError::Refused { model: model.name.clone(), reason }),
    }
}

/// Returns the cosine of two vectors; 0 if they have not the same number of components.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    if a.len() != b.len() {
        return 0.0;
    }
    (product(a, b) / (product(a, a) * product(b, b)).sqrt()) as f32
}

/// Returns the sum of the squares of `row`, in a fixed order that lets a few be computed at once.
fn square(row: &[f32]) -> f32 {
    let (blocks, rest) = row.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value * value;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::{Embeddings, unit_vectors};
    use crate::embed::{EmbedError, Embedder, Model, Role};

    /// Returns the same rows for every call.
    struct Fixed {
        model: Model,
        embeddings: Embeddings,
        knows_every_text: bool,
    }

    impl Embedder for Fixed {
        fn model(&self) -> &Model {
            &self.model
        }

        fn count_tokens(&self, text: &str) -> usize {
            text.split_whitespace().count()
        }

        fn embed(&self, _: &[&str], _: Role) -> Result<Embeddings, EmbedError> {
            Ok(self.embeddings.clone())
        }

        fn knows_every_text(&self) -> bool {
            self.knows_every_text
        }
    }

    /// Returns what `dim` and `values` for one text result in, with a model of two components.
    fn check(dim: usize, values: &[f32], knows_every_text: bool) -> Result<Vec<f32>, String> {
        let model = Model {
            name: "fixed".into(),
            dim: 2,
            fingerprint: "fixed@1".into(),
            tokens: "words",
            hybrid_weight: 0.5,
        };
        let embeddings = Embeddings::new(dim, values.to_vec());
        let embedder = Fixed { model, embeddings, knows_every_text };
        unit_vectors(&embedder, &["text"], Role::Query)
            .map(|embeddings| embeddings.values)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn rows_get_unit_length_and_those_that_have_it_keep_their_bits() {
        for row in [[1.0, 0.0], [0.6, 0.8], [0.600_01, 0.800_01]] {
            assert_eq!(check(2, &row, true), Ok(row.to_vec()));
        }
        for scale in [1e-40, 1e-20, 0.1, 3.0, 1e20, 1e37] {
            let row = check(2, &[3.0 * scale, 4.0 * scale], true).expect("it has a direction");
            assert!((row[0] - 0.6).abs() < 1e-3 && (row[1] - 0.8).abs() < 1e-3, "{scale} {row:?}");
        }
        assert_eq!(check(2, &[0.0, 0.0], false), Ok(vec![0.0, 0.0]));
    }

    #[test]
    fn what_has_another_shape_or_no_direction_is_refused() {
        let refused = |reason: &str| Err(format!("embedder fixed refuses: {reason}"));
        let components = |dim| refused(&format!("its answer has {dim} components a row, not 2"));
        assert_eq!(check(0, &[], true), components(0));
        assert_eq!(check(3, &[1.0, 0.0, 0.0], true), components(3));
        let values = |count| refused(&format!("its answer has {count} values, not 1 rows of 2"));
        for count in [0, 1, 3, 4] {
            assert_eq!(check(2, &vec![1.0; count], true), values(count));
        }
        assert_eq!(check(2, &[0.0, -0.0], true), refused("row 0 of its answer is all zero"));
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let expected = refused("row 0 of its answer has a component that is no number");
            assert_eq!(check(2, &[1.0, wrong], true), expected);
            assert_eq!(check(2, &[wrong, 0.0], false), expected);
        }
    }
}
