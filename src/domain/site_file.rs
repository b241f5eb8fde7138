//! A file of a web site that is no page and stays what it is for a while.

/// One such file as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFile {
    /// Its url.
    pub url: String,
    /// When it was fetched, milliseconds since 1970.
    pub fetched_ms: i64,
    /// What is in it; `None` where it is not there.
    pub body: Option<Vec<u8>>,
}
