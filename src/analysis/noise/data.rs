//! Data in a text: base64, hexadecimal digits, dumps and lists of bytes, armoured keys, web tokens,
//! uuencoded files, tables of source maps.
//!
//! Data is at least [`BYTES_MIN`] bytes: a hash, the id of a key and a token in an example are
//! shorter, and are searched for.

use std::ops::Range;

use memchr::memmem;

use super::bytes::{
    BYTES_MIN, CLASSES, LINE_BYTES_MIN, PROBE_BYTES, SEEN_BYTES, STANDARD, STEP_BYTES, URL, VALUE,
    is, length_of,
};
use super::values::{dump, list};

/// Limit on a drawing, a key or a list between two marks.
const ENCLOSED_BYTES_MAX: usize = 256 << 10;

/// Returns the next run of base64 or hexadecimal digits, also over wrapped lines, and the next dump
/// or list of bytes that begins in `range`.
pub fn next(bytes: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let mut least = range.start;
    let mut probe = range.start;
    while probe < range.end {
        let Some(window) = bytes.get(probe..probe + PROBE_BYTES) else { break };
        let common =
            |window: &[u8]| window.iter().fold(u8::MAX, |all, it| all & CLASSES[usize::from(*it)]);
        let (first, second) = window.split_at(PROBE_BYTES / 2);
        let first = common(first);
        let mut next = probe + STEP_BYTES;
        let found = if first & common(second) & (STANDARD | URL) != 0 {
            run(bytes, least, probe).map_err(|end| {
                least = end;
                next = next.max(end);
            })
        } else if first & VALUE != 0 {
            dump(bytes, range.start, probe).or_else(|| list(bytes, range.start, probe)).ok_or(())
        } else {
            Err(())
        };
        if let Ok(found) = found {
            return (found.start < range.end).then_some(found);
        }
        probe = next;
    }
    None
}

/// Returns the run of base64 around `probe`, which begins at `least` or later; else the end of what
/// is none.
fn run(bytes: &[u8], least: usize, probe: usize) -> Result<Range<usize>, usize> {
    let mut end = probe;
    for class in [STANDARD, URL] {
        let before = bytes[least..probe].iter().rev();
        let start = probe - before.take_while(|byte| is(**byte, class)).count();
        let seen = &bytes[..bytes.len().min(start + SEEN_BYTES)];
        let line_end = probe + length_of(&seen[probe..], class);
        let is_data = |bytes: &[u8]| {
            let end = wrapped_end(bytes, start, probe + length_of(&bytes[probe..], class), class);
            (end - start >= BYTES_MIN && is_data(&bytes[start..end], class)).then_some(end)
        };
        if line_end - start >= LINE_BYTES_MIN && is_data(seen).is_some() {
            let line_end = probe + length_of(&bytes[probe..], class);
            return Ok(start..wrapped_end(bytes, start, line_end, class));
        }
        end = end.max(line_end);
    }
    Err(end)
}

/// Returns the end of the data at `start` whose first line ends at `end`: of the last of the lines
/// that are as long, or of a shorter one after these.
fn wrapped_end(bytes: &[u8], start: usize, mut end: usize, class: u8) -> usize {
    let width = end - start;
    if width < LINE_BYTES_MIN {
        return end;
    }
    let mut is_wrapped = false;
    loop {
        let skipped = bytes[end..].iter().take_while(|byte| matches!(byte, b'\r' | b' ' | b'\t'));
        let line_end = end + skipped.count();
        if bytes.get(line_end) != Some(&b'\n') {
            return end;
        }
        let indent =
            bytes[line_end + 1..].iter().take_while(|it| matches!(it, b' ' | b'\t' | b'>'));
        let next = line_end + 1 + indent.count();
        let length = length_of(&bytes[next..bytes.len().min(next + width + 1)], class);
        if length == width {
            (end, is_wrapped) = (next + length, true);
            continue;
        }
        let last = &bytes[next..next + length];
        let ends = bytes.get(next + length).is_none_or(|byte| matches!(byte, b'\r' | b'\n' | b'`'));
        let is_last =
            is_wrapped && length < width && ends && (last.ends_with(b"=") || is_mixed(last));
        return if is_last { next + length } else { end };
    }
}

fn has(part: &[u8], is: fn(&u8) -> bool) -> bool {
    part.iter().any(is)
}

/// Reports whether a part of a run has what no word has together.
fn is_mixed(part: &[u8]) -> bool {
    has(part, u8::is_ascii_digit)
        && (has(part, u8::is_ascii_uppercase) && has(part, u8::is_ascii_lowercase)
            || part.iter().all(u8::is_ascii_hexdigit))
}

/// Reports whether a long run is data: no word has capitals, small letters and digits in all parts,
/// and few letters of one case in a row.
fn is_data(run: &[u8], class: u8) -> bool {
    /// Bytes of a part.
    const PART: usize = 128;
    let is_hexadecimal = run.iter().all(u8::is_ascii_hexdigit)
        && has(run, u8::is_ascii_digit)
        && has(run, u8::is_ascii_alphabetic);
    let mixed = |bytes: usize| run.chunks(bytes).take(4).filter(|part| is_mixed(part)).count();
    if is_hexadecimal || class == STANDARD && run.len() >= 2 * PART && mixed(PART) >= 2 {
        return true;
    }
    // Letters of one case in a row are rare in data.
    let kind = |byte: &u8| (byte.is_ascii_uppercase(), byte.is_ascii_lowercase());
    let rows = run.chunk_by(|one, other| kind(one) == kind(other) && one.is_ascii_alphabetic());
    let in_words: usize = rows.map(<[u8]>::len).filter(|length| *length >= 3).sum();
    let parts = run.chunks(BYTES_MIN / 2).filter(|part| part.len() == BYTES_MIN / 2);
    let is_word = |part: &[u8]| !is_mixed(part);
    in_words * 2 < run.len() && !parts.into_iter().any(is_word)
}

/// Returns the data URI (RFC 2397) at `start`, unless it is short.
pub fn uri(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let before = text[..start].chars().next_back();
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let header = &text[start + "data:".len()..text.floor_char_boundary(start + 200)];
    let header = &header[..header.find(',')?];
    let is_parameter = |c: char| c.is_ascii_alphanumeric() || "/+.-;=_ ".contains(c);
    if !header.contains(['/', ';']) || !header.chars().all(is_parameter) {
        return None;
    }
    let payload = start + "data:".len() + header.len() + 1;
    if header.ends_with("base64") {
        let is_url = |byte: &u8| is(*byte, STANDARD | URL) || *byte == b'%';
        let length = bytes[payload..].iter().take_while(|byte| is_url(byte)).count();
        let end = wrapped_end(bytes, payload, payload + length, STANDARD);
        return (length >= 24).then_some(start..end);
    }
    let rest = &text[payload..text.floor_char_boundary(payload + ENCLOSED_BYTES_MAX)];
    let drawing = rest.starts_with("<svg").then(|| rest.find("</svg>")).flatten();
    let end = match (drawing, before) {
        (Some(end), _) => end + "</svg>".len(),
        (None, Some(quote @ ('"' | '\'' | '`'))) => rest.find([quote, '\n'])?,
        _ => rest.find(|c: char| c.is_whitespace() || "()<>\"'".contains(c)).unwrap_or(rest.len()),
    };
    (end >= 64).then_some(start..payload + end)
}

/// Returns the JSON Web Token (RFC 7519) at `start`: parts of base64 with dots between.
pub fn web_token(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if start > 0 && is(bytes[start - 1], STANDARD | URL) {
        return None;
    }
    let is_part = |byte: &u8| is(*byte, URL) || *byte == b'.';
    let length = bytes[start..].iter().take_while(|byte| is_part(byte)).count();
    let token = bytes[start..start + length].trim_ascii_end();
    let length = token.len() - token.iter().rev().take_while(|byte| **byte == b'.').count();
    let is_token = length >= BYTES_MIN && token[..length].contains(&b'.');
    is_token.then_some(start..start + length)
}

/// Returns what a key or a certificate encloses (RFC 7468, RFC 9580): the lines after
/// `-----BEGIN ...-----` at `start`.
pub fn armoured(text: &str, start: usize) -> Option<Range<usize>> {
    const MARK: &str = "-----";
    let rest = &text[start..text.floor_char_boundary(start + ENCLOSED_BYTES_MAX)];
    let label = MARK.len() + rest[MARK.len()..].find(MARK).filter(|length| *length < 64)?;
    let body = label + MARK.len();
    let end = body + memmem::find(&rest.as_bytes()[body..], b"-----END ")?;
    let is_blank =
        |c: char| c.is_whitespace() || matches!(c, '\\' | '"' | '\'' | '+' | '>' | '#' | '*');
    // Line ends may be escaped, as in JSON.
    let lines =
        rest[body..end].split("\\n").flat_map(str::lines).map(|it| it.trim_matches(is_blank));
    let is_data = |line: &str| line.contains(": ") || line.bytes().all(|byte| is(byte, STANDARD));
    if end - body < BYTES_MIN
        || !lines.clone().all(is_data)
        || !is_mixed(&rest.as_bytes()[body..end])
    {
        return None;
    }
    let first = rest[body..end].len() - rest[body..end].trim_start().len();
    let last = rest[body..end].trim_end().len();
    Some(start + body + first..start + body + last)
}

/// Returns the lines of a uuencoded file (POSIX) after `begin 644 name` at `start`.
pub fn uuencoded(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    if start > 0 && text.as_bytes()[start - 1] != b'\n' {
        return None;
    }
    let header = rest.lines().next().filter(|line| line.len() < 300)?;
    let mode = header.split(' ').nth(1)?;
    if !matches!(mode.len(), 3 | 4) || !mode.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        return None;
    }
    let mut end = header.len();
    for line in rest[header.len()..].split_inclusive('\n').skip(1) {
        let bytes = line.trim_end_matches(['\n', '\r']).as_bytes();
        let count = bytes.first().map_or(0, |first| usize::from(first.wrapping_sub(b' ') & 63));
        let length = 1 + count.div_ceil(3) * 4;
        let is_one = !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b' '..=b'`'));
        // Spaces at the end may be lost, and a checksum may follow.
        if !is_one || bytes.len() > length + 1 || bytes.len() + 4 < length {
            break;
        }
        end = line.as_ptr() as usize - rest.as_ptr() as usize + bytes.len();
    }
    let first = header.len() + 1;
    (end >= first + BYTES_MIN).then(|| start + first..start + end)
}

/// Returns the table of a source map (ECMA-426) that the key at `start` names.
pub fn mappings(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let after = start + "\"mappings\"".len();
    let blank = |byte: &&u8| matches!(byte, b' ' | b':' | b'\n' | b'\t' | b'\r');
    let open = after + bytes[after..].iter().take(8).take_while(blank).count();
    let is_inside = |byte: &&u8| is(**byte, STANDARD) || matches!(byte, b',' | b';');
    let first = open + usize::from(*bytes.get(open)? == b'"');
    let length = bytes[first..].iter().take_while(is_inside).count();
    (first > open && length >= BYTES_MIN).then_some(first..first + length)
}

#[cfg(test)]
mod tests {
    use crate::analysis::noise::{of, words};

    fn words_of(text: &str) -> String {
        words(text, 0..text.len(), &of(text)).into_owned()
    }

    /// Digits that look random.
    fn digits(alphabet: &[u8], count: usize) -> String {
        let mut state = 1_u32;
        let mut digit = || {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            char::from(alphabet[(state >> 16) as usize % alphabet.len()])
        };
        (0..count).map(|_| digit()).collect()
    }

    const URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const HEXADECIMAL: &[u8] = b"0123456789abcdef";

    fn bytes(count: usize) -> Vec<String> {
        let digits = digits(HEXADECIMAL, 2 * count);
        (0..count).map(|at| digits[2 * at..2 * at + 2].to_owned()).collect()
    }

    /// Checks that nothing is left of `data`, wherever it is in a text.
    fn check(data: &str) {
        for lead in (0..50).chain([200]) {
            let lead = "word ".repeat(lead / 5) + &"x".repeat(lead % 5);
            let text = format!("{lead}\n{data}\nafter");
            let words = words_of(&text);
            let left = words.trim_start_matches(&lead).trim_end_matches("after");
            assert_eq!(left.trim(), "", "after {} bytes", lead.len());
        }
    }

    fn check_is_text(text: &str) {
        let text = format!("word\n{text}\nafter");
        assert_eq!(words_of(&text), text);
    }

    #[test]
    fn base64_for_urls_and_web_tokens_are_data() {
        check(&digits(URL, 2000));
        check(&digits(URL, 150));
        check_is_text(&digits(URL, 100));
        let part = |count| digits(URL, count);
        check(&format!("eyJ{}.eyJ{}.{}", part(33), part(71), part(43)));
        check(&format!("eyJ{}..{}.{}.{}", part(60), part(16), part(400), part(22)));
        check_is_text(&format!("eyJ{}.{}", part(20), part(43)));
        for words in ["a-long-name-2-of-many-words-", "SOME_LONG_NAME_2_", "getTheNextItem2"] {
            check_is_text(&words.repeat(12));
        }
        check_is_text(&"/Storage/Ann/Library/Developer2/".repeat(7));
    }

    #[test]
    fn long_hexadecimal_numbers_are_data_and_hashes_are_not() {
        check(&digits(HEXADECIMAL, 160));
        check(&digits(HEXADECIMAL, 160).to_uppercase());
        for length in [32, 40, 64, 128] {
            check_is_text(&digits(HEXADECIMAL, length));
        }
    }

    #[test]
    fn dumps_are_data() {
        let bytes = bytes(128);
        let lines = |line: &dyn Fn(usize, &[String]) -> String| {
            let lines: Vec<String> =
                bytes.chunks(16).enumerate().map(|(at, row)| line(16 * at, row)).collect();
            lines.join("\n")
        };
        let canonical = |at: usize, row: &[String]| {
            format!("{at:08x}  {}  {}  |.ELF............|", row[..8].join(" "), row[8..].join(" "))
        };
        check(&lines(&canonical));
        check(&format!("{}\n*\n00000100  00\n00000101", lines(&canonical)));
        check(&lines(&|at, row| {
            let pairs: Vec<String> = row.chunks(2).map(|pair| pair.concat()).collect();
            format!("{at:08x}: {}  .ELF.hello there", pairs.join(" "))
        }));
        check(&lines(&|at, row| format!("    0x{at:04x}:  {}", row.join(" "))));
        check(&lines(&|_, row| row.join(" ")));
        check(&lines(&|_, row| format!("    {}:", row.join(":"))));
        check_is_text("00000000  7f 45 4c 46 02 01 01 00  00 00 00 00 00 00 00 00  |.ELF....|");
        check_is_text(&"2024  1200 1300 1400 1500 1600\n".repeat(9));
        check_is_text(&"12 34 56 78 90 12 34 56 78 90\n".repeat(9));
    }

    #[test]
    fn lists_of_bytes_are_data() {
        let bytes = bytes(256);
        let listed = |before: &str, between: &str| {
            let all: Vec<String> = bytes.iter().map(|byte| format!("{before}{byte}")).collect();
            all.join(between)
        };
        check(&listed("0x", ", "));
        check(&listed("0x", ","));
        check(&listed("0X", " "));
        check(&listed("\\x", ""));
        check(&listed("0x", ", ").replace(", 0x0", ",\n    0x0"));
        let numbers: Vec<String> = (0..200).map(|at| (at * 37 % 256).to_string()).collect();
        check(&numbers.join(", "));
        check(&numbers.join(",\n"));
        let array = format!("const unsigned char icon[] = {{ {} }};", listed("0x", ", "));
        assert_eq!(words_of(&array), "const unsigned char icon[] = {  };");
        check_is_text("0x7f, 0x45, 0x4c, 0x46");
        check_is_text(&numbers[..20].join(", "));
        check_is_text(&"1,234,567 1.5 ".repeat(20));
        check_is_text(&"12 34 56 78 90 ".repeat(20));
        check_is_text(&"10.0.0.1, 10.0.0.2, ".repeat(20));
    }

    #[test]
    fn what_a_key_encloses_is_data() {
        let body = digits(&URL[..62], 200);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).filter_map(|it| str::from_utf8(it).ok()).collect();
        for between in ["\n", "\n    ", "\\n", "\r\n"] {
            let text = format!(
                "-----BEGIN EC PRIVATE KEY-----{between}{}{between}-----END",
                lines.join(between)
            );
            let text = format!("{text} EC PRIVATE KEY-----");
            let words = words_of(&text);
            assert!(!words.contains(&body[..8]) && !words.contains(&body[192..]), "{words:?}");
            assert!(words.starts_with("-----BEGIN EC PRIVATE KEY-----") && words.len() < 80);
        }
        let prose = "Paste the text of your certificate here, with all of its lines. ".repeat(4);
        check_is_text(&format!("-----BEGIN CERTIFICATE-----\n{prose}\n-----END CERTIFICATE-----"));
    }

    #[test]
    fn uuencoded_files_and_source_maps_are_data() {
        let line = format!(
            "M{}",
            digits(b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_", 60)
        );
        let file = format!("begin 644 a.bin\n{}\n#0V%T\n`\nend\n", [&*line; 4].join("\n"));
        assert_eq!(words_of(&file), "begin 644 a.bin\n\nend\n");
        check_is_text("begin 644 pages of text\nthat nobody reads");
        let mappings = "AAAA,SAAS,IAAI;AACb,".repeat(20);
        let map = format!("{{\"version\":3,\"mappings\": \"{mappings}\",\"names\":[]}}");
        assert_eq!(words_of(&map), "{\"version\":3,\"mappings\": \"\",\"names\":[]}");
    }
}
