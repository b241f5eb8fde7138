//! A file of a web site that is not a page and is cached for a while, such as robots.txt.

/// One such file, as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFile {
    /// Its URL.
    pub url: String,
    /// When it was fetched, milliseconds since 1970.
    pub fetched_ms: i64,
    /// Its content; `None` if it does not exist.
    pub body: Option<Vec<u8>>,
}
