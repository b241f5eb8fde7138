//! Pages that say in words only that they are not there: they read like what the server answers for an address that
//! nobody has.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;
use xxhash_rust::xxh3::xxh3_64;

/// Share of the words that two pages have in common, of those that either has, at least.
const COMMON_MIN: f64 = 0.9;

/// What hosts answer where nothing is.
#[derive(Debug, Default)]
pub struct Missing {
    hosts: Mutex<HashMap<String, Option<Arc<Answer>>>>,
}

#[derive(Debug)]
struct Answer {
    address: HashSet<u64>,
    words: HashSet<u64>,
}

impl Missing {
    /// Tells whether the page at `url` reads like the one that `probe` returns for its host, as url and text;
    /// asked for once for each host.
    pub fn resembles(
        &self,
        url: &Url,
        text: &str,
        probe: impl FnOnce() -> Option<(Url, String)>,
    ) -> bool {
        let host = super::page::host(url);
        let missing = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let learn = || {
                let (url, text) = probe()?;
                Some(Arc::new(Answer { address: words(url.as_str()), words: words(&text) }))
            };
            hosts.entry(host).or_insert_with(learn).clone()
        };
        let Some(missing) = missing else { return false };
        // An apology repeats the address that was asked for.
        let address = words(url.as_str());
        let without = |words: &HashSet<u64>| -> HashSet<u64> {
            let is_own = |word: &&u64| !address.contains(word) && !missing.address.contains(word);
            words.iter().filter(is_own).copied().collect()
        };
        are_alike(&without(&missing.words), &without(&words(text)))
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
    fn pages_are_told_from_what_is_answered_for_nothing() {
        let check = |page: &str, expected: bool| {
            let url = |text: &str| Url::parse(text).unwrap();
            let probe =
                || Some((url("http://a.org/docs/nobody"), "Oops! No nobody here. 12:00".into()));
            let actual = Missing::default().resembles(&url("http://a.org/docs/guide"), page, probe);
            assert_eq!(actual, expected, "{page}");
        };
        check("Oops! No guide here. 12:01", true);
        check("oops no here", true);
        check("Oops! No pear here: a story.", false);
        check("", false);
        check("The guide.", false);
    }
}
