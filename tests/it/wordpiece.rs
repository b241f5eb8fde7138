//! The tokenizer against the reference implementation, on tests/data/wordpiece_golden.jsonl (made
//! by wordpiece_golden.py beside it).

use kbingest::embed::{VOCABULARY, WordCache, WordPiece};

/// The id of [UNK].
const UNKNOWN: u32 = 100;

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
            if text.is_ascii() && !expected.contains(&UNKNOWN) {
                let count = words.count(&mut cache, text);
                assert_eq!(count, expected.len(), "{round} cache: {text:?}");
            }
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
        let sizes: usize = pair.iter().map(|(text, _)| words.count(&mut cache, text)).sum();
        assert_eq!(words.count(&mut cache, &joined), sizes, "{joined:?}");
    }
}

/// The bytes of a token are about the same in all scripts: their chunks hold about the same text.
#[test]
fn sizes_of_all_scripts_are_alike() {
    let words = WordPiece::new(VOCABULARY);
    let mut cache = WordCache::new();
    let texts = [
        "The ferry crosses the river whenever the water is calm enough for passengers.",
        "Паром пересекает реку всякий раз, когда вода достаточно спокойна для пассажиров.",
        "Το πλοίο διασχίζει το ποτάμι όποτε το νερό είναι αρκετά ήρεμο για τους επιβάτες.",
        "تعبر العبارة النهر كلما كانت المياه هادئة بما يكفي للركاب.",
        "नौका नदी को तब पार करती है जब पानी यात्रियों के लिए पर्याप्त शांत होता है।",
        "เรือข้ามฟากจะข้ามแม่น้ำเมื่อน้ำสงบพอสำหรับผู้โดยสาร",
        "ເຮືອຂ້າມຟາກຈະຂ້າມແມ່ນ້ຳເມື່ອນ້ຳສະຫງົບ",
        "សាឡាងឆ្លងទន្លេនៅពេលដែលទឹកស្ងប់",
        "ကူးတို့သင်္ဘောသည် ရေငြိမ်သောအခါ မြစ်ကိုဖြတ်ကူးသည်။",
        "フェリーは水が穏やかなときに川を渡ります。",
        "渡船在河水平静时过河。",
    ];
    for text in texts {
        let bytes = text.len() as f64 / words.count(&mut cache, text) as f64;
        assert!((2.4..6.0).contains(&bytes), "{bytes:.1} bytes a token: {text}");
    }
    let long = "x".repeat(4000);
    assert_eq!(words.count(&mut cache, &long), 1000);
}
