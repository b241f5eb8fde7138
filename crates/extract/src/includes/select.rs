//! Which part of an included file is meant.

/// A part of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// First and last lines, from 1; empty: all.
    pub(super) lines: Vec<(usize, usize)>,
    /// Names of marked parts; empty: all.
    pub(super) tags: Vec<String>,
    /// What follows this text.
    pub(super) after: Option<String>,
    /// What precedes this text.
    pub(super) before: Option<String>,
    /// The section below this heading of Markdown.
    pub(super) heading: Option<String>,
}

impl Selection {
    /// Reads `1..3;7..` or `1-3,7-`.
    pub(super) fn set_lines(&mut self, ranges: &str) {
        for range in ranges.trim_matches('"').split([',', ';']).map(str::trim) {
            let ends = range.split_once("..").or_else(|| range.split_once('-'));
            let (first, last) = ends.unwrap_or((range, range));
            let first = if first.is_empty() { Some(1) } else { first.parse().ok() };
            let last = if matches!(last, "" | "-1") { Some(usize::MAX) } else { last.parse().ok() };
            self.lines.extend(first.zip(last));
        }
    }

    /// Returns the part of `text`; `None` if it is not there.
    pub(super) fn of(&self, text: &str) -> Option<String> {
        let mut part = text;
        if let Some(after) = &self.after {
            part = &part[part.find(after.as_str())? + after.len()..];
        }
        if let Some(before) = &self.before {
            part = &part[..part.find(before.as_str())?];
        }
        let is_wanted = |number: usize| {
            self.lines.is_empty()
                || self.lines.iter().any(|&(first, last)| (first..=last).contains(&number))
        };
        let mut open: Vec<&str> = Vec::new();
        let mut is_inside = self.heading.is_none();
        let mut level = 0;
        let (mut selected, mut has_tag) = (String::new(), false);
        for (number, line) in (1..).zip(part.split_inclusive('\n')) {
            match mark(line) {
                Some((tag, true)) => open.push(tag),
                Some((tag, false)) => open.retain(|one| *one != tag),
                None => {
                    if let Some(heading) = &self.heading {
                        let here = line.bytes().take_while(|&byte| byte == b'#').count();
                        if is_inside && (1..=level).contains(&here) {
                            break;
                        }
                        let words = line[here..].trim();
                        if !is_inside && here > 0 && words.eq_ignore_ascii_case(heading) {
                            (is_inside, level) = (true, here);
                        }
                    }
                    let is_tagged = self.tags.is_empty()
                        || open.iter().any(|tag| self.tags.iter().any(|one| one == tag));
                    has_tag |= is_tagged;
                    if is_tagged && is_inside && is_wanted(number) {
                        selected.push_str(line);
                    }
                }
            }
        }
        (has_tag && is_inside || part.is_empty()).then_some(selected)
    }
}

/// Returns the name of a mark on a line, and whether a part begins there: `tag::name[]` and
/// `end::name[]`, `ANCHOR: name` and `ANCHOR_END: name`.
fn mark(line: &str) -> Option<(&str, bool)> {
    for (word, is_begin) in [("tag::", true), ("end::", false)] {
        if let Some((_, rest)) = line.split_once(word)
            && let Some((name, _)) = rest.split_once("[]")
            && is_name(name)
        {
            return Some((name, is_begin));
        }
    }
    for (word, is_begin) in [("ANCHOR: ", true), ("ANCHOR_END: ", false)] {
        if let Some((_, rest)) = line.split_once(word) {
            let name = rest.split_whitespace().next().unwrap_or_default();
            return is_name(name).then_some((name, is_begin));
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_selected() {
        let text = "a\n// tag::x[]\nb\n# ANCHOR: y\nc\n# ANCHOR_END: y\n// end::x[]\nd\n";
        let of = |selection: &Selection| selection.of(text);
        assert_eq!(of(&Selection::default()).unwrap(), "a\nb\nc\nd\n");
        let tagged = |tag: &str| Selection { tags: vec![tag.to_owned()], ..Selection::default() };
        assert_eq!(of(&tagged("x")).unwrap(), "b\nc\n");
        assert_eq!(of(&tagged("y")).unwrap(), "c\n");
        assert_eq!(of(&tagged("z")), None);
        let mut lines = Selection::default();
        lines.set_lines("1..1;8..");
        assert_eq!(of(&lines).unwrap(), "a\nd\n");
        let part = Selection {
            after: Some("b\n".to_owned()),
            before: Some("// end".to_owned()),
            ..Selection::default()
        };
        assert_eq!(of(&part).unwrap(), "c\n");
        let section = Selection { heading: Some("two".to_owned()), ..Selection::default() };
        let markdown = "# One\na\n## Two\nb\n### Deep\nc\n## Three\nd\n";
        assert_eq!(section.of(markdown).unwrap(), "## Two\nb\n### Deep\nc\n");
        assert_eq!(section.of("# One\n"), None);
    }
}
