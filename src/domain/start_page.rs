//! A page at which a crawl starts.

/// A page at which a crawl starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartPage {
    /// Its URL, normalised.
    pub url: String,
    /// When it last changed, according to a sitemap.
    pub lastmod: Option<String>,
}
