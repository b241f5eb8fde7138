//! What the URL of a page says: the base of its links, the name that shows its format, a title.

use url::Url;

/// Returns the base of a page's relative URLs.
pub fn base_of(url: &Url, bytes: &[u8]) -> Url {
    let has_base = bytes.windows(5).any(|window| window.eq_ignore_ascii_case(b"<base"));
    if !has_base {
        return url.clone();
    }
    let facts = crate::support::html::parse(&String::from_utf8_lossy(bytes)).facts();
    facts.base.and_then(|base| url.join(&base).ok()).unwrap_or_else(|| url.clone())
}

/// Reports whether `named` is the page of a folder in which `url` is another page: sites name their
/// home page on every page by mistake. `index.html` and forms for print or phones are no others.
pub fn is_above(named: &Url, url: &Url) -> bool {
    let is_one_site = named.origin() == url.origin() && named.path().ends_with('/');
    let Some(rest) = url.path().strip_prefix(named.path()).filter(|_| is_one_site) else {
        return false;
    };
    let rest = rest.trim_end_matches('/');
    let stem = rest.split('.').next().unwrap_or_default();
    let is_same = matches!(stem, "" | "index" | "default" | "home" | "amp" | "print");
    !is_same || rest.contains('/')
}

/// Returns a name whose extension shows the format: from the media type, or else from the URL.
pub fn file_name(url: &Url, media_type: &str) -> String {
    let of_path = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    let ending = match media_type {
        "text/markdown" | "text/x-markdown" => "md",
        "application/pdf" => "pdf",
        "application/epub+zip" => "epub",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.oasis.opendocument.text" => "odt",
        "text/plain" if !of_path.contains('.') => "txt",
        _ => return of_path.to_owned(),
    };
    let stem = of_path.rsplit_once('.').map_or(of_path, |(stem, _)| stem);
    format!("{}.{ending}", if stem.is_empty() { "page" } else { stem })
}

pub fn title_of(url: &Url) -> String {
    let mut parts = url.path_segments().into_iter().flatten();
    let last = parts.rfind(|part| !part.is_empty());
    last.or(url.host_str()).unwrap_or("untitled").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_no_copy_of_the_folder_that_it_is_in() {
        let check = |named: &str, url: &str, expected: bool| {
            let url_of = |path: &str| Url::parse(&format!("https://a.org{path}")).unwrap();
            assert_eq!(is_above(&url_of(named), &url_of(url)), expected, "{named} {url}");
        };
        check("/", "/a.html", true);
        check("/", "/docs/a/", true);
        check("/blog/", "/blog/page/2/", true);
        for (named, url) in [
            ("/", "/index.html"),
            ("/", "/?page=2"),
            ("/a/", "/a/amp/"),
            ("/a", "/a/"),
            ("/a/", "/a"),
            ("/v2/a.html", "/v1/a.html"),
        ] {
            check(named, url, false);
        }
    }
}
