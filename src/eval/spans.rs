//! Sets of byte ranges: union, overlap, length.

/// Bytes `start .. end` of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSpan {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteSpan {
    /// Reports whether the two share a byte.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Returns ranges that cover the same bytes, sorted and disjoint.
pub fn union(spans: &[ByteSpan]) -> Vec<ByteSpan> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut united: Vec<ByteSpan> = Vec::with_capacity(sorted.len());
    for span in sorted {
        match united.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => united.push(span),
        }
    }
    united
}

/// Returns how many bytes the disjoint `spans` cover.
pub fn length(spans: &[ByteSpan]) -> u64 {
    spans.iter().map(|span| span.end.saturating_sub(span.start)).sum()
}

/// Returns how many bytes two unions share.
pub fn shared(a: &[ByteSpan], b: &[ByteSpan]) -> u64 {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| a.end.min(b.end).saturating_sub(a.start.max(b.start))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(u64, u64)]) -> Vec<ByteSpan> {
        pairs.iter().map(|&(start, end)| ByteSpan { start, end }).collect()
    }

    #[test]
    fn touching_and_nested_ranges_become_one() {
        let check = |input, expected| assert_eq!(union(&spans(input)), spans(expected));
        check(&[(5, 9), (0, 3), (3, 4)], &[(0, 4), (5, 9)]);
        check(&[(0, 10), (2, 3), (9, 12)], &[(0, 12)]);
        check(&[], &[]);
    }

    #[test]
    fn shared_bytes_are_counted_once() {
        let shared = |a, b| shared(&spans(a), &spans(b));
        assert_eq!(shared(&[(0, 10), (20, 30)], &[(5, 25)]), 10);
        assert_eq!(shared(&[(0, 10)], &[(10, 20)]), 0);
        assert_eq!(length(&spans(&[(0, 10), (20, 25)])), 15);
    }
}
