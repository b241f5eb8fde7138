//! Parses sitemaps: sitemaps.org, protocol 0.9, as XML (also compressed, in any encoding), index or
//! plain list; feeds (RSS, Atom) are sitemaps, too.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::decode::{decoded, decompressed};

/// Limit on one sitemap after decompression, in bytes; the protocol's own.
pub(super) const SIZE_MAX_BYTES: u64 = 50 * 1024 * 1024;

/// Limit on the entries of one sitemap; the protocol's own.
const ENTRIES_MAX: usize = 50_000;
/// Limit on a URL; the protocol allows 2,048 characters.
const URL_BYTES_MAX: usize = 4096;
/// Limit on a date.
const LASTMOD_BYTES_MAX: usize = 64;
/// Bytes at the beginning in which its root element is looked for.
const ROOT_BYTES: usize = 4096;

/// One entry of a sitemap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SitemapEntry {
    /// As written; may be relative.
    pub(super) url: String,
    pub(super) lastmod: Option<String>,
    /// `guid` of a feed, if it is a URL: for an entry without another one.
    guid: Option<String>,
    /// Whether it is another sitemap.
    pub(super) is_sitemap: bool,
}

/// The content of one sitemap.
#[derive(Debug, Default)]
pub(super) struct Sitemap {
    pub(super) entries: Vec<SitemapEntry>,
    /// Whether it has more entries than a sitemap may.
    pub(super) is_over: bool,
    /// Why there may be more than these entries: it is no sitemap, or not a whole one.
    pub(super) problem: Option<&'static str>,
}

impl Sitemap {
    /// Adds `entry`; returns false if the limit is reached.
    fn add(&mut self, mut entry: SitemapEntry) -> bool {
        if let Some(guid) = entry.guid.take().filter(|_| entry.url.is_empty()) {
            entry.url = guid;
        }
        if entry.url.is_empty() || entry.url.len() > URL_BYTES_MAX {
            return true;
        }
        self.is_over |= self.entries.len() == ENTRIES_MAX;
        if !self.is_over {
            self.entries.push(entry);
        }
        !self.is_over
    }
}

/// Parses as much as possible; skips invalid entries. `is_whole`: these are all of its bytes.
pub(super) fn parse(bytes: Vec<u8>, is_whole: bool) -> Sitemap {
    let (bytes, is_whole) = if bytes.starts_with(&[0x1f, 0x8b]) {
        let (plain, is_all) = decompressed(&bytes, SIZE_MAX_BYTES);
        (plain, is_whole && is_all)
    } else {
        (bytes, is_whole)
    };
    let mut sitemap = Sitemap::default();
    let text = decoded(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        parse_xml(text, &mut sitemap);
    } else {
        parse_list(text, &mut sitemap);
    }
    if !is_whole {
        sitemap.problem.get_or_insert("it is larger than the protocol allows (50 MiB), or cut off");
    }
    sitemap
}

/// Reports whether a file is a sitemap or a feed, by its root element.
pub fn looks_like_sitemap(bytes: &[u8]) -> bool {
    let start = decoded(&bytes[..bytes.len().min(ROOT_BYTES)]);
    let start = start.trim_start_matches('\u{feff}').trim_start();
    let mut reader = Reader::from_str(start);
    reader.config_mut().check_end_names = false;
    while start.starts_with('<')
        && let Ok(event) = reader.read_event()
    {
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                let root = local(tag.name().as_ref());
                return ["urlset", "sitemapindex", "rss", "feed"].contains(&root.as_str());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    false
}

fn parse_list(text: &str, sitemap: &mut Sitemap) {
    for line in text.lines().map(str::trim) {
        let is_url = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"));
        let url = line.to_owned();
        if is_url && !sitemap.add(SitemapEntry { url, ..SitemapEntry::default() }) {
            return;
        }
    }
    if sitemap.entries.is_empty() {
        sitemap.problem = Some("it is no sitemap");
    }
}

/// Names of root elements.
const ROOTS: [&str; 5] = ["urlset", "sitemapindex", "rss", "feed", "rdf"];
/// Prefixes of namespaces whose elements are not about pages.
const OTHERS: [&str; 7] = ["image", "video", "news", "xhtml", "atom", "media", "mobile"];

/// What an open element of interest is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Url,
    Lastmod,
    Guid,
}

/// Walks from tag to tag; end tags may be missing at the end.
fn parse_xml(text: &str, sitemap: &mut Sitemap) {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut entry: Option<SitemapEntry> = None;
    let mut field: Option<(Field, String)> = None;
    let mut root: Option<String> = None;
    let mut is_closed = false;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::DocType(kind) if kind.trim_start().to_ascii_lowercase().starts_with("html") => {
                sitemap.problem = Some("it is no sitemap, but a page of HTML");
                return;
            }
            Event::Start(tag) | Event::Empty(tag) if root.is_none() => {
                let name = local(tag.name().as_ref());
                if !ROOTS.contains(&name.as_str()) {
                    sitemap.problem = Some("it is no sitemap");
                    return;
                }
                is_closed = text.ends_with("/>");
                root = Some(name);
            }
            Event::Start(tag) => match local(tag.name().as_ref()).as_str() {
                "url" | "item" | "entry" => entry = Some(SitemapEntry::default()),
                "sitemap" => {
                    entry = Some(SitemapEntry { is_sitemap: true, ..SitemapEntry::default() });
                }
                _ => {
                    add_href(&tag, entry.as_mut());
                    field = field_of(tag.name().as_ref()).map(|field| (field, String::new()));
                }
            },
            Event::Empty(tag) => add_href(&tag, entry.as_mut()),
            Event::Text(text) => append(&mut field, &text),
            Event::CData(text) => append(&mut field, &text),
            Event::GeneralRef(name) => {
                append(&mut field, &unescape(&format!("&{};", &*name)).unwrap_or_default());
            }
            Event::End(tag) => {
                set(entry.as_mut(), field.take());
                let name = local(tag.name().as_ref());
                is_closed |= root.as_ref() == Some(&name);
                let ends = matches!(name.as_str(), "url" | "sitemap" | "item" | "entry");
                if ends && !entry.take().is_none_or(|entry| sitemap.add(entry)) {
                    return;
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    // What is open at the end counts if its URL is complete.
    if let Some(entry) = entry {
        sitemap.add(entry);
    }
    if root.is_none() {
        sitemap.problem = Some("it is no sitemap");
    } else if !is_closed {
        sitemap.problem = Some("it is cut off");
    }
}

/// Returns the name without its prefix.
fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_ascii_lowercase()
}

/// Returns what the text of an element is. In namespaces for images and the like, `loc` and `link`
/// have another meaning.
fn field_of(name: &str) -> Option<Field> {
    let prefix = name.rsplit_once(':').map(|(prefix, _)| prefix.to_ascii_lowercase());
    if prefix.is_some_and(|prefix| OTHERS.contains(&prefix.as_str())) {
        return None;
    }
    match local(name).as_str() {
        "loc" | "link" => Some(Field::Url),
        "lastmod" => Some(Field::Lastmod),
        "guid" => Some(Field::Guid),
        _ => None,
    }
}

/// Uses the `href` of a feed's `link`, unless it leads to something else than the page.
fn add_href(tag: &BytesStart<'_>, entry: Option<&mut SitemapEntry>) {
    let Some(entry) = entry.filter(|entry| entry.url.is_empty()) else { return };
    if tag.name().as_ref() != "link" {
        return;
    }
    let value = |name: &str| {
        let attribute = tag.try_get_attribute(name).ok()??;
        let value = attribute.value.to_string();
        Some(unescape(&value).map(String::from).unwrap_or(value))
    };
    if value("rel").is_none_or(|rel| rel == "alternate")
        && let Some(href) = value("href")
    {
        entry.url = href.trim().to_owned();
    }
}

fn append(field: &mut Option<(Field, String)>, text: &str) {
    if let Some((_, value)) = field
        && value.len() <= URL_BYTES_MAX
    {
        value.push_str(text);
    }
}

/// Stores the text of a field in its entry; the first of each counts.
fn set(entry: Option<&mut SitemapEntry>, field: Option<(Field, String)>) {
    let (Some(entry), Some((field, value))) = (entry, field) else { return };
    let value = value.trim();
    match field {
        Field::Url if entry.url.is_empty() => entry.url = value.to_owned(),
        Field::Lastmod if value.len() <= LASTMOD_BYTES_MAX => {
            entry.lastmod.get_or_insert_with(|| value.to_owned());
        }
        // `isPermaLink` need not say so: other ids are no URLs.
        Field::Guid if value.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("http")) => {
            entry.guid = Some(value.to_owned());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Checks URLs, dates, whether they are sitemaps, and whether there is a problem.
    fn check(bytes: &[u8], expected: &[(&str, Option<&str>, bool)], is_sound: bool) {
        let sitemap = parse(bytes.to_vec(), true);
        let found: Vec<_> = sitemap
            .entries
            .iter()
            .map(|entry| (entry.url.as_str(), entry.lastmod.as_deref(), entry.is_sitemap))
            .collect();
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(sitemap.problem.is_none(), is_sound, "{:?}", sitemap.problem);
    }

    fn pages(xml: &str, urls: &[&str]) {
        let expected: Vec<_> = urls.iter().map(|url| (*url, None, false)).collect();
        check(xml.as_bytes(), &expected, true);
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn sitemaps_of_every_form_are_read() {
        let all = b"<?xml version=\"1.0\"?><urlset xmlns=\"x\"><url>\n<loc> https://example.org/a?b&amp;c </loc>\
            <lastmod>2024-01-02</lastmod><image:image><image:loc>https://example.org/i.png</image:loc></image:image>\
            </url><url ><loc>https://example.org/d</loc></url></urlset>";
        let expected = [
            ("https://example.org/a?b&c", Some("2024-01-02"), false),
            ("https://example.org/d", None, false),
        ];
        check(all, &expected, true);
        check(&gzip(all), &expected, true);
        check(
            b"\xef\xbb\xbf<sitemapindex><sitemap><loc>/1.xml</loc></sitemap></sitemapindex>",
            &[("/1.xml", None, true)],
            true,
        );
        pages(
            "https://example.org/a\nnonsense\nHTTPS://example.org/b\n",
            &["https://example.org/a", "HTTPS://example.org/b"],
        );
        pages(
            "<ns0:urlset xmlns:ns0='x'><ns0:url><ns0:loc>/a</ns0:loc></ns0:url></ns0:urlset>",
            &["/a"],
        );
        pages("<urlset><url><loc><![CDATA[/a?b&c]]></loc></url></urlset>", &["/a?b&c"]);
        pages("<urlset><url><loc>/a?b=1&#x26;c&#038;d</loc></url></urlset>", &["/a?b=1&c&d"]);
        pages(
            "<urlset><!-- <url><loc>/no</loc></url> --><url><loc>/a</loc></url></urlset>",
            &["/a"],
        );
        pages("<urlset\n xmlns='x'><url\n><loc\n>/a</loc\n></url\n></urlset>", &["/a"]);
        pages(
            "<urlset><url><loc>/a</loc><xhtml:link rel='alternate' href='/b'/></url></urlset>",
            &["/a"],
        );
        pages("<rss><channel><link>/</link><item><link>/a</link></item></channel></rss>", &["/a"]);
        pages(
            "<feed><link href='/'/><entry><link rel='self' href='/x'/><link href='/a?b&amp;c'/></entry></feed>",
            &["/a?b&c"],
        );
        pages("<urlset></urlset>", &[]);
    }

    #[test]
    fn encodings_are_recognised() {
        let xml =
            "<?xml version='1.0' encoding='UTF-16'?><urlset><url><loc>/ä</loc></url></urlset>";
        let utf16 =
            |bytes: fn(u16) -> [u8; 2]| xml.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let expected = [("/ä", None, false)];
        check(&[&b"\xff\xfe"[..], &utf16(u16::to_le_bytes)].concat(), &expected, true);
        check(&[&b"\xfe\xff"[..], &utf16(u16::to_be_bytes)].concat(), &expected, true);
        check(&utf16(u16::to_le_bytes), &expected, true);
        let latin = b"<?xml version='1.0' encoding=\"ISO-8859-1\"?><urlset><url><loc>/\xe4</loc></url></urlset>";
        check(latin, &expected, true);
        check(xml.as_bytes(), &expected, true);
    }

    #[test]
    fn what_is_no_sitemap_or_not_whole_is_recognised() {
        let one = [("/a", None, false)];
        check(b"<urlset><url><loc>/a</loc></url><url><loc>/b", &one, false);
        let two = [("/a", None, false), ("/b", None, false)];
        check(b"<urlset><url><loc>/a</loc></url><url><loc>/b</loc>", &two, false);
        for text in [
            "",
            "<<<>>>&",
            "<!DOCTYPE html><html><body>App</body></html>",
            "<html><a href='/a'>a</a></html>",
            "<Error><Code>AccessDenied</Code></Error>",
            "{}",
        ] {
            check(text.as_bytes(), &[], false);
        }
        let whole = gzip(b"<urlset><url><loc>/a</loc></url></urlset>");
        assert!(parse(whole[..whole.len() - 4].to_vec(), true).problem.is_some());
    }

    #[test]
    fn a_sitemap_has_no_more_than_the_protocol_allows() {
        let check = |text: &str, length: usize, is_over: bool| {
            let found = parse(text.as_bytes().to_vec(), true);
            assert_eq!((found.entries.len(), found.is_over), (length, is_over));
        };
        check(&"https://example.org/\n".repeat(ENTRIES_MAX), ENTRIES_MAX, false);
        check(&"https://example.org/\n".repeat(ENTRIES_MAX + 1), ENTRIES_MAX, true);
        let urls = "<url><loc>https://example.org/</loc></url>".repeat(ENTRIES_MAX + 1);
        check(&format!("<urlset>{urls}</urlset>"), ENTRIES_MAX, true);
        check(&format!("https://example.org/{}", "x".repeat(URL_BYTES_MAX)), 0, false);
        assert!(parse(gzip(&vec![b' '; 51 << 20]), true).problem.is_some());
        assert!(parse(b"<urlset></urlset>".to_vec(), false).problem.is_some());
    }
}
