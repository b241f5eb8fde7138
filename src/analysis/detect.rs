//! Detecting which language a text is in.
//!
//! Detected by script, then by how many of the words are stop words of each language; if few are,
//! also by letters and endings. A text without evidence counts as English. This takes a few
//! microseconds per document; n-gram models take a hundred times as long and are no better on texts
//! of more than a few words.

use std::collections::HashMap;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use super::language::Language;
use super::signs;
use super::stop_words::{self, LISTS};

/// Bytes at the start of a text from which its language is detected.
const SAMPLE_BYTES: usize = 1024;
/// Score of one stop word, divided among the languages that have it.
const WORD_SCORE: u32 = 60;
/// Score of a letter or an ending, divided among the languages that have it.
const SIGN_SCORE: u32 = 24;
/// Letters and endings count if the stop words of no language score more.
const SIGNS_BELOW: u32 = 3 * WORD_SCORE;

impl Language {
    /// Returns the language of `text`, detected from its beginning.
    pub fn detect(text: &str) -> Self {
        let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES)];
        match script(sample) {
            Script::Only(language) => language,
            Script::Cyrillic => {
                let is_cyrillic = |language| matches!(language, Self::Russian | Self::Ukrainian);
                ranking(sample, &is_cyrillic).first().map_or(Self::Russian, |(best, _)| *best)
            }
            Script::Latin => {
                let mut ranking = ranking(sample, &Self::is_latin);
                if ranking.first().is_none_or(|(_, score)| *score < SIGNS_BELOW) {
                    signs::add(&mut ranking, sample, SIGN_SCORE);
                }
                let is_short = ranking.iter().all(|(_, score)| *score < WORD_SCORE);
                let lead = if is_short { SIGN_SCORE / 4 } else { WORD_SCORE / 2 };
                let english = ranking.iter().find(|(language, _)| *language == Self::English);
                let english = english.map_or(0, |(_, score)| *score);
                match ranking.first() {
                    // An English text may quote a few words.
                    Some((best, score)) if *score > english + lead => *best,
                    _ => Self::English,
                }
            }
        }
    }

    /// Returns the one of `languages` that `query` is in, if its script or its stop words show it.
    pub fn of_query(query: &str, languages: &[Self]) -> Option<Self> {
        match script(query) {
            Script::Only(language) => languages.contains(&language).then_some(language),
            Script::Cyrillic | Script::Latin => {
                let ranking = ranking(query, &|language| languages.contains(&language));
                let [(best, score), others @ ..] = ranking.as_slice() else { return None };
                let next = others.first().map_or(0, |(_, score)| *score);
                (*score >= WORD_SCORE && *score * 2 >= next * 3).then_some(*best)
            }
        }
    }

    /// Reports whether `word`, in lower case, is a stop word.
    pub fn is_stop_word(self, word: &str) -> bool {
        stop_words().get(word).is_some_and(|languages| languages & (1 << self as u32) != 0)
    }
}

/// More than one in this many letters of a Vietnamese text is of no other language; letters with a
/// tone count twice.
const VIETNAMESE_SHARE: u32 = 8;

/// The script of a text.
enum Script {
    Latin,
    Cyrillic,
    Only(Language),
}

fn script(text: &str) -> Script {
    use Language::*;
    if text.is_ascii() {
        return Script::Latin;
    }
    let (mut latin, mut cyrillic, mut kana, mut vietnamese) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut only = [(Arabic, 0), (Greek, 0), (Hindi, 0), (Korean, 0), (Thai, 0), (Chinese, 0)];
    for character in text.chars() {
        let at = match character {
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => {
                latin += 1;
                vietnamese +=
                    u32::from(matches!(character, 'ơ' | 'Ơ' | 'ư' | 'Ư' | 'đ' | 'Đ' | 'ă' | 'Ă'));
                continue;
            }
            // Letters with two marks, and with tones.
            '\u{1ea0}'..='\u{1ef9}' => {
                latin += 1;
                vietnamese += 2;
                continue;
            }
            '\u{400}'..='\u{52f}' => {
                cyrillic += 1;
                continue;
            }
            '\u{600}'..='\u{6ff}' => 0,
            '\u{370}'..='\u{3ff}' => 1,
            '\u{900}'..='\u{97f}' => 2,
            '\u{ac00}'..='\u{d7a3}' => 3,
            '\u{e00}'..='\u{e7f}' => 4,
            '\u{3041}'..='\u{30ff}' => {
                kana += 1;
                5
            }
            '\u{3400}'..='\u{9fff}' => 5,
            _ => continue,
        };
        // An ideograph counts as much as a few letters.
        only[at].1 += if at == 5 { 3 } else { 1 };
    }
    let Some(&(language, count)) = only.iter().max_by_key(|(_, count)| *count) else {
        return Script::Latin;
    };
    match language {
        _ if count <= latin.max(cyrillic) && cyrillic > latin => Script::Cyrillic,
        _ if count <= latin && vietnamese * VIETNAMESE_SHARE > latin => Script::Only(Vietnamese),
        _ if count <= latin => Script::Latin,
        // Japanese text is at least a third kana; Chinese text may quote a word of it.
        Chinese if kana * 3 * 8 > count => Script::Only(Japanese),
        other => Script::Only(other),
    }
}

/// Returns the admitted languages whose stop words occur in `text`, with their scores, best first.
fn ranking(text: &str, is_admitted: &dyn Fn(Language) -> bool) -> Vec<(Language, u32)> {
    let mut scores = [0; Language::ALL.len()];
    let text = text.to_lowercase();
    let is_inside = char::is_alphanumeric;
    for piece in text.split_inclusive(|c| !is_inside(c)) {
        let word = piece.trim_end_matches(|c| !is_inside(c));
        // Initials, variables and units are no words: "L.", "n=3".
        let is_letter = word.len() == 1 && !piece.ends_with([' ', '\n', '\'', '\u{2019}']);
        if word.len() > stop_words::WORD_BYTES_MAX || is_letter && piece.len() > 1 {
            continue;
        }
        let Some(&languages) = stop_words().get(word) else { continue };
        let score = WORD_SCORE / languages.count_ones();
        let mut rest = languages;
        while rest != 0 {
            scores[rest.trailing_zeros() as usize] += score;
            rest &= rest - 1;
        }
    }
    let all = Language::ALL.iter().copied().zip(scores);
    let mut ranking: Vec<_> =
        all.filter(|(language, score)| *score > 0 && is_admitted(*language)).collect();
    // Stable sort: among equals English comes first.
    ranking.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
    ranking
}

/// Returns every stop word with the languages that have it, one bit each.
fn stop_words() -> &'static HashMap<&'static str, u32, RandomState> {
    static WORDS: OnceLock<HashMap<&'static str, u32, RandomState>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let mut words = HashMap::default();
        for (language, list) in LISTS {
            for word in list.split_whitespace() {
                *words.entry(word).or_insert(0) |= 1 << *language as u32;
            }
        }
        words
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_detected() {
        let check = |text: &str, expected: Language| {
            assert_eq!(Language::detect(text), expected, "{text}");
        };
        check("", Language::English);
        check("fn main() { let x = 3; }", Language::English);
        check("The ferry crosses the river when it is calm.", Language::English);
        check("Die Fähre überquert den Fluss, wenn es ruhig ist.", Language::German);
        check("El transbordador cruza el río cuando está en calma.", Language::Spanish);
        check("Le bac traverse la rivière quand elle est calme.", Language::French);
        check(
            "Il traghetto attraversa il fiume quando è calmo, e non di notte.",
            Language::Italian,
        );
        check("A balsa atravessa o rio quando ele não está agitado.", Language::Portuguese);
        check("Het veer steekt de rivier over als het water niet te hoog is.", Language::Dutch);
        check("Färjan går över älven när det är lugnt och inte annars.", Language::Swedish);
        check("Prom przepływa rzekę, gdy jest spokojnie i nie ma wiatru.", Language::Polish);
        check("Паром ходит через реку, когда она спокойна.", Language::Russian);
        check("Пором ходить через річку, коли вона спокійна і що є вода.", Language::Ukrainian);
        check("Το πλοίο περνά το ποτάμι", Language::Greek);
        check("渡船在河水平静时过河。Ferry", Language::Chinese);
        check("フェリーは川が穏やかなときに川を渡ります。", Language::Japanese);
        check("나룻배는 강이 잔잔할 때 건넌다", Language::Korean);
        check("เรือข้ามฟากข้ามแม่น้ำ", Language::Thai);
        check("العبارة تعبر النهر", Language::Arabic);
        check("Bến phà nằm ở bờ sông phía đông.", Language::Vietnamese);
        check(
            "They met in Hà Nội and in Đà Nẵng, and not in any other town of it.",
            Language::English,
        );
        check(
            "T790M-positive cells of U. aurea Lour. (n=21) and U. baouleënsis (n=10); D. L. M. S.",
            Language::English,
        );
        // Without stop words.
        check("Sicherungen prüfen", Language::German);
        check("Verfügbarkeit Datenbankverwaltung", Language::German);
        check("configuração", Language::Portuguese);
        check("información", Language::Spanish);
        check("sécurité informatique, données", Language::French);
        check("Réseau privé", Language::French);
        check("autorizzazione", Language::Italian);
        check("beschikbaarheid", Language::Dutch);
        check("användarhantering", Language::Swedish);
        check("bezpieczeństwo", Language::Polish);
        check("configuration", Language::English);
        check("München airport shuttle timetable", Language::English);
    }
}
