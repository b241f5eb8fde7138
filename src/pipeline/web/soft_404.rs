//! Soft 404s: error pages served with status 200.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use crate::source::host;

/// Minimum share of common words among the words of two pages that count as alike.
const COMMON_MIN: f64 = 0.9;

/// The error pages of hosts, to recognise soft 404s.
#[derive(Debug, Default)]
pub struct Soft404s {
    hosts: Mutex<HashMap<String, Option<Arc<ErrorPage>>>>,
}

#[derive(Debug)]
struct ErrorPage {
    url: HashSet<u64>,
    words: HashSet<u64>,
}

impl Soft404s {
    /// Reports whether the page at `url` reads like the error page of its host. `probe` returns the
    /// URL and the text of that page; it is called once per host.
    pub fn resembles(
        &self,
        url: &Url,
        text: &str,
        probe: impl FnOnce() -> Option<(Url, String)>,
    ) -> bool {
        let host = host(url);
        let error_page = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let fetch = || {
                let (url, text) = probe()?;
                Some(Arc::new(ErrorPage { url: words(url.as_str()), words: words(&text) }))
            };
            hosts.entry(host).or_insert_with(fetch).clone()
        };
        let Some(error_page) = error_page else { return false };
        // An error page often repeats the URL requested.
        let url = words(url.as_str());
        let without = |words: &HashSet<u64>| -> HashSet<u64> {
            let is_text = |word: &&u64| !url.contains(word) && !error_page.url.contains(word);
            words.iter().filter(is_text).copied().collect()
        };
        are_alike(&without(&error_page.words), &without(&words(text)))
    }
}

/// Returns the words of `text` without those that have digits, such as times and ids.
fn words(text: &str) -> HashSet<u64> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && !word.contains(char::is_numeric));
    words.map(|word| xxh3_64(word.to_lowercase().as_bytes())).collect()
}

#[expect(clippy::cast_precision_loss, reason = "words of one page")]
fn are_alike(a: &HashSet<u64>, b: &HashSet<u64>) -> bool {
    let common = a.intersection(b).count() as f64;
    let all = (a.len() + b.len()) as f64 - common;
    common >= COMMON_MIN * all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_pages_are_recognised() {
        let check = |page: &str, expected: bool| {
            let url = |text: &str| Url::parse(text).unwrap();
            let probe =
                || Some((url("http://a.org/docs/nobody"), "Oops! No nobody here. 12:00".into()));
            let actual =
                Soft404s::default().resembles(&url("http://a.org/docs/guide"), page, probe);
            assert_eq!(actual, expected, "{page}");
        };
        check("Oops! No guide here. 12:01", true);
        check("oops no here", true);
        check("Oops! No pear here: a story.", false);
        check("", false);
        check("The guide.", false);
    }
}
