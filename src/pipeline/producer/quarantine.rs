//! Documents that were in flight when a process crashed: processed one by one, and quarantined if
//! they alone crashed it.

use crate::error::Error;
use crate::kb::{Reader, Suspect, Suspects};
use crate::support::retry;

/// The documents that earlier processes of this run left in flight. A kill from outside leaves
/// suspects too, so one crash proves nothing.
pub struct Suspicion {
    suspects: Suspects,
}

impl Suspicion {
    /// Reads the suspects; there are none unless a process crashed.
    pub fn load(kb: &Reader) -> Result<Self, Error> {
        Ok(Self { suspects: kb.suspects()? })
    }

    /// Reports whether the document has to be processed with nothing else in flight.
    pub fn holds(&self, source: &str, uri: &str) -> bool {
        self.find(source, uri).is_some_and(|suspect| {
            suspect.is_alone || suspect.attempts >= retry::DEATHS_BEFORE_ISOLATION
        })
    }

    /// Returns why the document is quarantined, if processes crashed often enough with it alone in
    /// flight.
    pub fn verdict(&self, source: &str, uri: &str) -> Option<String> {
        let suspect = self.find(source, uri)?;
        (suspect.is_alone && suspect.attempts >= retry::DEATHS_MAX)
            .then(|| format!("crashed the extractor {} times", suspect.attempts))
    }

    fn find(&self, source: &str, uri: &str) -> Option<&Suspect> {
        // Nearly always empty: no key is allocated for a look-up then.
        if self.suspects.is_empty() {
            return None;
        }
        self.suspects.get(&(source.to_owned(), uri.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_isolated_before_it_is_quarantined() {
        let check = |attempts: u32, is_alone: bool, holds: bool, verdict: Option<&str>| {
            let key = ("docs".to_owned(), "a.md".to_owned());
            let suspects = [(key, Suspect { attempts, is_alone })].into();
            let suspicion = Suspicion { suspects };
            let actual = (suspicion.holds("docs", "a.md"), suspicion.verdict("docs", "a.md"));
            assert_eq!(actual, (holds, verdict.map(str::to_owned)), "{attempts}, {is_alone}");
            // No other document is suspect.
            for (source, uri) in [("docs", "b.md"), ("other", "a.md"), ("docs", "")] {
                assert!(!suspicion.holds(source, uri), "{source} {uri}");
                assert_eq!(suspicion.verdict(source, uri), None, "{source} {uri}");
            }
        };
        // In a batch, another document may be the cause, or a kill from outside.
        check(0, false, false, None);
        check(1, false, false, None);
        check(2, false, true, None);
        check(100, false, true, None);
        // Alone in flight it stays alone, and three crashes are enough.
        check(0, true, true, None);
        check(1, true, true, None);
        check(2, true, true, None);
        check(3, true, true, Some("crashed the extractor 3 times"));
        check(4, true, true, Some("crashed the extractor 4 times"));
    }

    #[test]
    fn nobody_is_under_suspicion_unless_a_process_died() {
        let suspicion = Suspicion { suspects: Suspects::new() };
        assert!(!suspicion.holds("docs", "a.md"));
        assert_eq!(suspicion.verdict("docs", "a.md"), None);
    }
}
