//! Parses sitemaps: sitemaps.org, protocol 0.9, as XML (also compressed), index or plain list.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Limit on one sitemap after decompression, in bytes; the protocol's own.
pub(super) const SIZE_MAX_BYTES: u64 = 50 * 1024 * 1024;

/// Limit on the entries of one sitemap; the protocol's own.
const ENTRIES_MAX: usize = 50_000;
/// Limit on a URL; the protocol allows 2,048 characters.
const URL_BYTES_MAX: usize = 4096;
/// Limit on a date.
const LASTMOD_BYTES_MAX: usize = 64;

/// One entry of a sitemap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SitemapEntry {
    pub(super) url: String,
    pub(super) lastmod: Option<String>,
    /// Whether it is another sitemap.
    pub(super) is_sitemap: bool,
}

/// The content of one sitemap.
#[derive(Debug, Default)]
pub(super) struct Sitemap {
    pub(super) entries: Vec<SitemapEntry>,
    /// Whether it contains more than a sitemap may.
    pub(super) is_cut: bool,
}

impl Sitemap {
    /// Adds `entry`; returns false if the limit is reached.
    fn add(&mut self, entry: SitemapEntry) -> bool {
        if !entry.url.starts_with("http") || entry.url.len() > URL_BYTES_MAX {
            return true;
        }
        self.is_cut |= self.entries.len() == ENTRIES_MAX;
        if !self.is_cut {
            self.entries.push(entry);
        }
        !self.is_cut
    }
}

/// Parses as much as possible; skips invalid entries.
pub(super) fn parse(bytes: Vec<u8>) -> Sitemap {
    let (bytes, is_cut) =
        if bytes.starts_with(&[0x1f, 0x8b]) { decompressed(&bytes) } else { (bytes, false) };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut sitemap = Sitemap { is_cut, ..Sitemap::default() };
    if text.starts_with('<') {
        parse_xml(text, &mut sitemap);
    } else {
        parse_list(text, &mut sitemap);
    }
    sitemap.is_cut |= is_cut;
    sitemap
}

fn decompressed(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut plain = Vec::new();
    // A truncated file yields its first part.
    let _ = MultiGzDecoder::new(bytes).take(SIZE_MAX_BYTES + 1).read_to_end(&mut plain);
    let is_cut = plain.len() as u64 > SIZE_MAX_BYTES;
    plain.truncate(usize::try_from(SIZE_MAX_BYTES).unwrap_or(usize::MAX));
    (plain, is_cut)
}

fn parse_list(text: &str, sitemap: &mut Sitemap) {
    for url in text.lines().map(str::trim) {
        if !sitemap.add(SitemapEntry { url: url.to_owned(), ..SitemapEntry::default() }) {
            return;
        }
    }
}

/// Scans from tag to tag: three elements matter, and their text is plain.
fn parse_xml(text: &str, sitemap: &mut Sitemap) {
    let mut entry = SitemapEntry::default();
    for part in text.split('<').skip(1) {
        let Some((tag, content)) = part.split_once('>') else { continue };
        let name = tag.split([' ', '\t', '\n', '\r', '/']).next().unwrap_or(tag);
        let is_end = tag.starts_with('/');
        let name = if is_end { tag[1..].trim_end() } else { name };
        match (name.rsplit(':').next().unwrap_or(name), is_end) {
            ("url" | "sitemap", false) => {
                entry = SitemapEntry { is_sitemap: name.ends_with("sitemap"), ..entry };
            }
            // In namespaces for images and videos `loc` has another meaning.
            ("loc", false) if !name.contains(':') => entry.url = unescaped(content),
            ("lastmod", false) => {
                entry.lastmod = Some(unescaped(content)).filter(|it| it.len() <= LASTMOD_BYTES_MAX);
            }
            ("url" | "sitemap", true) if !sitemap.add(std::mem::take(&mut entry)) => return,
            _ => {}
        }
    }
}

fn unescaped(text: &str) -> String {
    let text = text.trim();
    if !text.contains('&') {
        return text.to_owned();
    }
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn check(bytes: &[u8], expected: &[(&str, Option<&str>, bool)]) {
        let entries = parse(bytes.to_vec()).entries;
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.url.as_str(), entry.lastmod.as_deref(), entry.is_sitemap))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn sitemaps_of_every_form_are_read() {
        let pages = b"<?xml version=\"1.0\"?><urlset xmlns=\"x\"><url>\n<loc> https://example.org/a?b&amp;c </loc>\
            <lastmod>2024-01-02</lastmod><image:image><image:loc>https://example.org/i.png</image:loc></image:image>\
            </url><url><loc>javascript:</loc></url><url ><loc>https://example.org/d</loc></url><url><loc>";
        let expected = [
            ("https://example.org/a?b&c", Some("2024-01-02"), false),
            ("https://example.org/d", None, false),
        ];
        check(pages, &expected);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(pages).unwrap();
        check(&gzip.finish().unwrap(), &expected);
        check(
            b"\xef\xbb\xbf<sitemapindex><sitemap><loc>https://example.org/1.xml</loc></sitemap></sitemapindex>",
            &[("https://example.org/1.xml", None, true)],
        );
        check(
            b"https://example.org/a\nnonsense\nhttps://example.org/b\n",
            &[("https://example.org/a", None, false), ("https://example.org/b", None, false)],
        );
        check(b"", &[]);
        check(b"<<<>>>&", &[]);
    }

    #[test]
    fn a_sitemap_has_no_more_than_the_protocol_allows() {
        let check = |text: &str, length: usize, is_cut: bool| {
            let found = parse(text.as_bytes().to_vec());
            assert_eq!((found.entries.len(), found.is_cut), (length, is_cut));
        };
        check(&"https://example.org/\n".repeat(ENTRIES_MAX), ENTRIES_MAX, false);
        check(&"https://example.org/\n".repeat(ENTRIES_MAX + 1), ENTRIES_MAX, true);
        check(
            &"<url><loc>https://example.org/</loc></url>".repeat(ENTRIES_MAX + 1),
            ENTRIES_MAX,
            true,
        );
        check(&format!("https://example.org/{}", "x".repeat(URL_BYTES_MAX)), 0, false);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&vec![b' '; 51 << 20]).unwrap();
        assert!(parse(gzip.finish().unwrap()).is_cut);
    }
}
