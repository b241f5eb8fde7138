//! The trait of extractors, each for the bytes of one format, and running one so that a panic costs
//! only its document.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kbingest_support::panics::panic_message;
use kbingest_support::process_limit;

use crate::{DocumentError, Extracted};

/// Turns the bytes of one format into text.
pub trait Extractor: Send + Sync {
    /// Returns name and version, as in `markdown@1`; the version rises whenever the same bytes
    /// would result in another text or title.
    fn id(&self) -> &'static str;

    /// Reports whether hostile bytes might make it crash, loop or use too much memory: then it runs
    /// in a child process.
    fn is_risky(&self) -> bool {
        false
    }

    /// Extracts the text; the title comes from `uri` if the text itself has none.
    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError>;
}

/// Extracts a file inside another document, such as an attachment, with the extractor of its own
/// format.
pub(crate) type ExtractInner = fn(name: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError>;

/// Extracts in this process; a panic becomes an error.
pub(crate) fn in_process(
    extractor: &dyn Extractor,
    uri: &str,
    bytes: Vec<u8>,
) -> Result<Extracted, DocumentError> {
    let work = AssertUnwindSafe(|| extractor.extract(uri, bytes));
    catch_unwind(work).unwrap_or_else(|panic| Err(internal(uri, extractor.id(), &*panic)))
}

/// Returns the error of a document over which the extractor `id` panicked.
pub(crate) fn internal(uri: &str, id: &str, panic: &(dyn Any + Send)) -> DocumentError {
    let said = panic_message(panic);
    // Some libraries panic if the system refuses them a thread.
    let is_starved = process_limit::is_named_in(&said);
    // The message of a library may have several lines, and contain words of the document.
    let said: String = said.chars().take(200).collect();
    let reason = format!("internal error of {id}: {said}");
    let error = if is_starved { DocumentError::transient } else { DocumentError::permanent };
    error(uri, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panicking;

    impl Extractor for Panicking {
        fn id(&self) -> &'static str {
            "panicking@1"
        }

        fn extract(&self, _: &str, _: Vec<u8>) -> Result<Extracted, DocumentError> {
            panic!("at {}", 1);
        }
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let error = in_process(&Panicking, "a.x", Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "a.x: internal error of panicking@1: at 1");
    }
}
