//! What a page declares: title, language, URL, rules for robots, links.

use super::tree::{NodeId, Tree};

/// What a page declares, as written: URLs may be relative to `base`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `<title>`, with its white space.
    pub title: Option<String>,
    /// `lang` of the page.
    pub language: Option<String>,
    /// `<base href>`, the base of the page's relative URLs.
    pub base: Option<String>,
    /// `<link rel=canonical>`: the page's preferred URL.
    pub canonical: Option<String>,
    /// `<link rel=alternate type=text/markdown>`: the page as Markdown.
    pub markdown: Option<String>,
    /// `<meta name=robots>`.
    pub robots: Robots,
    /// `<meta name=description>`, or that for social networks.
    pub description: Option<String>,
    /// `<meta name=author>`.
    pub author: Option<String>,
    /// When it was published or last changed, as written.
    pub date: Option<String>,
}

/// What a page allows robots to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Robots {
    /// It must not be indexed.
    pub noindex: bool,
    /// None of its links may be followed.
    pub nofollow: bool,
}

/// A link to another page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// The URL as written, trimmed.
    pub href: &'a str,
    /// `rel=nofollow`.
    pub nofollow: bool,
}

impl Robots {
    /// Adds the words of a `robots` value, also that of an `X-Robots-Tag` header.
    pub fn add(&mut self, content: &str) {
        for word in content.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "noindex" => self.noindex = true,
                "nofollow" => self.nofollow = true,
                "none" => *self = Self { noindex: true, nofollow: true },
                _ => {}
            }
        }
    }
}

impl Tree {
    /// Returns what the page declares.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        for id in self.all() {
            match self.name(id) {
                "html" => set(&mut facts.language, self.attribute(id, "lang")),
                // Drawings also have titles.
                "title" if self.name(self.parent(id)) != "svg" => {
                    set(&mut facts.title, Some(&self.text(id)));
                }
                "base" => set(&mut facts.base, self.attribute(id, "href")),
                "link" if self.has_rel(id, "canonical") => {
                    set(&mut facts.canonical, self.attribute(id, "href"));
                }
                "link" if self.has_rel(id, "alternate") && self.is_markdown(id) => {
                    set(&mut facts.markdown, self.attribute(id, "href"));
                }
                "meta" => self.read_meta(id, &mut facts),
                _ => {}
            }
        }
        facts
    }

    fn read_meta(&self, id: NodeId, facts: &mut Facts) {
        let name = self.attribute(id, "name").or_else(|| self.attribute(id, "property"));
        let (Some(name), content @ Some(text)) = (name, self.attribute(id, "content")) else {
            return;
        };
        match name.to_ascii_lowercase().as_str() {
            "robots" => facts.robots.add(text),
            "description" | "og:description" => set(&mut facts.description, content),
            "author" | "dc.creator" => set(&mut facts.author, content),
            "article:modified_time"
            | "article:published_time"
            | "date"
            | "dc.date"
            | "last-modified" => set(&mut facts.date, content),
            _ => {}
        }
    }

    /// Returns the links of the page in their order, except those without a URL.
    pub fn links(&self) -> impl Iterator<Item = Link<'_>> {
        self.all().filter(|&id| matches!(self.name(id), "a" | "area")).filter_map(|id| {
            let href = self.attribute(id, "href")?.trim();
            (!href.is_empty()).then(|| Link { href, nofollow: self.has_rel(id, "nofollow") })
        })
    }

    fn is_markdown(&self, id: NodeId) -> bool {
        let media_type = self.attribute(id, "type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        ["text/markdown", "text/x-markdown"].iter().any(|it| media_type.eq_ignore_ascii_case(it))
    }

    fn has_rel(&self, id: NodeId, wanted: &str) -> bool {
        let rel = self.attribute(id, "rel").unwrap_or_default();
        rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(wanted))
    }
}

/// Keeps the first value that is not blank.
fn set(place: &mut Option<String>, value: Option<&str>) {
    if place.is_none() {
        *place = value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
    }
}
