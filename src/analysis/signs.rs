//! Letters and endings that few languages have, which show the language of a text without stop
//! words, such as a title or a list.

use super::language::Language::{self, *};

/// Letters, each with the languages that have it.
const LETTERS: &[(&str, &[Language])] = &[
    ("ß", &[German]),
    ("ä", &[German, Swedish, Finnish]),
    ("ö", &[German, Swedish, Finnish, Hungarian, Turkish]),
    ("ü", &[German, Hungarian, Turkish]),
    ("å", &[Swedish, Danish, Norwegian]),
    ("æø", &[Danish, Norwegian]),
    ("ñ¿¡", &[Spanish]),
    ("ãõ", &[Portuguese]),
    ("ç", &[French, Portuguese, Turkish]),
    ("é", &[French, Spanish, Portuguese]),
    ("èêëîœûï", &[French]),
    ("á", &[Spanish, Portuguese, Hungarian, Czech]),
    ("âô", &[French, Portuguese]),
    ("àò", &[Italian, French]),
    ("ùì", &[Italian]),
    ("íóú", &[Spanish, Portuguese, Hungarian, Czech]),
    ("őű", &[Hungarian]),
    ("ąćęłńśźż", &[Polish]),
    ("ěřůďť", &[Czech]),
    ("čšž", &[Czech]),
    ("ğış", &[Turkish]),
    ("ăâîșțţ", &[Romanian]),
];

/// Endings of long words, each with the languages that have it.
const ENDINGS: &[(&str, &[Language])] = &[
    ("ung", &[German]),
    ("ungen", &[German]),
    ("keit", &[German]),
    ("keiten", &[German]),
    ("schaft", &[German]),
    ("lich", &[German]),
    ("ische", &[German]),
    ("ción", &[Spanish]),
    ("ciones", &[Spanish]),
    ("idad", &[Spanish]),
    ("ção", &[Portuguese]),
    ("ções", &[Portuguese]),
    ("idade", &[Portuguese]),
    ("agem", &[Portuguese]),
    ("zione", &[Italian]),
    ("zioni", &[Italian]),
    ("mento", &[Italian, Spanish, Portuguese]),
    ("eux", &[French]),
    ("eau", &[French]),
    ("ité", &[French]),
    ("ités", &[French]),
    ("ées", &[French]),
    ("aux", &[French]),
    ("ique", &[French]),
    ("iques", &[French]),
    ("heid", &[Dutch]),
    ("lijk", &[Dutch]),
    ("lijke", &[Dutch]),
    ("eren", &[Dutch, German]),
    ("ningar", &[Swedish]),
    ("ningen", &[Swedish, Norwegian]),
    ("ande", &[Swedish]),
    ("else", &[Danish, Norwegian]),
    ("elser", &[Danish, Norwegian]),
    ("ość", &[Polish]),
    ("ości", &[Polish]),
    ("anie", &[Polish]),
    ("ých", &[Czech]),
    ("ování", &[Czech]),
    ("tion", &[English, French]),
    ("tions", &[English, French]),
    ("ing", &[English, Swedish]),
    ("ness", &[English]),
    ("ity", &[English]),
    ("able", &[English, French]),
];

/// Bytes of a word whose ending counts.
const WORD_BYTES_MIN: usize = 5;

/// Adds to the `scores` of languages those of the signs in `text`: `score`, divided among the
/// languages of the sign, for the letters and for the endings of each word; best first.
pub fn add(scores: &mut Vec<(Language, u32)>, text: &str, score: u32) {
    let mut sums = [0; Language::ALL.len()];
    let mut admit = |languages: &[Language]| {
        for language in languages {
            sums[*language as usize] += score / languages.len() as u32;
        }
    };
    let text = text.to_lowercase();
    for word in text.split(|c: char| !c.is_alphabetic() && !"¿¡".contains(c)) {
        if !word.is_ascii() {
            for (letters, languages) in LETTERS {
                if word.contains(|c| letters.contains(c)) {
                    admit(languages);
                }
            }
        }
        if word.len() >= WORD_BYTES_MIN {
            for (ending, languages) in ENDINGS {
                if word.ends_with(ending) {
                    admit(languages);
                }
            }
        }
    }
    for (language, sum) in Language::ALL.iter().zip(sums).filter(|(_, sum)| *sum > 0) {
        match scores.iter_mut().find(|(known, _)| known == language) {
            Some((_, score)) => *score += sum,
            None => scores.push((*language, sum)),
        }
    }
    // Stable sort: among equals English comes first.
    scores.sort_by_key(|(language, score)| (std::cmp::Reverse(*score), *language));
}
