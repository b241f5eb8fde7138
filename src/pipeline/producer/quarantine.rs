//! Documents that processes died at: taken one by one, and set aside where they alone are to blame.

use crate::error::Error;
use crate::kb::{Reader, Suspect, Suspects};
use crate::support::retry;

/// What earlier processes of this run left in flight. A kill from outside leaves suspects too, so that
/// one death says nothing yet.
pub struct Suspicion {
    suspects: Suspects,
}

impl Suspicion {
    /// Reads who is under suspicion; nobody is unless a process died.
    pub fn load(kb: &Reader) -> Result<Self, Error> {
        Ok(Self { suspects: kb.suspects()? })
    }

    /// Tells whether the document has to be taken with nothing else at work.
    pub fn holds(&self, source: &str, uri: &str) -> bool {
        self.find(source, uri).is_some_and(|suspect| {
            suspect.is_alone || suspect.attempts >= retry::DEATHS_BEFORE_ISOLATION
        })
    }

    /// Returns why the document is set aside, where processes died over it alone often enough.
    pub fn verdict(&self, source: &str, uri: &str) -> Option<String> {
        let suspect = self.find(source, uri)?;
        (suspect.is_alone && suspect.attempts >= retry::DEATHS_MAX)
            .then(|| format!("crashed the extractor {} times", suspect.attempts))
    }

    fn find(&self, source: &str, uri: &str) -> Option<&Suspect> {
        // Nearly always empty: no key is made to look into nothing.
        if self.suspects.is_empty() {
            return None;
        }
        self.suspects.get(&(source.to_owned(), uri.to_owned()))
    }
}
