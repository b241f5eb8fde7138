//! Removes attributes from tags that have far too many: html5ever compares each with all before it.

use std::borrow::Cow;

/// Limit on the attributes of one tag; pages have a few dozen at most.
const ATTRIBUTES_MAX: usize = 256;

/// Elements whose content is not markup.
const RAW: [&str; 8] =
    ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];

/// Returns `text` with at most [`ATTRIBUTES_MAX`] attributes in each tag; linear in its length.
pub(super) fn capped(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut kept = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(open) = find(bytes, at, b'<') {
        at = open + 1;
        if bytes[at..].starts_with(b"!--") {
            at = text[at + 3..].find("-->").map_or(text.len(), |end| at + 3 + end);
        } else if bytes.get(at).is_some_and(u8::is_ascii_alphabetic) {
            let tag = Tag::scan(bytes, at);
            if let Some(cut) = tag.cut {
                kept.push_str(&text[copied..cut]);
                copied = tag.end;
            }
            at = tag.end;
            if let Some(raw) = RAW.iter().find(|raw| tag.name.eq_ignore_ascii_case(raw.as_bytes()))
            {
                at = end_of_raw(bytes, at, raw.as_bytes());
            }
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[copied..]);
    Cow::Owned(kept)
}

/// A start tag: its end, at `>` or the end of the text, and where it has to be truncated.
struct Tag<'a> {
    name: &'a [u8],
    cut: Option<usize>,
    end: usize,
}

impl<'a> Tag<'a> {
    fn scan(bytes: &'a [u8], start: usize) -> Self {
        let ends_name = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
        let mut at = start + bytes[start..].iter().take_while(|byte| !ends_name(byte)).count();
        let name = &bytes[start..at];
        let mut cut = None;
        let mut attributes = 0;
        loop {
            at += bytes[at..].iter().take_while(|b| b.is_ascii_whitespace() || **b == b'/').count();
            if at >= bytes.len() || bytes[at] == b'>' {
                return Self { name, cut, end: at };
            }
            attributes += 1;
            if attributes > ATTRIBUTES_MAX && cut.is_none() {
                cut = Some(at);
            }
            at = end_of_attribute(bytes, at);
        }
    }
}

/// Returns the end of the attribute that begins at `at`; always after it.
fn end_of_attribute(bytes: &[u8], start: usize) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=');
    // An equals sign at the start belongs to the name.
    let mut at = start + 1 + bytes[start + 1..].iter().take_while(|byte| !ends(byte)).count();
    let blank = |at: usize| bytes[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    if bytes.get(at + blank(at)) != Some(&b'=') {
        return at;
    }
    at += blank(at) + 1;
    at += blank(at);
    match bytes.get(at) {
        Some(&quote @ (b'"' | b'\'')) => {
            find(bytes, at + 1, quote).map_or(bytes.len(), |end| end + 1)
        }
        _ => {
            at + bytes[at..].iter().take_while(|b| !b.is_ascii_whitespace() && **b != b'>').count()
        }
    }
}

fn end_of_raw(bytes: &[u8], start: usize, name: &[u8]) -> usize {
    let mut at = start;
    while let Some(open) = find(bytes, at, b'<') {
        at = open + 1;
        let end = at + 1 + name.len();
        if bytes.get(at) == Some(&b'/')
            && bytes.get(at + 1..end).is_some_and(|found| found.eq_ignore_ascii_case(name))
        {
            return end;
        }
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let at = bytes.get(from..)?.iter().position(|&byte| byte == wanted)?;
    Some(from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_with_too_many_attributes_are_cut() {
        let many = |count: usize| (0..count).map(|n| format!(" a{n}='>'")).collect::<String>();
        let same = |text: &str| assert_eq!(capped(text), text);
        same("<p class=a>x</p>");
        same(&format!("<p{}>x", many(ATTRIBUTES_MAX)));
        same(&format!("<!-- <p{} -->x", many(300)));
        same(&format!("<script>a<b{}</script>x", many(300)));
        same("<");
        same("<a =");
        same("<a b = ");
        same("<é <a b='");
        let expected = format!("<b>1</b><p{} >x", many(ATTRIBUTES_MAX));
        assert_eq!(capped(&format!("<b>1</b><p{}>x", many(ATTRIBUTES_MAX + 9))), expected);
    }
}
