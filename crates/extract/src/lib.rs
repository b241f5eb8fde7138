//! Bytes of documents to Markdown, with anchors, pages and metadata.
//!
//! It reads and writes no files: a document is its URI, of which only the name counts, and its
//! bytes. The text of a Markdown or plain document in UTF-8 is its bytes, including byte order mark
//! and line ends, so that spans and line numbers are those of the file; every other format becomes
//! Markdown, and spans refer to that; [`LineMap`] finds the lines of the file.
//!
//! ```
//! use kbingest_extract::{ExtractConfig, Extraction};
//!
//! let extraction = Extraction::open(&ExtractConfig::default(), None);
//! let page = b"<title>Pumps</title><main><h1>Seals</h1><p>Check them <b>weekly</b>.</main>";
//! let document = extraction.extract("pumps.html", page.to_vec()).result?;
//! assert_eq!(document.title, "Pumps");
//! assert_eq!(document.text, "# Seals\n\nCheck them **weekly**.\n");
//! # Ok::<(), kbingest_extract::DocumentError>(())
//! ```
//!
//! Parsers of PDF, Office and mail files may crash, loop or use too much memory. If the `main` of a
//! program begins with [`child::serve_if_asked`], they run in child processes with limits and
//! without rights; otherwise a panic costs only the document, but time and memory are not limited.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what prints is the program, with writes that survive a closed pipe"
)]

pub mod child;
mod command;
mod config;
mod data;
#[doc(hidden)]
pub mod dom;
mod ebook;
mod error;
mod escapes;
mod extracted;
mod extraction;
mod extractor;
mod fingerprint;
mod formats;
pub mod html;
mod includes;
mod lines;
mod mail;
mod markup;
mod notebook;
mod odf;
#[cfg(feature = "office")]
mod office;
mod package;
#[cfg(feature = "pdf")]
mod pdf;
mod rtf;
mod sheet;
mod text;
mod title;
mod writer;
mod xml;

pub use kbingest_support::byte_size::ByteSize;
pub use kbingest_support::stop::StopSignal;

pub use command::CommandConfig;
pub use config::ExtractConfig;
pub use error::{DocumentError, FailureKind};
pub use extracted::{Extracted, MediaType, Metadata, TEXT_BYTES_MAX, TITLE_CHARS_MAX};
pub use extraction::{Attempt, Extraction, PageAttempt};
pub use extractor::Extractor;
pub use fingerprint::ExtractFingerprint;
pub use formats::extractor;
pub use includes::{IncludedFile, ReadIncluded, WithIncludes, with_includes};
pub use lines::{KnownLines, LineMap};
