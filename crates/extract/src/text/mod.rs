//! Documents that are text already: prose, programs, Markdown and transcripts, whatever their encoding.

pub(crate) mod captions;
pub(crate) mod encoding;
mod front_matter;
pub(crate) mod markdown;
pub(crate) mod plain;
