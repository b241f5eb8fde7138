//! Links through redirects: filters of mail and search engines wrap each target in a URL of their
//! own. Readers want the target, and it is shorter.

use mail_parser::decoders::base64::base64_decode;

use crate::escapes;

/// The end of a host, the beginning of a path, and the parameter that holds the target.
const REDIRECTS: [(&str, &str, &str); 12] = [
    ("safelinks.protection.outlook.com", "/", "url"),
    ("urldefense.proofpoint.com", "/v2/url", "u"),
    ("google.com", "/url", "q"),
    ("google.com", "/url", "url"),
    ("bing.com", "/ck/a", "u"),
    ("duckduckgo.com", "/l/", "uddg"),
    ("facebook.com", "/l.php", "u"),
    ("instagram.com", "/", "u"),
    ("linkedin.com", "/redir/redirect", "url"),
    ("linkedin.com", "/safety/go", "url"),
    ("youtube.com", "/redirect", "q"),
    ("slack-redir.net", "/link", "url"),
];

/// Returns the target of a known redirect; `None` for every other URL.
pub(super) fn target(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let (host, path) = rest.split_at(rest.find(['/', '?'])?);
    let is_below = |end: &str| {
        let before = host.strip_suffix(end);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let found = if is_below("urldefense.com") {
        path.strip_prefix("/v3/__")?.split_once("__;")?.0.to_owned()
    } else {
        let known =
            REDIRECTS.iter().filter(|(end, start, _)| is_below(end) && path.starts_with(start));
        let (end, value) =
            known.filter_map(|(end, _, name)| Some((*end, parameter(path, name)?))).next()?;
        match end {
            "bing.com" => base64(value.strip_prefix("a1")?)?,
            "urldefense.proofpoint.com" => {
                escapes::decoded(&value.replace('-', "%").replace('_', "/"), b'%')
            }
            _ => escapes::decoded(value, b'%'),
        }
    };
    // Relative to the page of the redirecting site.
    let found = if found.starts_with('/') && !found.starts_with("//") {
        format!("{scheme}://{host}{found}")
    } else {
        found
    };
    let is_address = ["https://", "http://"].iter().any(|scheme| found.starts_with(scheme));
    // A star replaces a character that is encoded elsewhere.
    let is_whole = !found.contains(|c: char| c.is_whitespace() || c.is_control() || c == '*');
    (is_address && is_whole).then_some(found)
}

/// Returns the value of a parameter as written.
fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let query = path.split_once('?')?.1.split('#').next()?;
    query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

/// Decodes URL-safe Base64 (RFC 4648, section 5), with or without padding.
fn base64(text: &str) -> Option<String> {
    let mut text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    let end = text.len().next_multiple_of(4) - text.len();
    text.push_str(&"=".repeat(end));
    String::from_utf8(base64_decode(text.as_bytes())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found() {
        let check = |address: &str, expected: &str| {
            assert_eq!(target(address).as_deref(), Some(expected), "{address}");
        };
        check(
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.org%2Fa%3Fb%3D1&data=05",
            "https://example.org/a?b=1",
        );
        check(
            "https://urldefense.proofpoint.com/v2/url?u=https-3A__example.org_a-5Fb&d=DwMF",
            "https://example.org/a_b",
        );
        check(
            "https://urldefense.com/v3/__https://example.org/a?b=1__;!!x$",
            "https://example.org/a?b=1",
        );
        check(
            "https://www.google.com/url?sa=t&q=https://example.org/&ved=1",
            "https://example.org/",
        );
        check(
            "https://www.bing.com/ck/a?!&&p=04&ntb=1&u=a1aHR0cHM6Ly9lbi53aWtpcGVkaWEub3JnL3dpa2kvTWljcm9zb2Z0&x",
            "https://en.wikipedia.org/wiki/Microsoft",
        );
        check(
            "https://www.bing.com/ck/a?u=a1L3NlYXJjaD9xPUJpbGwlMjBHYXRlcw",
            "https://www.bing.com/search?q=Bill%20Gates",
        );
    }

    #[test]
    fn other_addresses_stay() {
        for address in [
            "a.html",
            "https://example.org/url?q=https://a.org/",
            "https://notgoogle.com/url?q=https://a.org/",
            "https://www.google.com/search?q=https://a.org/",
            "https://www.google.com/url?q=javascript:x()",
            "https://www.bing.com/ck/a?u=a1%%%",
            "https://urldefense.com/v3/__https://example.org/*__;Iw!!x$",
            "https://www.youtube.com/redirect?q=https://a.org/%0A",
            "https://bing.com",
            "",
        ] {
            assert_eq!(target(address), None, "{address}");
        }
    }
}
