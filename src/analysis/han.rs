//! Folds of East Asian characters that are written in several ways: traditional and simplified
//! Chinese, katakana and hiragana.

use std::sync::OnceLock;

/// Two lines: traditional characters, and the simplified one of each (assets/han/build.py).
const SIMPLIFIED: &str = include_str!("../../assets/han/simplified.txt");
/// The ideographs of the table.
const FIRST: char = '\u{3400}';
const LAST: char = '\u{9fff}';

/// Returns the simplified form of an ideograph, hiragana for katakana, and any other `character`
/// itself.
pub fn fold(character: char) -> char {
    match character {
        '\u{30a1}'..='\u{30f6}' | '\u{30fd}' | '\u{30fe}' => {
            char::from_u32(character as u32 - 0x60).unwrap_or(character)
        }
        FIRST..=LAST => table()[character as usize - FIRST as usize],
        _ => character,
    }
}

fn table() -> &'static [char] {
    static TABLE: OnceLock<Vec<char>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table: Vec<char> = (FIRST..=LAST).collect();
        let mut lines = SIMPLIFIED.lines();
        let (from, to) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        for (traditional, simplified) in from.chars().zip(to.chars()) {
            if let Some(place) = (traditional as usize).checked_sub(FIRST as usize)
                && let Some(entry) = table.get_mut(place)
            {
                *entry = simplified;
            }
        }
        table
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_folded_stays() {
        for character in (FIRST..=LAST).chain('\u{3040}'..='\u{30ff}') {
            assert_eq!(fold(fold(character)), fold(character), "{character}");
        }
    }

    #[test]
    fn forms_of_a_word_are_one() {
        let check = |one: &str, other: &str| {
            let fold = |text: &str| text.chars().map(fold).collect::<String>();
            assert_eq!(fold(one), fold(other));
        };
        check("數據庫伺服器", "数据库伺服器");
        check("臺灣軟體開發", "台湾软体开发");
        check("頭髮發現", "头发发现");
        check("カタカナ", "かたかな");
        check("猫", "猫");
        assert_eq!(SIMPLIFIED.lines().map(|line| line.chars().count()).max(), Some(2_762));
    }
}
