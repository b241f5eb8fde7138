//! Documents that are text already: prose, programs, Markdown and transcripts, in any encoding.

pub(crate) mod captions;
pub(crate) mod charset;
pub(crate) mod code_page;
pub(crate) mod encoding;
pub(crate) mod front_matter;
pub(crate) mod markdown;
pub(crate) mod plain;
