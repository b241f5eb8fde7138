//! A cache of names and their tokens: texts repeat their names, and a name has several tokens, each
//! of which takes reading and joining its parts.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use foldhash::fast::RandomState;

use super::language::Language;
use super::place::Place;

/// Limit on the bytes of a name that is cached: its tokens are not longer, and each length fits
/// seven bits.
const NAME_BYTES_MAX: usize = 64;
/// Limit on the names that are cached; some 2 MiB per thread.
const NAMES_MAX: usize = 1 << 14;
/// A power of two, so many that most names are in the first slot of their hash.
const SLOTS: usize = 2 * NAMES_MAX;
/// The bit of a token's length that says that it is read in the text.
const IS_READ: u8 = 0x80;
/// Bytes before a name: its language, and the bytes of its key, of itself and of its tokens.
const NAME_HEADER: usize = 5;
/// Bytes before a token.
const TOKEN_HEADER: usize = 3;

/// The names that one thread has seen. All bytes of a name are together: it is found with one
/// access to its slot and one to it.
pub struct KnownNames {
    slots: Vec<Slot>,
    /// The names, after a byte that is none.
    bytes: Vec<u8>,
    count: usize,
    hasher: RandomState,
}

/// The place of a name; the next slots are those of other names with the same beginning of their
/// hash.
#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u32,
    /// Where it begins; 0 if the slot is free.
    start: u32,
}

/// A name that is known.
#[derive(Clone, Copy)]
pub struct KnownName<'a> {
    /// Bytes of the name.
    length: usize,
    tokens: &'a [u8],
}

/// The tokens of a name, one after the other: where its bytes in the name begin, how many they are,
/// the length of the token with [`IS_READ`]; then the token.
#[derive(Default)]
pub struct Tokens(Vec<u8>);

impl KnownNames {
    /// Returns an empty cache.
    pub fn new() -> Self {
        let slots = vec![Slot::default(); SLOTS];
        Self { slots, bytes: vec![0], count: 0, hasher: RandomState::default() }
    }

    /// Returns the name at the beginning of the text that has this `key`.
    pub fn get(&self, key: &[u8], language: Language) -> Option<KnownName<'_>> {
        let hash = self.hash(key, language);
        for at in self.slots_of(hash) {
            let Slot { hash: known, start } = self.slots[at];
            if start == 0 {
                return None;
            }
            if known == hash
                && let Some(name) = self.name_at(start as usize, key, language)
            {
                return Some(name);
            }
        }
        None
    }

    /// Adds a name of `length` bytes, which is not known yet, unless its tokens are too long.
    pub fn insert(&mut self, key: &[u8], language: Language, length: usize, tokens: &Tokens) {
        let Ok(tokens_len) = u16::try_from(tokens.0.len()) else { return };
        if self.count == NAMES_MAX {
            self.slots.fill(Slot::default());
            self.bytes.truncate(1);
            self.count = 0;
        }
        let hash = self.hash(key, language);
        let free = self.slots_of(hash).find(|at| self.slots[*at].start == 0);
        let (Some(free), Ok(start)) = (free, u32::try_from(self.bytes.len())) else { return };
        self.slots[free] = Slot { hash, start };
        self.count += 1;
        let [low, high] = tokens_len.to_le_bytes();
        self.bytes.extend([language as u8, key.len() as u8, length as u8, low, high]);
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(&tokens.0);
    }

    fn hash(&self, key: &[u8], language: Language) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.write_u8(language as u8);
        (hasher.finish() >> 32) as u32
    }

    /// Returns all slots, in the order in which a name with this hash is looked for.
    fn slots_of(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        (0..SLOTS).map(move |step| (hash as usize + step) % SLOTS)
    }

    /// Returns the name that begins at `start`, if it has this `key`.
    fn name_at(&self, start: usize, key: &[u8], language: Language) -> Option<KnownName<'_>> {
        let (header, rest) = self.bytes[start..].split_first_chunk::<NAME_HEADER>()?;
        let [its_language, key_len, length, low, high] = *header;
        if its_language != language as u8 || usize::from(key_len) != key.len() {
            return None;
        }
        let tokens = rest.strip_prefix(key)?;
        let tokens = &tokens[..usize::from(u16::from_le_bytes([low, high]))];
        Some(KnownName { length: usize::from(length), tokens })
    }
}

impl KnownName<'_> {
    /// Returns its bytes in the text.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Calls `visit` with its tokens, if the name is at `start`.
    pub fn for_each(&self, start: usize, visit: impl FnMut(Range<usize>, &[u8], Place)) {
        for_each(self.tokens, start, visit);
    }
}

impl Tokens {
    /// Removes all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the token of the bytes at `range` of the name.
    pub fn push(&mut self, range: Range<usize>, token: &[u8], place: Place) {
        let read = if place == Place::Text { IS_READ } else { 0 };
        self.0.extend([range.start as u8, range.len() as u8, token.len() as u8 | read]);
        self.0.extend_from_slice(token);
    }

    /// Calls `visit` with each, if the name is at `start`.
    pub fn for_each(&self, start: usize, visit: impl FnMut(Range<usize>, &[u8], Place)) {
        for_each(&self.0, start, visit);
    }
}

fn for_each(mut rest: &[u8], start: usize, mut visit: impl FnMut(Range<usize>, &[u8], Place)) {
    while let Some((&[from, length, token], after)) = rest.split_first_chunk::<TOKEN_HEADER>() {
        let place = if token & IS_READ == 0 { Place::Beside } else { Place::Text };
        let (token, after) = after.split_at(usize::from(token & !IS_READ));
        let from = start + usize::from(from);
        visit(from..from + usize::from(length), token, place);
        rest = after;
    }
}

/// Returns the bytes at `start` that decide how a name is read there, if they are not many: ASCII
/// letters, digits and the marks that join them. `None` if it depends on what follows them, too:
/// markup, a letter of another alphabet, groups of digits.
pub fn key(text: &str, start: usize) -> Option<&[u8]> {
    let rest = &text.as_bytes()[start..];
    let length =
        rest.iter().take(NAME_BYTES_MAX + 1).take_while(|byte| INSIDE[usize::from(**byte)]).count();
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

/// Whether each byte may be in a name.
static INSIDE: [bool; 256] = {
    let mut inside = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let it = byte as u8;
        inside[byte] = it.is_ascii_alphanumeric()
            || matches!(it, b'_' | b'.' | b'-' | b'/' | b':' | b'@' | b'\'');
        byte += 1;
    }
    inside
};

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
