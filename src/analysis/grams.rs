//! Runs of a script without spaces as overlapping grams.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::han;
use super::scripts::{gram_chars, is_spaceless};

/// The characters of a run, each with its bytes in the text, folded.
#[derive(Default)]
pub struct Run {
    units: Vec<(Range<usize>, char)>,
    gram: String,
}

impl Run {
    /// Reads the run at `start`; returns its end.
    pub fn read(&mut self, text: &str, start: usize) -> usize {
        self.units.clear();
        let mut end = start;
        let mut gram = None;
        for character in text[start..].chars().take_while(|character| is_spaceless(*character)) {
            let range = end..end + character.len_utf8();
            if *gram.get_or_insert(gram_chars(character)) != gram_chars(character) {
                break;
            }
            end = range.end;
            match self.units.last_mut() {
                // The vowels am of Thai and Lao, typed in two parts.
                Some((before, folded)) if is_am(*folded, character) => {
                    *folded = if character == THAI_AA { '\u{e33}' } else { '\u{eb3}' };
                    before.end = range.end;
                }
                Some((before, folded)) if is_joining(character) => {
                    let mut joined = text[before.start..range.end].nfkc();
                    if let (Some(one), None) = (joined.next(), joined.next()) {
                        *folded = han::fold(one);
                        before.end = range.end;
                    } else {
                        self.units.push((range, character));
                    }
                }
                _ if is_compatibility(character) => {
                    let mut whole = text[range.clone()].nfkc();
                    let one = whole.next().filter(|_| whole.next().is_none());
                    self.units.push((range, han::fold(one.unwrap_or(character))));
                }
                _ => self.units.push((range, han::fold(character))),
            }
        }
        end
    }

    /// Calls `visit` with the grams of the run and their bytes. The last ones are shorter, so that
    /// every character begins a token and can be searched for alone.
    pub fn for_each_gram(&mut self, mut visit: impl FnMut(Range<usize>, &str)) {
        let Some((_, first)) = self.units.first() else { return };
        let length = gram_chars(*first);
        for at in 0..self.units.len() {
            let units = &self.units[at..self.units.len().min(at + length)];
            self.gram.clear();
            self.gram.extend(units.iter().map(|(_, character)| *character));
            visit(units[0].0.start..units[units.len() - 1].0.end, &self.gram);
        }
    }
}

/// The second part of the Thai vowel am.
const THAI_AA: char = '\u{e32}';

/// Reports whether two characters are the vowel am.
fn is_am(one: char, other: char) -> bool {
    matches!((one, other), ('\u{e4d}', THAI_AA) | ('\u{ecd}', '\u{eb2}'))
}

/// Reports whether `character` may be one with the character before it: voice marks of kana, vowels
/// and final consonants of Hangul.
fn is_joining(character: char) -> bool {
    matches!(character, '\u{3099}' | '\u{309a}' | '\u{ff9e}' | '\u{ff9f}' | '\u{1160}'..='\u{11ff}')
}

/// Reports whether `character` is a half-width or compatibility form.
fn is_compatibility(character: char) -> bool {
    matches!(character, '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{2f800}'..='\u{2fa1f}')
}
