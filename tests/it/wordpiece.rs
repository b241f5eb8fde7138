//! The tokenizer against the reference implementation, on tests/data/wordpiece_golden.jsonl (made
//! by wordpiece_golden.py beside it).

use kbingest::embed::{VOCABULARY, WordCache, WordPiece};

/// Lines of the golden file: a text and its ids.
fn golden() -> Vec<(String, Vec<u32>)> {
    let lines = include_str!("../data/wordpiece_golden.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a text and its ids")).collect()
}

#[test]
fn ids_are_those_of_the_reference() {
    let golden = golden();
    assert!(golden.len() >= 2_000);
    let words = WordPiece::new(VOCABULARY);
    let mut cache = WordCache::new();
    // Twice: cached words must have the same ids.
    for round in ["cold", "warm"] {
        for (text, expected) in &golden {
            let ids = words.ids(&mut cache, text);
            assert_eq!(&ids, expected, "{round} cache: {text:?}");
            assert_eq!(words.count(&mut cache, text), expected.len(), "{round} cache: {text:?}");
        }
    }
}

#[test]
fn texts_joined_by_white_space_count_as_their_sum() {
    let golden = golden();
    let words = WordPiece::new(VOCABULARY);
    let mut cache = WordCache::new();
    for (pair, space) in
        golden.windows(2).zip([" ", "\n", "\t", "\r\n", "\u{2028}", "\u{3000}"].iter().cycle())
    {
        let joined = format!("{}{space}{}", pair[0].0, pair[1].0);
        let expected: Vec<u32> = pair.iter().flat_map(|(_, ids)| ids).copied().collect();
        assert_eq!(words.ids(&mut cache, &joined), expected, "{joined:?}");
    }
}
