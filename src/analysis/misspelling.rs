//! Misspelt words: which tokens of an index a word that it does not have may mean.
//!
//! Tokens are stems, and a slip near the end of a word changes its stem. Therefore every word that
//! is one slip away is stemmed and compared, and beyond that the stems are.

use std::collections::HashSet;

use super::fold::{fold, lower};
use super::language::Language;
use super::token;

/// Fewest letters of a word that may be misspelt; shorter ones are abbreviations.
const LETTERS_MIN: usize = 4;
/// Letters from which a word may have two slips.
const LETTERS_OF_TWO: usize = 8;
/// Limit on the letters of a word: longer ones are data.
const LETTERS_MAX: usize = 32;

/// A word that an index does not have.
#[derive(Clone, Debug)]
pub struct Misspelling {
    /// Its letters, folded, and those of its stems.
    forms: Vec<Vec<char>>,
    /// Tokens of the words that are one slip away.
    near: HashSet<String>,
    /// Slips it may have.
    slips_max: usize,
    first: char,
    letters: usize,
}

impl Misspelling {
    /// Returns the misspelling of `word`, or `None` if it is too short, too long, or not only
    /// letters.
    pub fn of(word: &str, languages: &[Language]) -> Option<Self> {
        let word = lower(word);
        let letters: Vec<char> = word.chars().collect();
        let is_word = letters.iter().all(|letter| letter.is_alphabetic())
            && (LETTERS_MIN..=LETTERS_MAX).contains(&letters.len());
        if !is_word {
            return None;
        }
        let mut forms = vec![fold(&word).chars().collect::<Vec<char>>()];
        let mut near = HashSet::new();
        for language in languages {
            let stem = token::of_word(&word, *language).chars().collect();
            if !forms.contains(&stem) {
                forms.push(stem);
            }
        }
        each_neighbour(&letters, |neighbour| {
            near.extend(languages.iter().map(|language| token::of_word(neighbour, *language)));
        });
        let slips_max = if letters.len() < LETTERS_OF_TWO { 1 } else { 2 };
        Some(Self { forms, near, slips_max, first: letters[0], letters: letters.len() })
    }

    /// Returns how far `token` is from the word, or `None` if the word does not mean it: twice the
    /// number of slips, and one more if its first letter differs, which is rare.
    pub fn distance(&self, token: &str) -> Option<usize> {
        let letters: Vec<char> = token.chars().collect();
        // A stem is shorter than its words.
        if letters.len() + 1 < LETTERS_MIN || letters.len() > self.letters + self.slips_max {
            return None;
        }
        let slips = if self.near.contains(token) {
            1
        } else {
            let limit = self.slips_max.min(letters.len() / 3);
            self.forms.iter().filter_map(|form| slips_between(form, &letters, limit)).min()?
        };
        Some(2 * slips + usize::from(letters[0] != self.first))
    }
}

/// Calls `visit` with every word that one slip makes of `word`: a letter too few, too many, another
/// one, or two in the wrong order.
fn each_neighbour(word: &[char], mut visit: impl FnMut(&str)) {
    let alphabet = alphabet(word);
    let mut text = String::new();
    let mut pass = |parts: [&[char]; 3]| {
        text.clear();
        text.extend(parts.into_iter().flatten());
        visit(&text);
    };
    for at in 0..=word.len() {
        let (before, after) = word.split_at(at);
        for letter in &alphabet {
            pass([before, &[*letter], after]);
            if let [_, after @ ..] = after {
                pass([before, &[*letter], after]);
            }
        }
        if let [_, rest @ ..] = after {
            pass([before, &[], rest]);
        }
        if let [one, other, rest @ ..] = after {
            pass([before, &[*other, *one], rest]);
        }
    }
}

/// Returns the letters that may be missing in `word`: those of its script, and its own.
fn alphabet(word: &[char]) -> Vec<char> {
    let script = match word[0] {
        'а'..='џ' => 'а'..='я',
        'α'..='ώ' => 'α'..='ω',
        '\u{5d0}'..='\u{5ea}' => '\u{5d0}'..='\u{5ea}',
        '\u{620}'..='\u{64a}' => '\u{621}'..='\u{64a}',
        _ => 'a'..='z',
    };
    let mut letters: Vec<char> = script.chain(word.iter().copied()).collect();
    letters.sort_unstable();
    letters.dedup();
    letters
}

/// Returns the number of slips between two words, up to `most`: letters added, removed or replaced,
/// and neighbours swapped (optimal string alignment).
fn slips_between(one: &[char], other: &[char], most: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > most || most == 0 {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut row = vec![at + 1];
        for (place, with) in other.iter().enumerate() {
            let mut slips = (last[place] + usize::from(letter != with))
                .min(last[place + 1] + 1)
                .min(row[place] + 1);
            if at > 0 && place > 0 && one[at - 1] == *with && *letter == other[place - 1] {
                slips = slips.min(before[place - 1] + 1);
            }
            row.push(slips);
        }
        if row.iter().min() > Some(&most) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|slips| *slips <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_mean_what_is_near() {
        let distance = |word: &str, token: &str| {
            Misspelling::of(word, &[Language::English]).and_then(|it| it.distance(token))
        };
        for (word, token, expected) in [
            ("slef", "self", Some(2)),
            ("cartthage", "carthag", Some(2)),
            ("connectoin", "connect", Some(2)),
            ("conectoin", "connect", None),
            ("databse", "databas", Some(2)),
            ("kuberentes", "kubernet", Some(2)),
            ("configration", "configur", Some(2)),
            ("instalaton", "instal", Some(2)),
            ("authetnicaton", "authent", None),
            ("elasticsaerhc", "elasticsearch", Some(4)),
            ("ybernetes", "kubernet", Some(5)),
            ("xube", "tube", Some(3)),
            ("abc", "abd", None),
            ("e0382", "e0383", None),
            ("slef", "shelf", None),
            ("slef", "zebra", None),
        ] {
            assert_eq!(distance(word, token), expected, "{word} {token}");
        }
        let german = Misspelling::of("Fähern", &[Language::German]).unwrap();
        assert_eq!(german.distance("fahr"), Some(2));
        assert_eq!(
            Misspelling::of("порл", &[Language::Russian]).unwrap().distance("порт"),
            Some(2)
        );
    }
}
