//! Crawler traps: calendars, session ids in paths, filters that multiply, folders that grow during
//! the crawl.
//!
//! The form of a URL is what remains of it without numbers and ids. Once a few pages of one form
//! have the same text, apart from the numbers and ids of their URLs, further pages of that form are
//! left out that only such pages link to: a trap feeds itself. Pages that differ in words or in
//! other numbers are only stopped by limits.
//!
//! Files that are no text are recognised by example: after a few of one folder with the same
//! ending, none of which had a text, further ones are not requested.

use std::collections::{HashMap, HashSet};

use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use crate::kb::{OVER_LIMIT, OVER_QUERIES, REPEATED};
use crate::source::host;

/// Pages of one form that repeat the text of another one; [`REPEATED`] says it.
const REPEATS_MAX: u32 = 20;
/// Files of one folder and ending without a text, after which others are not requested.
const EXAMPLES: u32 = 5;
/// Parts of a path with digits and at least this many characters are ids.
const ID_CHARS_MIN: usize = 12;

/// What is known about a site's URLs in one run.
#[derive(Debug)]
pub struct Traps {
    limits: Limits,
    met: HashSet<u64>,
    queries: HashMap<u64, u64>,
    folders: HashMap<String, u64>,
    forms: HashMap<String, Form>,
    endings: HashMap<String, Ending>,
}

/// Limits on the URLs of a site in one run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one folder.
    pub per_folder: u64,
    /// That differ only in their query.
    pub queries: u64,
    /// That are remembered, about.
    pub met: u64,
}

/// What the files of a folder with one ending turned out to be.
#[derive(Debug, Default)]
struct Ending {
    without_text: u32,
    with_text: u32,
}

#[derive(Debug, Default)]
struct Form {
    texts: HashSet<u64>,
    repeats: u32,
}

impl Traps {
    /// Starts without having seen any.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            met: HashSet::new(),
            queries: HashMap::new(),
            folders: HashMap::new(),
            forms: HashMap::new(),
            endings: HashMap::new(),
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
    /// `is_of_repeat`: that page repeats the text of others of its form.
    pub fn refuse(&mut self, url: &Url, is_of_repeat: bool) -> Option<String> {
        if self.met.contains(&xxh3_64(url.as_str().as_bytes())) {
            return None;
        }
        let is_repeated = |form: &Form| form.repeats >= REPEATS_MAX;
        if is_of_repeat && self.forms.get(&form(url)).is_some_and(is_repeated) {
            return Some(REPEATED.to_owned());
        }
        let queries = self.queries.get(&path_hash(url)).filter(|_| url.query().is_some());
        if queries.is_some_and(|count| *count >= self.limits.queries) {
            return Some(OVER_QUERIES.to_owned());
        }
        if self.folders.get(&folder(url)).is_some_and(|count| *count >= self.limits.per_folder) {
            return Some(OVER_LIMIT.to_owned());
        }
        let is_no_text = |kind: &Ending| kind.with_text == 0 && kind.without_text >= EXAMPLES;
        if ending(url).and_then(|ending| self.endings.get(&ending)).is_some_and(is_no_text) {
            return Some("files like it in its folder hold no text".to_owned());
        }
        // Further ones are counted when they would be queued.
        if self.count() < self.limits.met {
            self.note(url);
        }
        None
    }

    /// Records the text of a page; returns whether it repeats that of others of its form, of which
    /// there are too many already.
    pub fn repeats(&mut self, url: &Url, text: &str) -> bool {
        let form_of_url = form(url);
        let is_one_of_many = form_of_url.contains('#') || url.query().is_some();
        if !is_one_of_many {
            return false;
        }
        let form = self.forms.entry(form_of_url).or_default();
        let is_repeat = !form.texts.insert(xxh3_64(without_address(url, text).as_bytes()));
        form.repeats += u32::from(is_repeat);
        is_repeat && form.repeats > REPEATS_MAX
    }

    /// Records whether the file at `url` has a text.
    pub fn note_text(&mut self, url: &Url, has_text: bool) {
        let Some(ending) = ending(url) else { return };
        let kind = self.endings.entry(ending).or_default();
        *(if has_text { &mut kind.with_text } else { &mut kind.without_text }) += 1;
    }
}

/// Returns host, folder and the ending of the file's name; `None` if it has none.
fn ending(url: &Url) -> Option<String> {
    let (_, name) = url.path().rsplit_once('/')?;
    let (_, ending) = name.rsplit_once('.')?;
    let is_ending = !ending.is_empty() && ending.len() <= 8;
    is_ending.then(|| format!("{}.{}", folder(url), ending.to_ascii_lowercase()))
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
    fn only_what_repeats_is_left_out() {
        let limits = Limits { per_folder: 1000, queries: 1000, met: 1000 };
        let mut traps = Traps::new(limits);
        let url = |number: u32| Url::parse(&format!("http://a.org/release/1.{number}")).unwrap();
        let repeats: Vec<_> =
            (0..40).filter(|number| traps.repeats(&url(*number), "none")).collect();
        assert_eq!(repeats, (21..40).collect::<Vec<_>>());
        assert!(!traps.repeats(&url(40), "something"));
        // Found on another page, or on one that repeats others.
        assert_eq!(traps.refuse(&url(41), false), None);
        assert_eq!(traps.refuse(&url(42), true).as_deref(), Some(REPEATED));
        let (twenty, _) = REPEATED.split_once(' ').unwrap();
        assert_eq!(twenty.parse::<u32>().unwrap(), REPEATS_MAX);
    }

    #[test]
    fn files_without_text_are_known_by_example() {
        let limits = Limits { per_folder: 1000, queries: 1000, met: 1000 };
        let mut traps = Traps::new(limits);
        let url = |path: &str| Url::parse(&format!("http://a.org/{path}")).unwrap();
        for number in 0..EXAMPLES {
            assert_eq!(traps.refuse(&url(&format!("img/new{number}.png")), false), None);
            traps.note_text(&url(&format!("img/{number}.png")), false);
            traps.note_text(&url(&format!("wiki/{number}.js")), number == 0);
        }
        assert!(traps.refuse(&url("img/other.PNG"), false).is_some());
        for path in ["img/a.html", "img/a", "other/a.png", "wiki/a.js"] {
            assert_eq!(traps.refuse(&url(path), false), None, "{path}");
        }
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
