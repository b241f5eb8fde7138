//! `similar`: the documents nearest to one.

use std::path::PathBuf;

use serde::Serialize;

use super::{Target, get};
use crate::error::Error;
use crate::kb::{NearDocument, Reader};

/// The documents nearest to one; `similar --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct SimilarReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// Name of the document's source.
    pub source: String,
    /// URI of the document.
    pub uri: String,
    /// The nearest documents, nearest first.
    pub documents: Vec<NearDocument>,
}

/// Returns the documents of `target` nearest to the one called `name`, at most `most`; none if its
/// text is blank. Takes no lock and writes nothing.
pub fn similar(target: &Target, name: &str, most: usize) -> Result<SimilarReport, Error> {
    let kb = Reader::open(target.kb())?;
    let (place, _) = get::find(&kb, name)?;
    let documents = kb.near_documents(&place, most)?.unwrap_or_default();
    Ok(SimilarReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        source: place.source,
        uri: place.uri,
        documents,
    })
}
