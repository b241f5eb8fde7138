//! Extraction as a run does it: chooses the extractor by content and name, runs risky ones in a
//! process of their own, applies limits, and keeps the fingerprint that shows whether the result
//! would differ.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kbingest_support::fingerprint::Fingerprint;
use kbingest_support::stop::StopSignal;

use crate::child::Children;
use crate::command::Commands;
use crate::extractor::{in_process, internal};
use crate::fingerprint::ExtractFingerprint;
use crate::formats::{by_content, by_id, extractor};
use crate::html::{self, Options};
use crate::{DocumentError, ExtractConfig, Extracted, Extractor, FailureKind};

/// Larger documents of any format are extracted in a child, where `max_seconds`, `max_memory` and a
/// stop apply. Smaller ones are finished before any of these matters, even if the work grows with
/// the square of the size.
const IN_PROCESS_BYTES_MAX: usize = 128 << 10;

/// Extracts documents; shared by threads.
pub struct Extraction {
    config: ExtractConfig,
    children: Option<Children>,
    commands: Commands,
}

/// The result of extracting a document.
pub struct Attempt {
    /// What extracted it; see [`Extraction::is_current`].
    pub fingerprint: ExtractFingerprint,
    /// The text, or why there is none.
    pub result: Result<Extracted, DocumentError>,
}

/// The result of extracting a page of a web site.
pub struct PageAttempt {
    /// What extracted it; see [`Extraction::is_current`].
    pub fingerprint: ExtractFingerprint,
    /// The page, or why there is none.
    pub result: Result<html::Page, DocumentError>,
}

/// Reports whether extraction failed, and would fail again under the same limits.
fn failed_for_good<T>(result: &Result<T, DocumentError>) -> bool {
    matches!(result, Err(error) if error.kind == FailureKind::Permanent)
}

impl Extraction {
    /// Starts nothing yet; a process is started when first needed. A busy one is killed shortly
    /// after `stop` is requested.
    pub fn open(config: &ExtractConfig, stop: Option<Arc<StopSignal>>) -> Self {
        let children = config.program.as_ref().map(|_| Children::new(config, stop.clone()));
        Self { config: config.clone(), children, commands: Commands::new(config, stop) }
    }

    /// Extracts a document. Never panics; a failure affects only this document.
    pub fn extract(&self, uri: &str, bytes: Vec<u8>) -> Attempt {
        if let Some(command) = self.commands.find(uri) {
            let result = self.commands.extract(command, uri, &bytes);
            return self.attempt(command.fingerprint.clone(), None, self.checked(uri, result));
        }
        let expected = extractor(uri);
        let actual = by_content(uri, &bytes).unwrap_or(expected);
        let is_other = actual.id() != expected.id();
        let by_name = Fingerprint::of_code(expected.id());
        let by_content = is_other.then(|| Fingerprint::of_code(actual.id()));
        self.attempt(by_name, by_content, self.guarded(actual, uri, bytes))
    }

    /// Converts a page of a web site in this process, also to its links and what it declares, under
    /// the same limits. Never panics.
    pub fn extract_page(&self, uri: &str, bytes: Vec<u8>, options: &Options<'_>) -> PageAttempt {
        let work = AssertUnwindSafe(|| html::convert(uri, bytes, options));
        let converted =
            catch_unwind(work).unwrap_or_else(|panic| Err(internal(uri, html::ID, &*panic)));
        let result = converted.and_then(|page| {
            self.check_text(uri, page.markdown.len())?;
            Ok(page)
        });
        let limits = failed_for_good(&result).then(|| self.config.fingerprint());
        let by_name = Fingerprint::of_code(html::ID);
        PageAttempt {
            fingerprint: ExtractFingerprint { by_name, by_content: None, limits },
            result,
        }
    }

    fn attempt(
        &self,
        by_name: Fingerprint,
        by_content: Option<Fingerprint>,
        result: Result<Extracted, DocumentError>,
    ) -> Attempt {
        let limits = failed_for_good(&result).then(|| self.config.fingerprint());
        let fingerprint = ExtractFingerprint { by_name, by_content, limits };
        Attempt { fingerprint, result }
    }

    fn guarded(
        &self,
        extractor: &'static dyn Extractor,
        uri: &str,
        bytes: Vec<u8>,
    ) -> Result<Extracted, DocumentError> {
        let extracted = match &self.children {
            Some(children) if extractor.is_risky() || bytes.len() > IN_PROCESS_BYTES_MAX => {
                children.extract(extractor, uri, &bytes)
            }
            _ => in_process(extractor, uri, bytes),
        };
        self.checked(uri, extracted)
    }

    /// Rejects a text over the limit.
    fn checked(
        &self,
        uri: &str,
        result: Result<Extracted, DocumentError>,
    ) -> Result<Extracted, DocumentError> {
        let extracted = result?;
        self.check_text(uri, extracted.text.len())?;
        let pages = extracted.pages();
        if pages > self.config.max_pages {
            let reason =
                format!("its {pages} pages are over max_pages ({})", self.config.max_pages);
            return Err(DocumentError::permanent(uri, reason));
        }
        Ok(extracted)
    }

    fn check_text(&self, uri: &str, size: usize) -> Result<(), DocumentError> {
        if size as u64 > self.config.max_text.0 {
            let reason = format!("its text is over max_text ({})", self.config.max_text);
            return Err(DocumentError::permanent(uri, reason));
        }
        Ok(())
    }

    /// Returns the fingerprint of a document whose bytes are not known.
    pub fn expected(&self, uri: &str) -> &str {
        match self.commands.find(uri) {
            Some(command) => &command.id,
            None => extractor(uri).id(),
        }
    }

    /// Returns what determines the texts of all commands; empty if there are none.
    pub fn commands(&self) -> String {
        self.commands.fingerprint()
    }

    /// Reports whether extracting the same bytes again would have the same result as when
    /// `fingerprint` was made.
    pub fn is_current(&self, uri: &str, fingerprint: &str) -> bool {
        let wanted = self.expected(uri);
        // Nearly always.
        fingerprint == wanted || self.is_current_if(fingerprint, |by_name| by_name == wanted)
    }

    /// Reports what [`Self::is_current`] does for a document whose name shows its format only once
    /// it is fetched: the name would be the same.
    pub fn is_current_page(&self, fingerprint: &str) -> bool {
        self.is_current_if(fingerprint, |by_name| {
            by_id(by_name).is_some() || self.commands.has(by_name)
        })
    }

    fn is_current_if(&self, fingerprint: &str, is_current: impl Fn(&str) -> bool) -> bool {
        let Ok(made) = fingerprint.parse::<ExtractFingerprint>() else { return false };
        is_current(&made.by_name.to_string())
            && made.by_content.is_none_or(|extractor| by_id(&extractor.to_string()).is_some())
            && made.limits.is_none_or(|limits| limits == self.config.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_what_would_come_out_differently() {
        let config = ExtractConfig::default();
        let limits = config.fingerprint();
        let extraction = Extraction::open(&config, None);
        let check = |fingerprint: &str, expected| {
            assert_eq!(extraction.is_current("a.md", fingerprint), expected, "{fingerprint}");
        };
        check("markdown@3", true);
        check("markdown@3>html@5", true);
        check("markdown@3>html@0", false);
        check("html@5", false);
        check("", false);
        check(&format!("markdown@3!{limits}"), true);
        check(&format!("markdown@3>html@5!{limits}"), true);
        check("markdown@3!text=1,memory=1,seconds=1", false);
    }
}
