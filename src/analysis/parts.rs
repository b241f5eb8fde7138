//! Parts of words: `python` and `3` of `python3`, `get`, `User` and `Name` of `getUserName`.

use std::ops::Range;

/// Digits of a part of a version that becomes a token itself: shorter parts are found by the whole.
const DIGITS_MIN: usize = 3;
/// Limit on the letters of a unit and the digits of a version that are divided from their word.
const DIVIDED_MAX: usize = 4;

/// Returns further parts that a word of letters and digits, or a number with marks, is searched for
/// by: `python3.11` by `python`, `python3` and `3.11`, `64KiB` by `64` and `KiB`.
pub fn divided(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let word = &text.as_bytes()[range.clone()];
    let mut parts = Vec::new();
    let prefix = word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let suffix = word.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let Some(core) = word.get(prefix..word.len() - suffix).filter(|core| !core.is_empty()) else {
        return parts;
    };
    let is_number = core.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let dots: Vec<usize> =
        (0..core.len()).filter(|at| core[*at] == b'.').map(|at| prefix + at).collect();
    let is_code = dots.is_empty() && (core.len() > DIVIDED_MAX || prefix == 1);
    if !is_number || prefix > 0 && suffix > 0 || is_code || suffix > DIVIDED_MAX {
        return parts;
    }
    let mut add = |start: usize, end: usize| {
        if start < end && end - start < word.len() {
            parts.push(range.start + start..range.start + end);
        }
    };
    let end = word.len() - suffix;
    if prefix > 1 {
        add(0, prefix);
        if let Some(first) = dots.first() {
            add(0, *first);
        }
    }
    add(prefix, end);
    add(end, word.len());
    if dots.len() > 1 {
        dots[1..].iter().for_each(|dot| add(prefix, *dot));
        let bounds = [prefix].into_iter().chain(dots.iter().map(|dot| dot + 1));
        for (start, end) in bounds.zip(dots.iter().copied().chain([end])) {
            if end - start >= DIGITS_MIN {
                add(start, end);
            }
        }
    }
    parts
}

/// Returns the humps of a camel case word, at least two of them: `get`, `User` and `Name`.
pub fn humps(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let bytes = &text.as_bytes()[range.clone()];
    let mut humps = Vec::new();
    let mut start = 0;
    for at in 1..=bytes.len() {
        let is_hump = at == bytes.len() || {
            let (before, here, after) = (bytes[at - 1], bytes[at], bytes.get(at + 1));
            here.is_ascii_uppercase()
                && (before.is_ascii_lowercase()
                    || before.is_ascii_uppercase() && after.is_some_and(u8::is_ascii_lowercase))
        };
        // A hump of one letter is useless.
        if is_hump && (start > 0 || at < bytes.len()) {
            if at - start > 1 {
                humps.push(range.start + start..range.start + at);
            }
            start = at;
        }
    }
    humps
}

/// Reports whether a capital follows a small letter, or a small letter follows two capitals.
pub fn is_camel(word: &[u8]) -> bool {
    let (mut capitals, mut has_small) = (0, false);
    for byte in word {
        if byte.is_ascii_uppercase() {
            if has_small {
                return true;
            }
            capitals += 1;
        } else if byte.is_ascii_lowercase() {
            if capitals > 1 {
                return true;
            }
            capitals = 0;
            has_small = true;
        } else {
            capitals = 0;
        }
    }
    false
}
