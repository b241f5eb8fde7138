//! `llms.txt`: a site's list of pages for programs like this one, llmstxt.org.

use pulldown_cmark::{Event, Parser, Tag};

/// Limit on the file, in bytes.
pub(super) const SIZE_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Limit on the links used from it.
const LINKS_MAX: usize = 10_000;

/// Returns the links of the file, in order.
pub(super) fn links(text: &str) -> impl Iterator<Item = String> {
    markdown_links(text).take(LINKS_MAX)
}

/// Returns the links of Markdown, in order, as written.
pub fn markdown_links(text: &str) -> impl Iterator<Item = String> {
    Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    })
}

/// Recognises a page in Markdown by its URL.
pub(super) fn is_markdown(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or(url);
    [".md", ".markdown"].iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_distinguished() {
        let text =
            "# Site\n\n> About\n\n## Docs\n\n- [One](one.md): first\n- [Two](/two.html)\n- three\n";
        let found: Vec<_> = links(text).map(|link| (is_markdown(&link), link)).collect();
        assert_eq!(found, [(true, "one.md".to_owned()), (false, "/two.html".to_owned())]);
    }
}
