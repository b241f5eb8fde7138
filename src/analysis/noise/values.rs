//! Dumps and lists of bytes.

use std::ops::Range;

use super::bytes::{BYTES_MIN, PROBE_BYTES, SEEN_BYTES, STEP_BYTES, VALUE, is, is_between_values};

/// Limit on a line of a dump.
const DUMP_LINE_BYTES_MAX: usize = 160;

/// Least lines of a dump.
const DUMP_LINES_MIN: usize = 3;

/// Least bytes that a line of a dump shows.
const DUMP_LINE_VALUES_MIN: usize = 8;

/// Limit on the characters beside the bytes of a dump.
const DUMP_TEXT_BYTES_MAX: usize = 36;

/// Returns the lines of a dump around `probe`: `00000010  7f 45 4c 46 ...  |.ELF|`.
pub(super) fn dump(bytes: &[u8], least: usize, probe: usize) -> Option<Range<usize>> {
    let line_start = |at: usize| {
        let from = least.max(at.saturating_sub(DUMP_LINE_BYTES_MAX));
        let found = memchr::memrchr(b'\n', &bytes[from..at]).map(|it| from + it + 1);
        found.or((from == least).then_some(from))
    };
    let line = |start: usize| {
        let rest = &bytes[start..bytes.len().min(start + DUMP_LINE_BYTES_MAX)];
        &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]
    };
    let is_full = |start: usize| values_of(line(start)) >= DUMP_LINE_VALUES_MIN;
    let mut start = line_start(probe).filter(|start| is_full(*start))?;
    let mut lines = 0;
    let mut end = start;
    while end < bytes.len() && (is_full(end) || lines > 0 && line(end).trim_ascii() == b"*") {
        end += line(end).len() + 1;
        lines += 1;
    }
    while start > least
        && let Some(before) = line_start(start - 1).filter(|before| is_full(*before))
    {
        start = before;
        lines += 1;
    }
    // The last line of a dump may be short, and the one after it is an address.
    while end < bytes.len() && is_rest(line(end)) {
        end += line(end).len() + 1;
    }
    end = end.saturating_sub(1).min(bytes.len());
    (lines >= DUMP_LINES_MIN && end - start >= BYTES_MIN).then_some(start..end)
}

/// Returns the number of bytes that a line of a dump shows, 0 if it is none.
fn values_of(line: &[u8]) -> usize {
    let (has_address, values) = address(line);
    let (mut digits, mut width, mut has_letter) = (0, None, false);
    let mut at = 0;
    loop {
        let separators = length_between(&values[at..]);
        let word = values[at + separators..].iter().take_while(|byte| byte.is_ascii_hexdigit());
        let word = &values[at + separators..][..word.count()];
        let ends =
            values.get(at + separators + word.len()).is_none_or(|it| !it.is_ascii_alphanumeric());
        let is_one = matches!(word.len(), 2 | 4 | 8) && ends && (separators > 0 || at == 0);
        if !is_one || width.is_some_and(|width| width < word.len()) {
            break;
        }
        width = Some(word.len());
        digits += word.len();
        has_letter |= word.iter().any(u8::is_ascii_alphabetic);
        at += separators + word.len();
    }
    let text = values[at..].trim_ascii();
    let is_zero = values[..at].iter().all(|byte| !matches!(byte, b'1'..=b'9'));
    if text.len() > DUMP_TEXT_BYTES_MAX || !(has_address || has_letter || is_zero) {
        return 0;
    }
    digits / 2
}

/// Returns the number of blanks and marks between two bytes of a dump.
fn length_between(bytes: &[u8]) -> usize {
    bytes.iter().take(3).take_while(|byte| matches!(byte, b' ' | b'\t' | b':' | b'-')).count()
}

/// Reports whether a line begins like one of a dump, and returns what is after the address.
fn address(line: &[u8]) -> (bool, &[u8]) {
    let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'>' | b'|')).count();
    let line = &line[indent..];
    let digits = line.strip_prefix(b"0x").unwrap_or(line);
    let count = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = &digits[count..];
    match rest.first() {
        Some(b':') if (3..=16).contains(&count) => (true, &rest[1..]),
        None | Some(b' ' | b'\t') if (6..=16).contains(&count) && rest.len() != 1 => {
            // Eight digits may be the first bytes.
            let is_first = count == 8 && values_are_long(rest);
            if is_first { (false, line) } else { (true, rest) }
        }
        _ => (false, line),
    }
}

fn values_are_long(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() == 8
        && !rest.starts_with(b"0000000")
}

/// Reports whether a line is the end of a dump.
fn is_rest(line: &[u8]) -> bool {
    let (has_address, values) = address(line.trim_ascii_end());
    let words = values.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    has_address && values.len() < DUMP_LINE_BYTES_MAX / 2 && {
        let mut words = words.peekable();
        words.peek().is_none_or(|word| word.len() <= 4 && word.iter().all(u8::is_ascii_hexdigit))
    }
}

/// Returns the list of bytes around `probe`: `0x7f, 0x45, ...`, `127, 69, ...`, `\x7f\x45...`.
pub(super) fn list(bytes: &[u8], least: usize, probe: usize) -> Option<Range<usize>> {
    // A list that begins earlier was found by an earlier probe.
    let before = bytes[least..probe].iter().rev().take(2 * (STEP_BYTES + PROBE_BYTES));
    let mut start = probe - before.take_while(|byte| is(**byte, VALUE)).count();
    let seen = &bytes[..bytes.len().min(probe + SEEN_BYTES)];
    loop {
        start += length_between_values(&seen[start..]);
        let (end, values) = list_end(seen, start);
        if end - start >= BYTES_MIN && values * 8 >= end - start {
            return Some(start..list_end(bytes, start).0);
        }
        if end > probe || start >= probe {
            return None;
        }
        start = end.max(start + 1);
    }
}

fn length_between_values(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_between_values(**byte) && **byte != b'\\').count()
}

/// Returns the end of the values in a row at `start`, and their number.
fn list_end(bytes: &[u8], start: usize) -> (usize, usize) {
    let (mut at, mut end, mut count) = (start, start, 0);
    let mut form = None;
    while let Some((length, is)) = value(&bytes[at..]) {
        if *form.get_or_insert(is) != is {
            break;
        }
        count += 1;
        end = at + length;
        let between = &bytes[end..end + length_between_values(&bytes[end..])];
        // Numbers with spaces are a table.
        if is == Form::Decimal && !between.contains(&b',')
            || is != Form::Escaped && between.is_empty()
        {
            break;
        }
        at = end + between.len();
    }
    (end, count)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Hexadecimal,
    Decimal,
    Escaped,
}

/// Returns the bytes of the value at the start, and how it is written.
fn value(bytes: &[u8]) -> Option<(usize, Form)> {
    let digits = |from: usize, most: usize, is: fn(&u8) -> bool| {
        let count = bytes[from..].iter().take(most + 1).take_while(|byte| is(byte)).count();
        (1..=most).contains(&count).then_some(from + count)
    };
    let (end, form) = match bytes {
        [b'0', b'x' | b'X', ..] => (digits(2, 8, u8::is_ascii_hexdigit)?, Form::Hexadecimal),
        [b'\\', b'x', _, _, ..] if bytes[2..4].iter().all(u8::is_ascii_hexdigit) => {
            return Some((4, Form::Escaped));
        }
        [b'0'..=b'9', ..] => (digits(0, 3, u8::is_ascii_digit)?, Form::Decimal),
        _ => return None,
    };
    let suffix =
        bytes[end..].iter().take(3).take_while(|it| matches!(it, b'u' | b'U' | b'l' | b'L'));
    let end = end + suffix.count();
    let is_byte =
        form != Form::Decimal || bytes[..end].len() < 3 || &bytes[..3] <= b"255".as_slice();
    let ends = bytes.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.');
    (is_byte && ends).then_some((end, form))
}
