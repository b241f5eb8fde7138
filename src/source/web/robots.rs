//! robots.txt: RFC 9309, and Crawl-delay, which is not in the RFC but used by many sites.

use std::time::{Duration, Instant};

use super::address::with_plain_escapes;

/// Limit on robots.txt, in bytes; the RFC requires at least 500 KiB.
pub(super) const SIZE_MAX_BYTES: usize = 512 * 1024;
/// Longest Crawl-delay that is obeyed.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// Limit on the sitemaps kept from one file: as many as a crawl reads.
const SITEMAPS_MAX: usize = 1001;
/// Limit on the rules kept from one file.
const RULES_MAX: usize = 10_000;

/// A robots.txt, with the time it was fetched; the error is an outage.
pub(super) type KnownRobots = (Instant, Result<Robots, String>);

/// What one site allows to one crawler.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Robots {
    rules: Vec<Rule>,
    pub(super) crawl_delay: Option<Duration>,
    pub(super) sitemaps: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    allows: bool,
    pattern: String,
}

impl Robots {
    /// Parses `text` for the crawler called `agent`: its own groups, or else those for `*`.
    pub(super) fn parse(text: &str, agent: &str) -> Self {
        let mut own = None;
        let mut any = Self::default();
        let mut sitemaps = Vec::new();
        let (mut is_own, mut is_any, mut in_agents) = (false, false, false);
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or(line);
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            match key.as_str() {
                "user-agent" => {
                    if !in_agents {
                        (is_own, is_any, in_agents) = (false, false, true);
                    }
                    is_any |= value == "*";
                    if product(value).eq_ignore_ascii_case(product(agent)) && value != "*" {
                        is_own = true;
                        own.get_or_insert_with(Self::default);
                    }
                }
                "sitemap" if sitemaps.len() < SITEMAPS_MAX => sitemaps.push(value.to_owned()),
                "allow" | "disallow" | "crawl-delay" => {
                    in_agents = false;
                    if let Some(own) = own.as_mut().filter(|_| is_own) {
                        own.add(&key, value);
                    }
                    if is_any {
                        any.add(&key, value);
                    }
                }
                _ => {}
            }
        }
        Self { sitemaps, ..own.unwrap_or(any) }
    }

    fn add(&mut self, key: &str, value: &str) {
        if key == "crawl-delay" {
            let seconds = value.parse().ok().filter(|seconds: &f64| *seconds >= 0.0);
            let delay = seconds.map(|seconds| Duration::from_secs_f64(seconds.min(3600.0)));
            self.crawl_delay = delay.map(|delay| delay.min(DELAY_MAX)).or(self.crawl_delay);
        } else if !value.is_empty() && self.rules.len() < RULES_MAX {
            self.rules.push(Rule { allows: key == "allow", pattern: escaped(value) });
        }
    }

    /// Returns the approximate size of its rules in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let rules = self.rules.iter().map(|rule| rule.pattern.len() + size_of::<Rule>());
        let sitemaps = self.sitemaps.iter().map(|url| url.len() + size_of::<String>());
        rules.chain(sitemaps).sum()
    }

    /// Reports whether `path`, with its query, may be fetched: the longest rule wins, and of two
    /// equally long ones the one that allows.
    pub(super) fn allows(&self, path: &str) -> bool {
        let path = escaped(path);
        let matching = self.rules.iter().filter(|rule| matches(&rule.pattern, &path));
        let longest = matching.max_by_key(|rule| (rule.pattern.len(), rule.allows));
        longest.is_none_or(|rule| rule.allows)
    }
}

/// Returns the name at the beginning of a user agent: letters, `-` and `_`.
fn product(agent: &str) -> &str {
    let end = agent.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
    &agent[..end.unwrap_or(agent.len())]
}

/// Returns `text` with everything but ASCII percent-encoded, and escapes in their one spelling,
/// section 2.2.2.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0..=127 => escaped.push(byte as char),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    with_plain_escapes(&escaped).unwrap_or(escaped)
}

/// Matches `*`, any text, and `$` at the end; takes time linear in the number of pieces times the
/// length of the path.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, is_whole) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return !is_whole || rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    if is_whole { rest.ends_with(last) } else { rest.contains(last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rule_decides() {
        let check = |text: &str, path: &str, expected: bool| {
            let text = format!("User-agent: *\n{text}");
            assert_eq!(Robots::parse(&text, "kbingest").allows(path), expected, "{text}: {path}");
        };
        check("", "/a", true);
        check("Disallow:", "/a", true);
        check("Disallow: /", "/a", false);
        check("Disallow: /a\nAllow: /a/b", "/a/b/c", true);
        check("Allow: /a/b\nDisallow: /a", "/a/c", false);
        check("Allow: /a\nDisallow: /a", "/a", true);
        check("Disallow: /*.php$", "/x/index.php", false);
        check("Disallow: /*.php$", "/x/index.php?a", true);
        check("Disallow: /*?", "/x?y", false);
        check("Disallow: /a*b*c", "/a1b2c3", false);
        check("Disallow: /a*b*c", "/a1c2b3", true);
        check("Disallow: /*a$", "/ba", false);
        check("Disallow: /ä", "/%c3%a4", false);
        check("Disallow: /%7Ea", "/%7ea", false);
    }

    #[test]
    fn groups_are_for_one_crawler() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Robots::parse(text, "KBingest/0.1 (+x)").allows("/a"), expected, "{text}");
        };
        check("User-agent: other\nDisallow: /", true);
        check("User-agent: kbingest\nDisallow: /\n\nUser-agent: *\nAllow: /", false);
        check("User-agent: *\nDisallow: /\nUser-agent: kbingest\nDisallow: /b", true);
        check("User-agent: other\nUser-agent: kbingest/2\n\nDisallow: /a", false);
        check(
            "User-agent: kbingest\nAllow: /b\nUser-agent: *\nUser-agent: kbingest\nDisallow: /a",
            false,
        );
        check("\u{feff}user-AGENT : * # all\rdisallow : / # x", false);
    }

    #[test]
    fn delays_and_sitemaps_are_read() {
        let text =
            "Sitemap: https://example.org/a.xml\nUser-agent: *\nCrawl-delay: 1.5\nsitemap:b.xml";
        let robots = Robots::parse(text, "kbingest");
        assert_eq!(robots.crawl_delay, Some(Duration::from_millis(1500)));
        assert_eq!(robots.sitemaps, ["https://example.org/a.xml", "b.xml"]);
        let check = |value: &str, expected| {
            let text = format!("User-agent: *\nCrawl-delay: {value}");
            assert_eq!(Robots::parse(&text, "kbingest").crawl_delay, expected, "{value}");
        };
        check("-1", None);
        check("soon", None);
        check("1e9", Some(DELAY_MAX));
        check("NaN", None);
    }
}
