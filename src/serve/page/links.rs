//! Where the links of pages lead.

use crate::kb::ListPlace;
use crate::serve::resource;

/// Returns the address of the page that shows a document; with `lines`, at these.
pub fn view(kb: &str, place: &ListPlace, lines: Option<(u64, u64)>) -> String {
    let path = format!("/view/{}", resource::path(kb, place));
    match lines {
        Some((line, end)) => format!("{path}?line={line}&end={end}#here"),
        None => path,
    }
}

/// Returns the address of a document's text.
pub fn text(kb: &str, place: &ListPlace) -> String {
    format!("/documents/{}", resource::path(kb, place))
}
