//! The cookies of a site, RFC 6265, in memory only: they are never stored, logged or part of an
//! error. `Debug` shows only how many there are.
//!
//! Stricter than the RFC: a cookie is for one port (http and https with their default ports are one
//! server), one with `Secure` comes from https only, and the prefixes `__Secure-` and `__Host-`
//! bind (RFC 6265bis). A domain that the Public Suffix List has sets no cookie for those below it.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ureq::http::{HeaderMap, header};
use url::Url;

use super::date;
use crate::support::clock::now_ms;

/// Limit on name and value of a cookie, in bytes.
const COOKIE_BYTES_MAX: usize = 4096;
/// Limit on the cookies of a domain; the oldest goes.
const PER_DOMAIN_MAX: usize = 50;
/// Limit on all cookies.
const COOKIES_MAX: usize = 500;
/// Limit on what a request carries, in bytes; most servers accept 8 KiB of headers.
const HEADER_BYTES_MAX: usize = 4096 + 2048;

/// What a response did to the cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// There is one more.
    pub(super) is_new: bool,
    /// There is one more, or one with another value.
    pub(super) is_changed: bool,
}

/// The cookies of one source.
#[derive(Default)]
pub(super) struct Cookies(Mutex<Vec<Cookie>>);

#[derive(Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    /// Host that set it, or a domain that contains it.
    domain: String,
    /// Whether only that host gets it.
    is_host_only: bool,
    /// Unless it is the default of the scheme.
    port: Option<u16>,
    path: String,
    is_secure: bool,
    /// Milliseconds since 1970; `None` lasts as long as the process.
    expires_ms: Option<i64>,
}

impl Cookies {
    /// Takes the cookies that a response from `url` sets.
    pub(super) fn store(&self, url: &Url, headers: &HeaderMap) -> Stored {
        let mut stored = Stored::default();
        let now_ms = now_ms();
        for value in headers.get_all(header::SET_COOKIE) {
            let cookie = value.to_str().ok().and_then(|text| parse(url, text, now_ms));
            let Some(cookie) = cookie else { continue };
            let one = self.put(cookie, now_ms);
            stored.is_new |= one.is_new;
            stored.is_changed |= one.is_changed;
        }
        stored
    }

    fn put(&self, cookie: Cookie, now_ms: i64) -> Stored {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !one.is_over(now_ms));
        let place = all.iter().position(|one| one.is_same(&cookie));
        if cookie.is_over(now_ms) {
            place.map(|place| all.remove(place));
            return Stored::default();
        }
        if let Some(place) = place {
            let is_changed = all[place].value != cookie.value;
            all[place] = cookie;
            return Stored { is_new: false, is_changed };
        }
        if all.iter().filter(|one| one.domain == cookie.domain).count() >= PER_DOMAIN_MAX {
            let oldest = all.iter().position(|one| one.domain == cookie.domain);
            oldest.map(|oldest| all.remove(oldest));
        } else if all.len() >= COOKIES_MAX {
            all.remove(0);
        }
        all.push(cookie);
        Stored { is_new: true, is_changed: true }
    }

    /// Returns the header of a request to `url`: longer paths first, then older cookies.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        let now_ms = now_ms();
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted: Vec<_> = all.iter().filter(|one| one.is_for(url, now_ms)).collect();
        wanted.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut header = String::new();
        for Cookie { name, value, .. } in wanted {
            if header.len() + name.len() + value.len() + 3 > HEADER_BYTES_MAX {
                continue;
            }
            if !header.is_empty() {
                header.push_str("; ");
            }
            header.push_str(name);
            header.push('=');
            header.push_str(value);
        }
        (!header.is_empty()).then_some(header)
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        write!(f, "Cookies({count})")
    }
}

impl Cookie {
    fn is_over(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    /// Reports whether `other` replaces it.
    fn is_same(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.name.clone(), one.domain.clone(), one.path.clone(), one.port);
        key(self) == key(other)
    }

    fn is_for(&self, url: &Url, now_ms: i64) -> bool {
        let host = host(url);
        let is_host =
            if self.is_host_only { host == self.domain } else { is_below(&host, &self.domain) };
        is_host
            && self.port == url.port()
            && is_in(url.path(), &self.path)
            && (!self.is_secure || url.scheme() == "https")
            && !self.is_over(now_ms)
    }
}

/// Parses a `Set-Cookie` of a response from `url` (section 5.2 and 5.3); `None` if it sets none.
fn parse(url: &Url, text: &str, now_ms: i64) -> Option<Cookie> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || name.len() + value.len() > COOKIE_BYTES_MAX {
        return None;
    }
    let (mut domain, mut path, mut is_secure) = (None, None, false);
    let (mut expires_ms, mut max_age_ms) = (None, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "expires" => expires_ms = date::parse(value).or(expires_ms),
            "max-age" => max_age_ms = parse_age(value, now_ms).or(max_age_ms),
            "domain" => {
                let name = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                domain = Some(name).filter(|name| !name.is_empty());
            }
            "path" => path = Some(value).filter(|path| path.starts_with('/')),
            "secure" => is_secure = true,
            _ => {}
        }
    }
    let is_https = url.scheme() == "https";
    let prefix =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    let is_bound = !prefix("__Host-") || domain.is_none() && path == Some("/");
    let needs_secure = prefix("__Host-") || prefix("__Secure-");
    if is_secure && !is_https || needs_secure && !is_secure || !is_bound {
        return None;
    }
    let host = host(url);
    let (domain, is_host_only) = match domain {
        Some(domain) if domain == host => {
            let is_host_only = is_address(&host) || is_public_suffix(&domain);
            (domain, is_host_only)
        }
        Some(domain) if is_below(&host, &domain) && !is_public_suffix(&domain) => (domain, false),
        Some(_) => return None,
        None => (host, true),
    };
    Some(Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain,
        is_host_only,
        port: url.port(),
        path: path.unwrap_or_else(|| folder(url.path())).to_owned(),
        is_secure,
        expires_ms: max_age_ms.or(expires_ms),
    })
}

fn parse_age(seconds: &str, now_ms: i64) -> Option<i64> {
    let digits = seconds.strip_prefix('-').unwrap_or(seconds);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_over = seconds.starts_with('-') || digits.bytes().all(|digit| digit == b'0');
    let seconds = digits.parse::<i64>().unwrap_or(i64::MAX);
    let end_ms = now_ms.saturating_add(seconds.saturating_mul(1000));
    Some(if is_over { i64::MIN } else { end_ms })
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase()
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// Reports whether anybody may register names below `domain`.
fn is_public_suffix(domain: &str) -> bool {
    psl::suffix_str(domain) == Some(domain)
}

/// Reports whether `host` is `domain`, or a name below it (section 5.1.3).
fn is_below(host: &str, domain: &str) -> bool {
    let above = host.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.') && !is_address(host))
}

/// Returns the folder of a path (section 5.1.4).
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(end) => &path[..end],
    }
}

/// Reports whether `path` is `folder`, or below it.
fn is_in(path: &str, folder: &str) -> bool {
    let below = path.strip_prefix(folder);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(&text.replace("s//", "https://").replace("p//", "http://")).unwrap()
    }

    /// Sets cookies from one URL, and compares what a request to another one carries.
    fn check(from: &str, set: &[&str], to: &str, expected: &str) {
        let cookies = Cookies::default();
        let mut headers = HeaderMap::new();
        for one in set {
            headers.append(header::SET_COOKIE, one.parse().unwrap());
        }
        cookies.store(&url(from), &headers);
        assert_eq!(cookies.header(&url(to)).unwrap_or_default(), expected, "{set:?}: {to}");
    }

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        let host = "s//docs.example.org/a/b";
        check(host, &["n=1"], host, "n=1");
        check(host, &["n=1"], "s//docs.example.org/a/c/d", "n=1");
        check(host, &["n=1"], "s//docs.example.org/ab", "");
        check(host, &["n=1; Path=/"], "s//docs.example.org/", "n=1");
        check(host, &["n=1; path=relative"], "s//docs.example.org/", "");
        check(host, &["n=1; Path=/x"], "s//docs.example.org/xy", "");
        // Hosts.
        for other in
            ["s//example.org/a/", "s//www.example.org/a/", "s//docs.example.org.evil.net/a/"]
        {
            check(host, &["n=1"], other, "");
        }
        check(host, &["n=1; Domain=.Example.ORG"], "s//www.example.org/a/", "n=1");
        check(host, &["n=1; Domain=example.org"], "s//badexample.org/a/", "");
        check(host, &["n=1; Domain=other.org"], host, "");
        check(host, &["n=1; Domain=www.example.org"], host, "");
        check(host, &["n=1; Domain="], "s//www.example.org/a/", "");
        check("s//a.co.uk/", &["n=1; Domain=co.uk"], "s//a.co.uk/", "");
        check("s//a.github.io/", &["n=1; Domain=github.io"], "s//b.github.io/", "");
        check("s//github.io/", &["n=1; Domain=github.io"], "s//b.github.io/", "");
        check("s//github.io/", &["n=1; Domain=github.io"], "s//github.io/", "n=1");
        check("s//localhost/", &["n=1; Domain=localhost"], "s//localhost/", "n=1");
        check("p//127.0.0.1/", &["n=1; Domain=0.0.1"], "p//127.0.0.1/", "");
        check("p//127.0.0.1/", &["n=1; Domain=127.0.0.1"], "p//127.0.0.1/", "n=1");
        check("p//[::1]/", &["n=1"], "p//[::1]/", "n=1");
        // Servers.
        check("p//a.org:81/", &["n=1"], "p//a.org:82/", "");
        check("p//a.org:81/", &["n=1"], "p//a.org/", "");
        check("p//a.org/", &["n=1"], "s//a.org/", "n=1");
        // Encryption.
        check(host, &["n=1; Secure; Path=/"], "p//docs.example.org/", "");
        check("p//a.org/", &["n=1; secure"], "s//a.org/", "");
        check("s//a.org/", &["__Secure-n=1"], "s//a.org/", "");
        check("s//a.org/", &["__Host-n=1; Secure; Path=/a"], "s//a.org/a", "");
        check("s//a.org/", &["__Host-n=1; Secure; Path=/"], "s//a.org/a", "__Host-n=1");
    }

    #[test]
    fn a_cookie_ends_and_is_replaced() {
        let a = "s//a.org/";
        check(a, &["n=1; Max-Age=60"], a, "n=1");
        check(a, &["n=1; Max-Age=0"], a, "");
        check(a, &["n=1; Max-Age=-5"], a, "");
        check(a, &["n=1; Max-Age=soon"], a, "n=1");
        check(a, &["n=1; Max-Age=99999999999999999999"], a, "n=1");
        check(a, &["n=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT"], a, "");
        check(a, &["n=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=60"], a, "n=1");
        check(a, &["n=1", "n=2"], a, "n=2");
        check(a, &["n=1", "n=; Max-Age=0"], a, "");
        check(a, &["n=1", "m=2", "o=3; Path=/a"], "s//a.org/a", "o=3; n=1; m=2");
    }

    #[test]
    fn nonsense_is_no_cookie_and_many_are_limited() {
        let a = "s//a.org/";
        let long = format!("n={}", "x".repeat(COOKIE_BYTES_MAX));
        for nonsense in ["", "n", "=v", ";", &long] {
            check(a, &[nonsense], a, "");
        }
        check(a, &["n=a=b"], a, "n=a=b");
        check(a, &[" n = v ; x"], a, "n=v");
        check(a, &["n=\"q\""], a, "n=\"q\"");
        let many: Vec<_> = (0..PER_DOMAIN_MAX + 1).map(|number| format!("n{number}=1")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let expected = many[1..].join("; ");
        check(a, &many, a, &expected);
        let large = [format!("a={}", "x".repeat(4000)), format!("b={}", "y".repeat(4000))];
        let large: Vec<_> = large.iter().map(String::as_str).collect();
        check(a, &large, a, large[0]);
    }

    #[test]
    fn changes_are_reported_and_values_are_not() {
        let cookies = Cookies::default();
        let set = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::SET_COOKIE, text.parse().unwrap());
            let Stored { is_new, is_changed } = cookies.store(&url("s//a.org/"), &headers);
            (is_new, is_changed)
        };
        assert_eq!(set("n=secret"), (true, true));
        assert_eq!(set("n=secret"), (false, false));
        assert_eq!(set("n=other"), (false, true));
        assert_eq!(set("n=; Max-Age=0"), (false, false));
        assert_eq!(format!("{cookies:?}"), "Cookies(0)");
    }
}
