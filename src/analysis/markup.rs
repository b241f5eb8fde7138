//! Markdown and HTML as a reader sees them: which bytes of a text are not read in its order, and
//! words that markup divides (`un**believ**able`, `caf&eacute;`).

use std::ops::Range;

use unicode_normalization::char::compose;

use super::scripts::{is_spaceless, is_word};

/// Limit on the bytes of a link's destination, a label or a tag.
const ASIDE_BYTES_MAX: usize = 2048;
/// Limit on the bytes of an entity.
const ENTITY_BYTES_MAX: usize = 10;
/// Limit on the bytes of a word that markup divides.
const DIVIDED_BYTES_MAX: usize = 256;

/// Tags that may be inside a word.
const TAGS_IN_WORDS: &[&str] = &[
    "b", "i", "em", "strong", "u", "s", "sub", "sup", "wbr", "span", "small", "big", "font", "mark",
];
/// Further tags that are not read.
const TAGS: &[&str] = &[
    "a", "abbr", "br", "cite", "code", "dd", "del", "details", "div", "dl", "dt", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "img", "ins", "kbd", "li", "ol", "p", "picture", "pre", "q", "samp",
    "source", "summary", "table", "tbody", "td", "th", "thead", "tr", "tt", "ul", "var", "video",
];

/// Returns the end of what begins at `at` and is not read there: the destination of a link, the
/// label of a reference or a footnote, a tag.
pub fn aside_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match (bytes[at], bytes.get(at + 1)?) {
        (b']', b'(') => destination_end(bytes, at + 2),
        (b']', b'[') => label_end(bytes, at + 2),
        (b'[', b'^') => label_end(bytes, at + 2),
        (b'<', _) => tag(text, at).filter(|tag| tag.is_known).map(|tag| tag.end),
        _ => None,
    }
}

/// Returns the end of a destination with its title, after the bracket that closes them.
fn destination_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let last = bytes.len().min(start + ASIDE_BYTES_MAX);
    for at in start..last {
        match (bytes[at], quote) {
            (b'\n', _) => return None,
            (byte, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (byte @ (b'"' | b'\''), None) if bytes[at - 1] == b' ' => quote = Some(byte),
            (b'(', None) => depth += 1,
            (b')', None) if depth == 0 => return Some(at + 1),
            (b')', None) => depth -= 1,
            // Only a title may follow white space.
            (b' ', None) if !matches!(bytes.get(at + 1), Some(b'"' | b'\'' | b')')) => return None,
            _ => {}
        }
    }
    None
}

fn label_end(bytes: &[u8], start: usize) -> Option<usize> {
    let label = &bytes[start..bytes.len().min(start + ASIDE_BYTES_MAX)];
    let end = label.iter().position(|byte| matches!(byte, b']' | b'[' | b'\n'))?;
    (label[end] == b']').then_some(start + end + 1)
}

struct Tag {
    end: usize,
    is_known: bool,
    is_in_words: bool,
}

fn tag(text: &str, at: usize) -> Option<Tag> {
    let bytes = text.as_bytes();
    let start = at + 1 + usize::from(bytes.get(at + 1) == Some(&b'/'));
    let name = bytes[start..].iter().take(10).take_while(|byte| byte.is_ascii_alphanumeric());
    let end = start + name.count();
    if !matches!(bytes.get(end)?, b'>' | b'/' | b' ') {
        return None;
    }
    let name = text[start..end].to_ascii_lowercase();
    let is_in_words = TAGS_IN_WORDS.contains(&&*name);
    let is_known = is_in_words || TAGS.contains(&&*name);
    let rest = &bytes[end..bytes.len().min(end + ASIDE_BYTES_MAX)];
    let close = rest.iter().take_while(|byte| **byte != b'<').position(|byte| *byte == b'>');
    is_known.then_some(Tag { end: end + close? + 1, is_known, is_in_words })
}

/// Returns what the entity at the start of `rest` stands for, blank unless it is a letter, and its
/// bytes.
pub fn entity(rest: &str) -> Option<(char, usize)> {
    let bytes = rest.as_bytes();
    let length = bytes.iter().take(ENTITY_BYTES_MAX + 2).position(|byte| *byte == b';')?;
    let name = rest.get(1..length).filter(|name| name.len() > 1)?;
    let character = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
        None if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) => named(name),
        None => return None,
    };
    Some((if is_word(character) { character } else { ' ' }, length + 1))
}

fn named(name: &str) -> char {
    match name {
        "szlig" => return 'ß',
        "aelig" => return 'æ',
        "AElig" => return 'Æ',
        "oelig" => return 'œ',
        "OElig" => return 'Œ',
        "oslash" => return 'ø',
        "Oslash" => return 'Ø',
        "thorn" => return 'þ',
        "eth" => return 'ð',
        "shy" => return '\u{ad}',
        _ => {}
    }
    let Some(letter) = name.chars().next() else { return ' ' };
    let mark = match &name[1..] {
        "acute" => '\u{301}',
        "grave" => '\u{300}',
        "circ" => '\u{302}',
        "tilde" => '\u{303}',
        "uml" => '\u{308}',
        "ring" => '\u{30a}',
        "cedil" => '\u{327}',
        "caron" => '\u{30c}',
        "ogon" => '\u{328}',
        _ => return ' ',
    };
    compose(letter, mark).unwrap_or(' ')
}

/// A word with markup inside.
pub struct Divided {
    /// The word as it is read.
    pub word: String,
    /// Its bytes.
    pub range: Range<usize>,
    /// The pieces of text between its markup.
    pub pieces: Vec<Range<usize>>,
}

/// Reports whether `rest`, which follows a word, may be markup inside it.
pub fn may_divide(rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'*' | b'~') => rest
            .iter()
            .find(|byte| !matches!(byte, b'*' | b'~'))
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii() || *byte == b'&'),
        Some(b'&') => rest.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'#'),
        Some(b'<') => rest.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'/'),
        _ => false,
    }
}

/// Returns the word at `start`, if markup divides it: entities of letters, tags, or emphasis that
/// begins and ends.
pub fn divided(text: &str, start: usize) -> Option<Divided> {
    let bytes = text.as_bytes();
    let is_star = |at: usize| matches!(bytes.get(at), Some(b'*' | b'~'));
    let mut word = String::new();
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut emphases = usize::from(start > 0 && is_star(start - 1));
    let (mut inside, mut is_divided) = (0, false);
    let mut at = start;
    while at - start < DIVIDED_BYTES_MAX {
        let rest = &text[at..];
        let end = rest.find(|c| !is_word(c) || is_spaceless(c)).unwrap_or(rest.len());
        if end > 0 {
            word.push_str(&rest[..end]);
            pieces.push(at..at + end);
            at += end;
            continue;
        }
        let begins_word = |at: usize| {
            text[at..].starts_with(|c| is_word(c) && !is_spaceless(c))
                || entity(&text[at..]).is_some_and(|(c, _)| c != ' ')
        };
        if bytes.get(at) == Some(&b'&')
            && let Some((letter, length)) = entity(rest).filter(|(letter, _)| *letter != ' ')
        {
            word.push(letter);
            is_divided = true;
            at += length;
        } else if is_star(at) {
            let stars = rest.len() - rest.trim_start_matches(['*', '~']).len();
            emphases += 1;
            if stars > 3 || !begins_word(at + stars) {
                break;
            }
            inside += 1;
            at += stars;
        } else if bytes.get(at) == Some(&b'<')
            && let Some(tag) = tag(text, at).filter(|tag| tag.is_in_words && begins_word(tag.end))
        {
            is_divided = true;
            at = tag.end;
        } else {
            break;
        }
    }
    is_divided |= inside > 0 && emphases.is_multiple_of(2);
    let is_balanced = inside == 0 || emphases.is_multiple_of(2);
    (is_divided && is_balanced).then_some(Divided { word, range: start..at, pieces })
}
