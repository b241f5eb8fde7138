//! What a page declares: title, language, URL, rules for robots, links.

use serde_json::Value;

/// Limit on the tags of a page, each of its own element.
const TAGS_MAX: usize = 50;

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
    /// `<meta name=keywords>`.
    pub keywords: Option<String>,
    /// When it was published or last changed, as written: in `<meta>`, JSON-LD or `<time>`.
    pub date: Option<String>,
    /// `<meta http-equiv=refresh>`: seconds, and the URL that then replaces the page.
    pub refresh: Option<(u32, String)>,
    /// Whether it asks for a password.
    pub asks_password: bool,
    /// Whether it runs scripts.
    pub has_script: bool,
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
        // What is less certain counts if nothing else is there.
        let (mut linked_data, mut time) = (None, None);
        let mut tags = Vec::new();
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
                "meta" => {
                    self.read_meta(id, &mut facts);
                    if self.has(id, "property", "article:tag") {
                        tags.extend(self.attribute(id, "content").map(str::to_owned));
                    }
                }
                "input" => facts.asks_password |= self.has(id, "type", "password"),
                "script" if self.is_data(id) => {
                    let text = self.text(id);
                    set(&mut linked_data, linked_date(&text).as_deref());
                    tags.extend(linked_keywords(&text));
                }
                "script" => facts.has_script = true,
                "time" => set(&mut time, self.attribute(id, "datetime")),
                _ => {}
            }
        }
        facts.date = facts.date.or(linked_data).or(time);
        tags.truncate(TAGS_MAX);
        if !tags.is_empty() {
            facts.keywords =
                Some(facts.keywords.into_iter().chain(tags).collect::<Vec<_>>().join(", "));
        }
        facts
    }

    fn has(&self, id: NodeId, name: &str, value: &str) -> bool {
        self.attribute(id, name).is_some_and(|it| it.trim().eq_ignore_ascii_case(value))
    }

    /// Reports whether a script is none, but data.
    fn is_data(&self, id: NodeId) -> bool {
        self.attribute(id, "type").is_some_and(|media_type| media_type.contains("json"))
    }

    fn read_meta(&self, id: NodeId, facts: &mut Facts) {
        if facts.refresh.is_none() && self.has(id, "http-equiv", "refresh") {
            facts.refresh = self.attribute(id, "content").and_then(refresh);
        }
        let name = self.attribute(id, "name").or_else(|| self.attribute(id, "property"));
        let (Some(name), content @ Some(text)) = (name, self.attribute(id, "content")) else {
            return;
        };
        match name.to_ascii_lowercase().as_str() {
            "robots" => facts.robots.add(text),
            "description" | "og:description" => set(&mut facts.description, content),
            "keywords" => set(&mut facts.keywords, content),
            "author" | "dc.creator" => set(&mut facts.author, content),
            "article:modified_time"
            | "article:published_time"
            | "date"
            | "dc.date"
            | "last-modified" => set(&mut facts.date, content),
            _ => {}
        }
    }

    /// Returns the links of the page in their order, except those without a URL; the pages in its
    /// frames count.
    pub fn links(&self) -> impl Iterator<Item = Link<'_>> {
        self.all().filter_map(|id| {
            let attribute = match self.name(id) {
                "a" | "area" => "href",
                "frame" => "src",
                _ => return None,
            };
            let href = self.attribute(id, attribute)?.trim();
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

/// Returns the keywords of JSON-LD.
fn linked_keywords(text: &str) -> Vec<String> {
    let keywords = linked_objects(text, |object| match object.get("keywords")? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(words) => {
            Some(words.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        _ => None,
    });
    keywords.unwrap_or_default()
}

/// Returns what `find` finds first in an object of JSON-LD.
fn linked_objects<T>(text: &str, find: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let data: Value = serde_json::from_str(text).ok()?;
    let graph = data.get("@graph").and_then(Value::as_array).into_iter().flatten();
    data.as_array().into_iter().flatten().chain(graph).chain([&data]).find_map(find)
}

/// Returns the date of JSON-LD, schema.org: when the page last changed, or else was published.
fn linked_date(text: &str) -> Option<String> {
    let field =
        |name: &str| linked_objects(text, |object| object.get(name)?.as_str().map(str::to_owned));
    field("dateModified").or_else(|| field("datePublished"))
}

/// Parses seconds and URL of a refresh, as in `0; url=new.html`; `None` if it has no URL.
fn refresh(content: &str) -> Option<(u32, String)> {
    let content = content.trim();
    let end = content.find(|c: char| !c.is_ascii_digit()).unwrap_or(content.len());
    let (seconds, rest) = content.split_at(end);
    let rest = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let rest = rest.trim_start_matches([';', ',', ' ', '\t', '\n', '\r']);
    let named = rest.get(..3).filter(|name| name.eq_ignore_ascii_case("url"));
    let after = named.and_then(|_| rest[3..].trim_start().strip_prefix('='));
    let url = after.unwrap_or(rest).trim().trim_matches(['"', '\'']).trim();
    let seconds = if seconds.is_empty() { 0 } else { seconds.parse().ok()? };
    (!url.is_empty()).then(|| (seconds, url.to_owned()))
}

/// Keeps the first value that is not blank.
fn set(place: &mut Option<String>, value: Option<&str>) {
    if place.is_none() {
        *place = value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_from_all_places() {
        let facts = |html: &str| crate::dom::parse(html).facts().keywords;
        let html = "<meta name=keywords content='a, b'><meta property='article:tag' content=c>\
                    <script type='application/ld+json'>{\"@graph\": [{\"keywords\": [\"d\", \"e\"]}]}</script>";
        assert_eq!(facts(html).as_deref(), Some("a, b, c, d, e"));
        assert_eq!(facts("<meta name=keywords content=''>"), None);
    }

    #[test]
    fn dates_are_read_from_all_places() {
        let check = |html: &str, expected: Option<&str>| {
            assert_eq!(crate::dom::parse(html).facts().date.as_deref(), expected, "{html}");
        };
        let time = "<time datetime='2024-03-01'>March</time><time datetime=2020>old</time>";
        check(time, Some("2024-03-01"));
        let data = r#"<script type="application/ld+json">{"@graph": [{"@type": "WebPage"},
            {"datePublished": "2024-01-01", "dateModified": "2024-02-02"}]}</script>"#;
        check(&format!("{data}{time}"), Some("2024-02-02"));
        let meta = "<meta property=article:published_time content=2023-05-06>";
        check(&format!("{time}{data}{meta}"), Some("2023-05-06"));
        check("<script type='application/ld+json'>{</script><p>2024-01-01", None);
    }

    #[test]
    fn refreshes_are_read() {
        let check = |content: &str, expected: Option<(u32, &str)>| {
            let expected = expected.map(|(seconds, url)| (seconds, url.to_owned()));
            assert_eq!(refresh(content), expected, "{content}");
        };
        check("0; url=latest/", Some((0, "latest/")));
        check("1;URL='../a.html'", Some((1, "../a.html")));
        check(" 0.5 , url = \"a?b=c;d\" ", Some((0, "a?b=c;d")));
        check("3;a.html", Some((3, "a.html")));
        check("; url=a", Some((0, "a")));
        check("30", None);
        check("0; url=", None);
        check("", None);
    }
}
