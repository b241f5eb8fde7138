//! Markdown headings: braces at their end, which are attributes such as `{#id}` or text, and tags
//! inside of them.

/// Returns the braces that end the text of a heading, with the white space before them; empty if
/// there are none, or if they hold attributes.
///
/// pulldown-cmark takes all braces for attributes, such as those of a route: `## GET /pets/{id}`.
pub fn braces(heading: &str) -> &str {
    let heading = heading.trim_end();
    let is_underline = |line: &str| {
        let line = line.trim();
        !line.is_empty() && (line.trim_matches('=').is_empty() || line.trim_matches('-').is_empty())
    };
    let text = match heading.rsplit_once('\n') {
        Some((text, line)) if is_underline(line) => text.trim_end(),
        _ => heading.trim_end_matches('#').trim_end(),
    };
    let Some((before, inner)) = text.strip_suffix('}').and_then(|text| text.rsplit_once('{'))
    else {
        return "";
    };
    let is_attribute = |word: &str| word.starts_with(['#', '.', ':']) || word.contains('=');
    let has_attributes = !inner.trim().is_empty() && inner.split_whitespace().all(is_attribute);
    if has_attributes { "" } else { &text[before.trim_end().len()..] }
}

/// Reports whether a tag inside of a heading separates words.
pub fn is_break(tag: &str) -> bool {
    let name = tag.trim_start_matches(['<', '/']);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    ["br", "p", "div", "hr", "li"].iter().any(|it| name[..end].eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_separate_words() {
        for tag in ["<br>", "<BR/>", "<br class=x />", "</div>"] {
            assert!(is_break(tag), "{tag}");
        }
        for tag in ["<wbr>", "<b>", "<a name=br>", "<!-- br -->"] {
            assert!(!is_break(tag), "{tag}");
        }
    }

    #[test]
    fn attributes_are_no_text() {
        let check =
            |heading: &str, expected: &str| assert_eq!(braces(heading), expected, "{heading}");
        check("## GET /pets/{id}\n", "{id}");
        check("## GET /pets/{id} ##", "{id}");
        check("/a/{x}/{y}\n===\n", "{y}");
        check("Use {name: x}\n---", " {name: x}");
        check("# Sets {a, b}", " {a, b}");
        for other in
            ["# A {#a-b}", "# A {.note #b key=val}", "A {: .x}\n---", "# A", "# {a} b", "}"]
        {
            check(other, "");
        }
    }
}
