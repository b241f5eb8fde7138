//! Crawler traps: calendars, session ids in paths, filters that multiply, folders that grow during
//! the crawl.
//!
//! The form of a URL is what remains of it without numbers and ids. A few pages of one form with
//! the same text, apart from the numbers and ids of their URLs, show that further pages of that
//! form are useless, too. Pages that differ in words or in other numbers are only stopped by
//! limits.

use std::collections::{HashMap, HashSet};

use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use crate::kb::OVER_LIMIT;

/// Limit on URLs that differ only in their query.
const QUERIES_PER_PATH_MAX: u32 = 100;
/// Pages of one form that repeat the text of another one.
const REPEATS_MAX: u32 = 20;
/// Parts of a path with digits and at least this many characters are ids.
const ID_CHARS_MIN: usize = 12;

/// What is known about a site's URLs in one run.
#[derive(Debug)]
pub struct Traps {
    per_folder_max: u64,
    met_max: u64,
    met: HashSet<u64>,
    queries: HashMap<u64, u32>,
    folders: HashMap<String, u64>,
    forms: HashMap<String, Form>,
}

#[derive(Debug, Default)]
struct Form {
    texts: HashSet<u64>,
    repeats: u32,
}

impl Traps {
    /// Allows `per_folder_max` URLs per folder, and remembers up to about `met_max` in all.
    pub fn new(per_folder_max: u64, met_max: u64) -> Self {
        Self {
            per_folder_max,
            met_max,
            met: HashSet::new(),
            queries: HashMap::new(),
            folders: HashMap::new(),
            forms: HashMap::new(),
        }
    }

    /// Records a URL that is visited in any case; returns whether it is new.
    pub fn note(&mut self, url: &Url) -> bool {
        if !self.met.insert(xxh3_64(url.as_str().as_bytes())) {
            return false;
        }
        if url.query().is_some() {
            *self.queries.entry(path_hash(url)).or_default() += 1;
        }
        *self.folders.entry(folder(url)).or_default() += 1;
        true
    }

    /// Returns the number of recorded URLs.
    pub fn count(&self) -> u64 {
        self.met.len() as u64
    }

    /// Records a URL that a page links to; returns the reason if it must not be visited.
    pub fn refuse(&mut self, url: &Url) -> Option<String> {
        if self.met.contains(&xxh3_64(url.as_str().as_bytes())) {
            return None;
        }
        if self.forms.get(&form(url)).is_some_and(|form| form.repeats >= REPEATS_MAX) {
            return Some(format!("{REPEATS_MAX} pages like it say the same"));
        }
        let queries = self.queries.get(&path_hash(url)).filter(|_| url.query().is_some());
        if queries.is_some_and(|count| *count >= QUERIES_PER_PATH_MAX) {
            return Some(format!("more than {QUERIES_PER_PATH_MAX} queries of one path"));
        }
        if self.folders.get(&folder(url)).is_some_and(|count| *count >= self.per_folder_max) {
            return Some(OVER_LIMIT.to_owned());
        }
        // Further ones are counted when they would be queued.
        if self.count() < self.met_max {
            self.note(url);
        }
        None
    }

    /// Records the text of a page.
    pub fn read(&mut self, url: &Url, text: &str) {
        let form_of_url = form(url);
        let is_one_of_many = form_of_url.contains('#') || url.query().is_some();
        if !is_one_of_many {
            return;
        }
        let form = self.forms.entry(form_of_url).or_default();
        if !form.texts.insert(xxh3_64(without_address(url, text).as_bytes())) {
            form.repeats += 1;
        }
    }
}

fn path_hash(url: &Url) -> u64 {
    xxh3_64(url.as_str().split('?').next().unwrap_or_default().as_bytes())
}

/// Returns host and folder without numbers and ids.
fn folder(url: &Url) -> String {
    let end = url.path().rfind('/').map_or(0, |at| at + 1);
    format!("{}{}", host(url), collapsed(&url.path()[..end]))
}

/// Returns host, path and the names of the parameters, without numbers and ids.
fn form(url: &Url) -> String {
    let names =
        url.query().unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty());
    let mut names: Vec<_> = names.map(|it| collapsed(it.split('=').next().unwrap_or(it))).collect();
    names.sort_unstable();
    names.dedup();
    format!("{}{}?{}", host(url), collapsed(url.path()), names.join("&"))
}

/// Replaces the numbers and ids of `url` in `text` by `#`, and the numbers before and after them: a
/// calendar links to the next day, a list to the previous page.
fn without_address(url: &Url, text: &str) -> String {
    let is_separator = |c: char| !c.is_ascii_alphanumeric();
    let plain = |word: &str| word.trim_end_matches(is_separator).trim_start_matches('0').to_owned();
    let mut address = HashSet::new();
    for word in
        url.as_str().split(is_separator).filter(|word| word.contains(|c: char| c.is_ascii_digit()))
    {
        if let Ok(number) = word.parse::<u64>() {
            address.extend(
                [number.saturating_sub(1), number.saturating_add(1)].map(|n| plain(&n.to_string())),
            );
        }
        address.insert(plain(word));
    }
    let words = text.split_inclusive(is_separator);
    words.map(|word| if address.contains(&plain(word)) { "#" } else { word }).collect()
}

/// Replaces every number and every id in `text` by `#`.
fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        if digits >= 2 && word.len() > ID_CHARS_MIN {
            collapsed.push('#');
            collapsed.extend(word.chars().next_back().filter(|c| !c.is_ascii_alphanumeric()));
            continue;
        }
        let mut in_number = false;
        for c in word.chars() {
            if !c.is_ascii_digit() {
                collapsed.push(c);
            } else if !in_number {
                collapsed.push('#');
            }
            in_number = c.is_ascii_digit();
        }
    }
    collapsed
}

/// Returns host and port.
pub(super) fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_make_no_difference() {
        let check = |url: &str, expected: &str| {
            let url = Url::parse(&format!("http://a.org{url}")).unwrap();
            assert_eq!(form(&url), format!("a.org{expected}"));
        };
        check("/docs/guide.html", "/docs/guide.html?");
        check("/cal/2024/05/06", "/cal/#/#/#?");
        check("/rfc/rfc1234.txt", "/rfc/rfc#.txt?");
        check("/(S(0a1b2c3d4e5f6a7b))/page.html", "/(S(#))/page.html?");
        check("/list?b=2&a=1&filter3=x", "/list?a&b&filter#");
        check("/installation-instructions", "/installation-instructions?");
    }

    #[test]
    fn the_address_makes_no_difference_to_a_text() {
        let check = |url: &str, text: &str, expected: &str| {
            let url = Url::parse(&format!("http://a.org{url}")).unwrap();
            assert_eq!(without_address(&url, text), expected);
        };
        check("/cal/2024/05", "May 5, 2024. Next: 6", "May # # Next: #");
        check("/s/0a1b2c/x", "Session 0a1b2c", "Session #");
        check("/station/7", "At 7 m: 12.5 degrees", "At #m: 12.5 degrees");
    }
}
