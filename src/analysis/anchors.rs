//! Fragments of Markdown headings, as the sites that are made of Markdown give them: for links that
//! lead to the passage.

use std::collections::HashMap;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

/// By which rule a heading becomes a fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorStyle {
    /// GitHub's, which Docusaurus, Astro and others share (github-slugger).
    #[default]
    Github,
    /// That of MkDocs (Python-Markdown, `toc`).
    Mkdocs,
}

impl AnchorStyle {
    fn slug(self, heading: &str) -> String {
        match self {
            Self::Github => github(heading),
            Self::Mkdocs => mkdocs(heading),
        }
    }

    /// Returns the fragment for the `count`th heading that would have `slug`, beginning with 0.
    fn numbered(self, slug: &str, count: usize) -> String {
        match self {
            _ if count == 0 => slug.to_owned(),
            Self::Github => format!("{slug}-{count}"),
            Self::Mkdocs => format!("{slug}_{count}"),
        }
    }
}

/// Returns the fragment of the last heading of a Markdown `text` that begins at or before the byte
/// `place`; `None` if there is none. A heading names its own with `{#fragment}` at its end.
pub fn fragment_above(text: &str, place: usize, style: AnchorStyle) -> Option<String> {
    let options = Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_TABLES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut fragments = Fragments::default();
    let mut heading: Option<(Option<String>, String)> = None;
    let mut above = None;
    for (event, span) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { id, .. }) => {
                if span.start > place {
                    break;
                }
                heading = Some((id.map(String::from), String::new()));
            }
            Event::End(TagEnd::Heading(_)) => {
                above = heading.take().map(|(id, text)| fragments.next(id, &text, style));
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some((_, text)) = &mut heading {
                    text.push_str(&part);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, text)) = &mut heading {
                    text.push(' ');
                }
            }
            _ => {}
        }
    }
    above.filter(|fragment| !fragment.is_empty())
}

/// The fragments so far, with how often each was given.
#[derive(Default)]
struct Fragments(HashMap<String, usize>);

impl Fragments {
    fn next(&mut self, id: Option<String>, heading: &str, style: AnchorStyle) -> String {
        let slug = match id {
            Some(id) => return id,
            None => style.slug(heading),
        };
        let mut count = self.0.get(&slug).copied().unwrap_or_default();
        let mut fragment = style.numbered(&slug, count);
        while count > 0 && self.0.contains_key(&fragment) {
            count += 1;
            fragment = style.numbered(&slug, count);
        }
        self.0.insert(slug, count + 1);
        self.0.entry(fragment.clone()).or_insert(1);
        fragment
    }
}

fn github(heading: &str) -> String {
    let kept =
        heading.trim().chars().filter(|&c| c.is_alphanumeric() || "-_ ".contains(c) || is_mark(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Reports whether `c` is a mark on the letter before it, which slugs keep.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

fn mkdocs(heading: &str) -> String {
    let ascii = heading.nfkd().filter(char::is_ascii);
    let is_kept = |c: &char| c.is_ascii_alphanumeric() || "_-".contains(*c) || c.is_whitespace();
    let kept: String = ascii.filter(is_kept).collect();
    let mut slug = String::new();
    for c in kept.trim().to_lowercase().chars() {
        match c {
            '-' | ' ' | '\t' if slug.ends_with('-') => {}
            ' ' | '\t' => slug.push('-'),
            _ => slug.push(c),
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_fragments_by_the_rule_of_their_site() {
        let check = |heading: &str, github: &str, mkdocs: &str| {
            let text = format!("# Top\n\n## {heading}\n\nText.\n");
            let of = |style| fragment_above(&text, text.len(), style).unwrap_or_default();
            assert_eq!(of(AnchorStyle::Github), github, "{heading}");
            assert_eq!(of(AnchorStyle::Mkdocs), mkdocs, "{heading}");
        };
        check("Install it", "install-it", "install-it");
        check("What's new in 2.0?", "whats-new-in-20", "whats-new-in-20");
        check("The `run` command", "the-run-command", "the-run-command");
        check("C++ & Rust", "c--rust", "c-rust");
        check("Größe ändern", "größe-ändern", "groe-andern");
        check("snake_case name", "snake_case-name", "snake_case-name");
        check("[A link](https://x.org) here", "a-link-here", "a-link-here");
        check("Custom {#my-id}", "my-id", "my-id");
        check("*Big* **news**", "big-news", "big-news");
        check("日本語", "日本語", "");
    }

    #[test]
    fn repeated_headings_are_numbered() {
        let text = "---\ntitle: x\n---\n# Use\n\n## Use\n\n```\n# Use\n```\n\n## Use\n\nlast\n";
        let of = |place, style| fragment_above(text, place, style);
        let second = text.find("## Use").unwrap();
        assert_eq!(of(0, AnchorStyle::Github), None);
        assert_eq!(of(second - 1, AnchorStyle::Github).as_deref(), Some("use"));
        assert_eq!(of(second, AnchorStyle::Github).as_deref(), Some("use-1"));
        assert_eq!(of(text.len(), AnchorStyle::Github).as_deref(), Some("use-2"));
        assert_eq!(of(text.len(), AnchorStyle::Mkdocs).as_deref(), Some("use_2"));
    }
}
