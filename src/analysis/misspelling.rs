//! Misspelt words: which tokens of an index a word that it does not have may mean.
//!
//! Tokens are stems, and a slip near the end of a word changes its stem. Therefore every word that
//! is one slip away is stemmed and compared, and beyond that the stems are. As a stem is of several
//! words, what a text writes is compared again: `horses` does not mean "housing".

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
    /// Its letters, folded, without the ending of a plural.
    singular: Vec<char>,
    /// Which letters each of the forms has.
    sets: Vec<LetterSet>,
    /// Tokens of the words that are one slip away.
    near: HashSet<String>,
    near_sets: Sieve,
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
        let mut near_sets = Sieve::new();
        each_neighbour(&letters, |neighbour| {
            for language in languages {
                let token = token::of_word(neighbour, *language);
                near_sets.add(LetterSet::of(&token));
                near.insert(token);
            }
        });
        let sets = forms.iter().map(|form| form.iter().copied().collect()).collect();
        let slips_max = if letters.len() < LETTERS_OF_TWO { 1 } else { 2 };
        let singular = singular(&fold(&word));
        let (first, letters) = (letters[0], letters.len());
        Some(Self { forms, singular, sets, near, near_sets, slips_max, first, letters })
    }

    /// Returns how far a word of a text is from the word, or `None` if the word does not mean it:
    /// twice the number of slips, one less if two letters are swapped, and two more if the first
    /// letter differs, which is rare; then there is one slip at most. Plurals count like singulars.
    pub fn distance_of_word(&self, written: &str) -> Option<usize> {
        let written = fold(&lower(written)).into_owned();
        let whole: Vec<char> = written.chars().collect();
        let candidates = [(&self.forms[0], &whole), (&self.singular, &singular(&written))];
        let slips = candidates
            .iter()
            .filter_map(|(one, other)| slips_between(one, other, self.slips_max))
            .min()?;
        let differs = whole.first() != self.forms[0].first();
        let mut letters = [self.singular.clone(), candidates[1].1.clone()];
        letters.iter_mut().for_each(|letters| letters.sort_unstable());
        let is_swapped = slips == 1 && letters[0] == letters[1];
        let allows = !differs || slips < 2;
        allows.then_some((2 * slips + 2 * usize::from(differs)).saturating_sub(is_swapped.into()))
    }

    /// Returns how far `token` is from the word, or `None` if the word does not mean it: twice the
    /// number of slips, and one more if its first letter differs, which is rare.
    pub fn distance(&self, token: &str) -> Option<usize> {
        let letters = token.chars().count();
        // A stem is shorter than its words.
        if letters + 1 < LETTERS_MIN || letters > self.letters + self.slips_max {
            return None;
        }
        // Every term of an index comes here: nearly all end at the letters that they have.
        let set = LetterSet::of(token);
        let slips = if self.near_sets.may_have(set) && self.near.contains(token) {
            1
        } else {
            let limit = self.slips_max.min(letters / 3);
            let forms = self.forms.iter().zip(&self.sets);
            let near = forms.filter(|(form, one)| {
                form.len().abs_diff(letters) <= limit && one.may_be_slips_from(set, limit)
            });
            let mut whole = Vec::new();
            let slips = near.filter_map(|(form, _)| {
                if whole.is_empty() {
                    whole.extend(token.chars());
                }
                slips_between(form, &whole, limit)
            });
            slips.min()?
        };
        Some(2 * slips + usize::from(!token.starts_with(self.first)))
    }
}

/// Which letters a word has, some of them counting as one.
#[derive(Clone, Copy, Debug)]
struct LetterSet(u64);

impl LetterSet {
    fn of(word: &str) -> Self {
        word.chars().collect()
    }

    /// Reports whether the letters allow that at most `slips` make one word of the other: each
    /// changes at most two of them.
    fn may_be_slips_from(self, other: Self, slips: usize) -> bool {
        (self.0 ^ other.0).count_ones() as usize <= 2 * slips
    }
}

impl FromIterator<char> for LetterSet {
    fn from_iter<T: IntoIterator<Item = char>>(letters: T) -> Self {
        Self(letters.into_iter().fold(0, |set, letter| set | 1 << (u32::from(letter) % u64::BITS)))
    }
}

/// Tells most sets of letters apart from those that were added.
#[derive(Clone, Debug)]
struct Sieve(Vec<u64>);

impl Sieve {
    const BITS: u32 = 14;

    fn new() -> Self {
        Self(vec![0; 1 << (Self::BITS - u64::BITS.ilog2())])
    }

    fn add(&mut self, set: LetterSet) {
        let (block, bit) = Self::place(set);
        self.0[block] |= bit;
    }

    /// Reports whether `set` may have been added.
    fn may_have(&self, set: LetterSet) -> bool {
        let (block, bit) = Self::place(set);
        self.0[block] & bit != 0
    }

    /// Returns the block of a set and its bit there, by multiplicative hashing.
    fn place(set: LetterSet) -> (usize, u64) {
        let hash = set.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - Self::BITS);
        ((hash / u64::from(u64::BITS)) as usize, 1 << (hash % u64::from(u64::BITS)))
    }
}

/// Returns the letters of a word without the ending of an English, Spanish or French plural.
fn singular(word: &str) -> Vec<char> {
    let stem = match word.strip_suffix("ies") {
        Some(stem) if stem.len() > 2 => format!("{stem}y"),
        _ if word.ends_with("ss") => word.to_owned(),
        _ => word.strip_suffix('s').filter(|stem| stem.len() > 2).unwrap_or(word).to_owned(),
    };
    stem.chars().collect()
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
    fn words_of_texts_are_near_to_what_is_typed() {
        let distance = |typed: &str, written: &str| {
            Misspelling::of(typed, &[Language::English]).and_then(|it| it.distance_of_word(written))
        };
        for (typed, written, expected) in [
            ("slef", "Self", Some(1)),
            ("cartthage", "Carthage", Some(2)),
            ("connectoin", "connections", Some(1)),
            ("kubrenetse", "Kubernetes", Some(4)),
            ("ferris", "ferry", Some(2)),
            ("ferrries", "ferry", Some(2)),
            ("xube", "tube", Some(4)),
            ("xargs", "barges", None),
            ("sudo", "Sed", None),
            ("horses", "housing", None),
            ("zonfiguratoin", "configuration", None),
            ("word", "sword", Some(4)),
        ] {
            assert_eq!(distance(typed, written), expected, "{typed} {written}");
        }
    }

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
