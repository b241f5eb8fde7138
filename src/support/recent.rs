//! A cache of recently used entries with fixed costs: each hash has a slot for two entries.
//!
//! With one entry per slot, two frequent words that share it would evict each other forever. Two
//! are found as fast: they are adjacent in memory, and the most recent one is checked first.

/// Pairs of entries, a power of two.
pub struct Recent<E> {
    pairs: Vec<Pair<E>>,
}

/// The most recent entry, and the one before it.
#[derive(Clone)]
#[repr(align(64))]
struct Pair<E>([E; 2]);

impl<E: Copy> Recent<E> {
    /// Returns a cache of `entries`, a power of two and at least four, all equal to `free`.
    pub fn new(entries: usize, free: E) -> Self {
        assert!(entries.is_power_of_two() && entries >= 4);
        Self { pairs: vec![Pair([free; 2]); entries / 2] }
    }

    /// Returns the entry with this hash that `is_wanted`, or the entry to overwrite with it. The
    /// high bits of the hash select its slot.
    #[inline]
    pub fn find(&mut self, hash: u64, is_wanted: impl Fn(&E) -> bool) -> Result<&mut E, &mut E> {
        let at = (hash >> (64 - self.pairs.len().ilog2())) as usize;
        let Pair(pair) = &mut self.pairs[at];
        if !is_wanted(&pair[0]) {
            pair.swap(0, 1);
            if !is_wanted(&pair[0]) {
                return Err(&mut pair[0]);
            }
        }
        Ok(&mut pair[0])
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn of_three_with_one_place_the_one_met_least_lately_goes() {
        let mut recent = Recent::new(4, 0);
        let mut is_known = |value: u64| match recent.find(0, |entry| *entry == value) {
            Ok(_) => true,
            Err(entry) => {
                *entry = value;
                false
            }
        };
        assert_eq!([1, 2, 1, 3, 1, 2].map(&mut is_known), [false, false, true, false, true, false]);
    }
}
