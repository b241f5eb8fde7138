//! JSON (RFC 8259) as nodes: names in their order, numbers as written.
//!
//! serde_json decides what is valid; this walks a valid text.

use serde_json::value::RawValue;

use super::{DEPTH_MAX, Kind, NODES_MAX, Node};
use crate::lines::LineStarts;

/// Returns the value of a text; `None` if it is not JSON or over a limit.
pub(super) fn read(text: &str) -> Option<Node> {
    let valid: &RawValue = serde_json::from_str(text).ok()?;
    let mut nodes_left = NODES_MAX;
    let lines = LineStarts::of(text);
    Walk { text: valid.get(), lines: &lines, at: 0, nodes_left: &mut nodes_left }.value(0)
}

/// Returns the values of lines as a list; `None` if one of them is not JSON.
pub(super) fn read_lines(text: &str) -> Option<Node> {
    let mut nodes_left = NODES_MAX;
    let lines = LineStarts::of(text);
    let mut values = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let valid: &RawValue = serde_json::from_str(line).ok()?;
        let mut walk =
            Walk { text: valid.get(), lines: &lines, at: 0, nodes_left: &mut nodes_left };
        values.push(walk.value(0)?);
    }
    Some(Kind::List(values).into())
}

/// A position in a valid text.
struct Walk<'a> {
    text: &'a str,
    /// Lines of the file that the text is a part of.
    lines: &'a LineStarts,
    at: usize,
    nodes_left: &'a mut usize,
}

impl Walk<'_> {
    /// Reads a value; `None` if a limit is reached.
    fn value(&mut self, depth: usize) -> Option<Node> {
        *self.nodes_left = self.nodes_left.checked_sub(1)?;
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_space();
        let first = self.line(self.at);
        let kind = self.kind(depth)?;
        Some(Node { kind, lines: (first, self.line(self.at.saturating_sub(1))) })
    }

    /// Returns the line of a byte, from 1.
    fn line(&self, at: usize) -> u32 {
        self.text.get(at..).and_then(|rest| self.lines.of_part(rest)).unwrap_or(0)
    }

    fn kind(&mut self, depth: usize) -> Option<Kind> {
        match self.byte()? {
            b'{' => {
                let mut members = Vec::new();
                self.items(b'}', |walk| {
                    let name = walk.string()?;
                    walk.skip_space();
                    walk.at += 1;
                    members.push((name, walk.value(depth + 1)?));
                    Some(())
                })?;
                Some(Kind::Object(members))
            }
            b'[' => {
                let mut values = Vec::new();
                self.items(b']', |walk| {
                    values.push(walk.value(depth + 1)?);
                    Some(())
                })?;
                Some(Kind::List(values))
            }
            b'"' => self.string().map(Kind::Value),
            _ => {
                let rest = &self.text[self.at..];
                let is_end = |c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace();
                let end = rest.find(is_end).unwrap_or(rest.len());
                self.at += end;
                Some(Kind::Value(rest[..end].to_owned()))
            }
        }
    }

    /// Calls `item` for each item up to `end`.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        loop {
            self.skip_space();
            match self.byte()? {
                byte if byte == end => {
                    self.at += 1;
                    return Some(());
                }
                b',' => self.at += 1,
                _ => item(self)?,
            }
        }
    }

    /// Reads a text in quotes; one that is not valid Unicode stays as written.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while *bytes.get(self.at)? != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        let written = &self.text[start..self.at];
        let read = serde_json::from_str(written);
        Some(read.unwrap_or_else(|_| written[1..written.len() - 1].to_owned()))
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.byte().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_written() {
        let value = |text: &str| Node::from(Kind::Value(text.to_owned()));
        let object = |members| Node::from(Kind::Object(members));
        let list = |values| Node::from(Kind::List(values));
        assert_eq!(
            read(
                " {\"b\": [1.50, 123456789012345678901234567890, -1e400],\n \"a\\n\": {}, \"b\": \"\\u00e9\\\"\"} "
            ),
            Some(object(vec![
                (
                    "b".to_owned(),
                    list(["1.50", "123456789012345678901234567890", "-1e400"].map(value).into())
                ),
                ("a\n".to_owned(), object(vec![])),
                ("b".to_owned(), value("é\"")),
            ]))
        );
        assert_eq!(read("[\"\\ud800\", null]"), Some(list(vec![value("\\ud800"), value("null")])));
        assert_eq!(read_lines("1\n\n[]\n"), Some(list(vec![value("1"), list(vec![])])));
        for broken in ["", "[1,]", "{\"a\" 1}", "[1] 2", &"[".repeat(200_000)] {
            assert_eq!(read(broken), None);
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep), None);
    }
}
