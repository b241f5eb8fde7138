//! A cache of names and their tokens: texts repeat their names, and a name has several tokens, each
//! of which takes reading and joining its parts.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use super::language::Language;
use super::place::Place;

/// Limit on the bytes of a name that is cached: its tokens are not longer, and each length fits
/// seven bits.
const NAME_BYTES_MAX: usize = 64;
/// Limit on the names that are cached; some 2 MiB per thread.
const NAMES_MAX: usize = 1 << 14;
/// The bit of a token's length that says that it is read in the text.
const IS_READ: u8 = 0x80;
/// Bytes before a token.
const HEADER: usize = 3;

/// The names that one thread has seen, by language.
pub struct KnownNames {
    languages: Vec<HashMap<Box<[u8]>, KnownName, RandomState>>,
    count: usize,
}

/// The tokens of a name.
pub struct KnownName {
    /// Bytes of the name.
    length: usize,
    /// Of each token: where its bytes in the name begin, how many they are, the length of the token
    /// with [`IS_READ`]; then the token.
    tokens: Vec<u8>,
}

impl KnownNames {
    /// Returns an empty cache.
    pub fn new() -> Self {
        Self { languages: Language::ALL.iter().map(|_| HashMap::default()).collect(), count: 0 }
    }

    /// Returns the name at the beginning of the text that has this `key`.
    pub fn get(&self, key: &[u8], language: Language) -> Option<&KnownName> {
        self.languages[language as usize].get(key)
    }

    /// Adds a name.
    pub fn insert(&mut self, key: &[u8], language: Language, mut name: KnownName) {
        if self.count == NAMES_MAX {
            *self = Self::new();
        }
        self.count += 1;
        name.tokens.shrink_to_fit();
        self.languages[language as usize].insert(key.into(), name);
    }
}

impl KnownName {
    /// Returns a name of `length` bytes, without tokens.
    pub fn new(length: usize) -> Self {
        Self { length, tokens: Vec::with_capacity(4 * NAME_BYTES_MAX) }
    }

    /// Returns its bytes in the text.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Adds the token of the bytes at `range` of the name.
    pub fn push(&mut self, range: Range<usize>, token: &[u8], place: Place) {
        let read = if place == Place::Text { IS_READ } else { 0 };
        let header = [range.start as u8, range.len() as u8, token.len() as u8 | read];
        self.tokens.extend_from_slice(&header);
        self.tokens.extend_from_slice(token);
    }

    /// Calls `visit` with its tokens, if the name is at `start`.
    pub fn for_each(&self, start: usize, mut visit: impl FnMut(Range<usize>, &[u8], Place)) {
        let mut rest = self.tokens.as_slice();
        while let Some((&[from, length, token], after)) = rest.split_first_chunk::<HEADER>() {
            let place = if token & IS_READ == 0 { Place::Beside } else { Place::Text };
            let (token, after) = after.split_at(usize::from(token & !IS_READ));
            let from = start + usize::from(from);
            visit(from..from + usize::from(length), token, place);
            rest = after;
        }
    }
}

/// Returns the bytes at `start` that decide how a name is read there, if they are not many: ASCII
/// letters, digits and the marks that join them. `None` if it depends on what follows them, too:
/// markup, a letter of another alphabet, groups of digits.
pub fn key(text: &str, start: usize) -> Option<&[u8]> {
    let rest = &text.as_bytes()[start..];
    let length = rest.iter().take(NAME_BYTES_MAX + 1).take_while(|byte| is_inside(**byte)).count();
    let is_known = length > 0
        && length <= NAME_BYTES_MAX
        && match rest.get(length) {
            Some(b'\\' | b'*' | b'~' | b'&' | b'<' | b'+' | b'#') => false,
            Some(b',') => !rest[length - 1].is_ascii_digit(),
            Some(byte) => byte.is_ascii(),
            None => true,
        };
    is_known.then(|| &rest[..length])
}

/// Reports whether `byte` may be in a name.
fn is_inside(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b':' | b'@' | b'\'')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tokens;

    #[test]
    fn names_have_the_same_tokens_when_they_are_known() {
        let names = [
            "snake_case",
            "std::vec::Vec",
            "a.b",
            "BB-3005",
            "3.11.2",
            "v1.2.3",
            "1'234",
            "HTTP/2",
            "getUserName",
            "l'eau",
            "me@example.org",
            "operator",
            "python3",
            "std::operator",
            "x_",
            "1",
            "12",
            "wifi-6",
        ];
        let ends = [
            "",
            " ",
            ".",
            ",",
            ",000",
            ",000,000",
            "++",
            "#",
            "**b**",
            "&eacute;",
            "<b>x</b>",
            "\\_y",
            "é",
            "\u{2019}s",
            "<<",
            "->x",
            "()",
            "::",
            ":",
            "-",
            "_",
            "_z",
            ".5",
            "'",
            "'s",
            "…",
            "猫",
        ];
        for language in [Language::English, Language::French] {
            for name in names {
                for end in ends {
                    // A thread that has seen no name.
                    let text = format!("{name}{end}");
                    let first = text.clone();
                    let alone = std::thread::spawn(move || tokens(&first, language));
                    let alone = alone.join().expect("no panic");
                    assert_eq!(tokens(&text, language), alone, "{text}");
                    assert_eq!(tokens(&text, language), alone, "{text}");
                }
            }
        }
    }

    #[test]
    fn languages_have_their_own_tokens() {
        let of = |language| tokens("re-connections", language);
        let (english, german) = (of(Language::English), of(Language::German));
        assert_ne!(english, german);
        assert_eq!(of(Language::English), english);
    }
}
