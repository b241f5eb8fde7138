//! `pages`: the URLs of web sites, each with its state.

use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use crate::error::Error;
use crate::kb::{PageState, PageView, Reader, UNSEEN};

/// The pages of web sites; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct PagesReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The pages, by source and URL.
    pub pages: Vec<PageView>,
}

/// Returns the names of the states of a page.
pub fn page_states() -> Vec<&'static str> {
    PageState::ALL.map(PageState::as_str).into_iter().chain([UNSEEN]).collect()
}

/// Returns the pages of the knowledge base of `target`, those in one of `states`, or all if that is
/// empty; takes no lock and writes nothing.
pub fn pages(target: &Target, states: &[String]) -> Result<PagesReport, Error> {
    let kb = Reader::open(target.kb())?;
    let mut pages = Vec::new();
    let is_wanted =
        |page: &PageView| states.is_empty() || states.iter().any(|state| state == page.state);
    kb.each_page(&mut |page| pages.extend(Some(page).filter(is_wanted)))?;
    Ok(PagesReport { schema: 1, knowledge_base: target.kb().to_owned(), pages })
}
