//! Which URLs are the same page, and which belong to the site.
//!
//! URLs are normalised by the WHATWG rules of the crate `url` (host in lower case, no default port,
//! no dot segments); fragments and unwanted query parameters are removed, too.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use globset::GlobSet;
use url::{Origin, Url};

use super::address::{host, may_be_asked, with_plain_escapes};
use super::config::WebConfig;
use crate::source::globs::{self, Globs};
use crate::source::located::Located;

/// Limit on a URL that is followed, in characters.
const URL_CHARS_MAX: usize = 2000;
/// Limit on the parts of a path.
const PATH_PARTS_MAX: usize = 24;
/// Limit on the occurrences of one part in a path in which the same parts follow each other twice:
/// relative links that should be absolute make endless paths.
const SAME_PART_MAX: usize = 3;

/// Whether a URL belongs to a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A page of the site.
    Wanted,
    /// Not of this site, or not wanted by its globs.
    Outside,
    /// A URL of this site that is skipped, for this reason.
    Excluded(&'static str),
}

/// The URLs that belong to a site.
#[derive(Debug)]
pub(super) struct Scope {
    /// The folder of each root, or the prefix of kb.toml.
    prefixes: RwLock<Vec<Url>>,
    /// The URLs from which the crawl starts, if these decide the prefixes.
    roots: Vec<Url>,
    /// Sitemaps alone decide what the site is: they may be in a folder of their own.
    is_what_sitemaps_list: bool,
    hosts: Vec<String>,
    origins: Vec<Origin>,
    same_host: bool,
    globs: Globs,
    drop_parameters: GlobSet,
    keep_parameters: GlobSet,
}

impl Scope {
    /// `roots` are the URLs from which the crawl starts.
    pub(super) fn new(config: &WebConfig, roots: &[Url]) -> Result<Self, String> {
        let text = |value: &Located<String>| value.get_ref().clone();
        let include: Vec<_> = config.include.iter().map(text).collect();
        let exclude: Vec<_> = config.exclude.iter().map(text).collect();
        let parameters = |names: &[Located<String>]| {
            globs::set(names.iter().map(|name| name.get_ref().as_str()))
        };
        let prefix = config.url_prefix.get_ref();
        let is_by_roots = prefix.is_empty();
        let prefixes: Vec<_> = if is_by_roots {
            roots.iter().map(folder).collect()
        } else {
            vec![Url::parse(prefix).map_err(|error| error.to_string())?]
        };
        let origins = roots.iter().map(Url::origin).collect();
        let hosts = roots.iter().chain(&prefixes).map(host).collect();
        Ok(Self {
            prefixes: RwLock::new(prefixes),
            roots: if is_by_roots { roots.to_vec() } else { Vec::new() },
            is_what_sitemaps_list: is_by_roots && config.start_urls.is_empty(),
            hosts,
            origins,
            same_host: config.same_host,
            globs: Globs::new(
                include.iter().map(String::as_str),
                exclude.iter().map(String::as_str),
            )?,
            drop_parameters: parameters(&config.drop_parameters)?,
            keep_parameters: parameters(&config.keep_parameters)?,
        })
    }

    /// Notes that `from` redirects to `to`. If `from` is a start URL without a slash at its end,
    /// also with another scheme, and `to` is below it, the site is that folder, and not the one
    /// around it.
    pub(super) fn narrow(&self, from: &Url, to: &Url) {
        let path = format!("{}/", from.path());
        let is_root = |root: &Url| host(root) == host(from) && root.path() == from.path();
        if from.path().ends_with('/') || !to.path().starts_with(&path) || host(from) != host(to) {
            return;
        }
        let mut prefixes = self.prefixes.write().unwrap_or_else(PoisonError::into_inner);
        for (prefix, _) in prefixes.iter_mut().zip(&self.roots).filter(|(_, root)| is_root(root)) {
            prefix.set_path(&path);
        }
    }

    /// Returns the normalised URL of the link `text` on the page `base`; `None` if it cannot be
    /// crawled.
    pub(super) fn resolve(&self, base: &Url, text: &str) -> Option<Url> {
        self.normalise(base.join(text.trim()).ok()?)
    }

    /// Returns the normal form of `url`, which identifies its page.
    pub(super) fn normalise(&self, mut url: Url) -> Option<Url> {
        if !may_be_asked(&url) {
            return None;
        }
        url.set_fragment(None);
        if let Some(path) = with_plain_escapes(url.path()) {
            url.set_path(&path);
        }
        if let Some(at) = url.path().to_ascii_lowercase().find(";jsessionid=") {
            let path = url.path()[..at].to_owned();
            url.set_path(&path);
        }
        let query = url.query().map(|query| {
            let stays = |parameter: &&str| {
                let name = parameter.split('=').next().unwrap_or(parameter).to_ascii_lowercase();
                !parameter.is_empty()
                    && (self.keep_parameters.is_match(&name)
                        || !self.drop_parameters.is_match(&name))
            };
            let query = query.split('&').filter(stays).collect::<Vec<_>>().join("&");
            with_plain_escapes(&query).unwrap_or(query)
        });
        url.set_query(query.as_deref().filter(|query| !query.is_empty()));
        Some(url)
    }

    /// Judges whether the normalised `url`, found on a page, belongs to the site.
    pub(super) fn judge(&self, url: &Url) -> Verdict {
        if self.is_inside(url) { self.judge_path(url) } else { Verdict::Outside }
    }

    /// Judges whether the normalised `url`, found in a sitemap, belongs to the site.
    pub(super) fn judge_listed(&self, url: &Url) -> Verdict {
        let is_listed = self.is_what_sitemaps_list && self.is_own_host(url);
        if is_listed { self.judge_path(url) } else { self.judge(url) }
    }

    fn judge_path(&self, url: &Url) -> Verdict {
        // The index page of a folder is treated like the files in it.
        let index = if url.path().ends_with('/') { "index.html" } else { "" };
        let path = format!("{}{index}", url.path().trim_start_matches('/'));
        if !self.globs.wants_file(Path::new(&path)) {
            return Verdict::Outside;
        }
        if url.as_str().len() > URL_CHARS_MAX {
            return Verdict::Excluded("its url is longer than 2000 characters");
        }
        let parts: Vec<_> = url.path().split('/').filter(|part| !part.is_empty()).collect();
        if parts.len() > PATH_PARTS_MAX {
            return Verdict::Excluded("its path has more than 24 parts");
        }
        if repeats_itself(&parts) {
            return Verdict::Excluded("its path repeats itself");
        }
        Verdict::Wanted
    }

    /// Reports whether a request for `url` may carry the user's headers: it has the scheme, host
    /// and port of a start URL. Any other scheme or port is another server, or the same one without
    /// encryption.
    pub(super) fn may_get_headers(&self, url: &Url) -> bool {
        self.origins.contains(&url.origin())
    }

    fn is_own_host(&self, url: &Url) -> bool {
        self.hosts.contains(&host(url))
    }

    fn is_inside(&self, url: &Url) -> bool {
        let below = |prefix: &Url| {
            host(prefix) == host(url) && url.path().starts_with(prefix.path())
                || prefix.path().strip_suffix('/') == Some(url.path()) && host(prefix) == host(url)
        };
        let prefixes = self.prefixes.read().unwrap_or_else(PoisonError::into_inner);
        prefixes.iter().any(below) || !self.same_host && !self.is_own_host(url)
    }
}

/// Reports whether a part is there too often, and the same two parts follow each other twice: the
/// numbers in `title/1/chapter/1/article/1/section/1` are no loop.
fn repeats_itself(parts: &[&str]) -> bool {
    let often = |part: &&str| parts.iter().filter(|other| other == &part).count() > SAME_PART_MAX;
    let pairs: Vec<_> = parts.windows(2).collect();
    let is_loop = || pairs.iter().enumerate().any(|(at, pair)| pairs[at + 1..].contains(pair));
    parts.iter().any(often) && is_loop()
}

/// Returns the folder that contains `url`.
fn folder(url: &Url) -> Url {
    let mut folder = url.clone();
    let end = url.path().rfind('/').map_or(0, |at| at + 1);
    folder.set_path(&url.path()[..end]);
    folder.set_query(None);
    folder.set_fragment(None);
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a URL from what follows its scheme's colon and slashes; no address of this file is
    /// one by itself.
    fn url(scheme: &str, rest: &str) -> Url {
        Url::parse(&format!("{scheme}:{}{rest}", "//")).unwrap()
    }

    /// Returns the scope of a site that begins at /docs/.
    fn scope(keys: &str) -> Scope {
        let root = url("https", "example.org/docs/");
        let config = format!("name = 'site'\nstart_urls = ['{root}']\n{keys}");
        Scope::new(&toml::from_str(&config).unwrap(), &[root]).unwrap()
    }

    #[test]
    fn one_url_stands_for_a_page() {
        let usual = scope("");
        let check = |scheme: &str, rest: &str, expected: &str| {
            let normalised = usual.normalise(url(scheme, rest)).map(String::from);
            assert_eq!(normalised, Some(url("https", expected).into()), "{scheme} {rest}");
        };
        let https = |rest: &str, expected: &str| check("https", rest, expected);
        https("example.org", "example.org/");
        https("example.org/a#part", "example.org/a");
        https("example.org/a/../b/./c", "example.org/b/c");
        https("example.org/a%20b/ä", "example.org/a%20b/%C3%A4");
        https("example.org/a%20b/%c3%a4?q=%7e%3d", "example.org/a%20b/%C3%A4?q=~%3D");
        check("HTTPS", "Example.ORG:443/Docs", "example.org/Docs");
        https("example.org:8443/a", "example.org:8443/a");
        https("bücher.example.org/", "xn--bcher-kva.example.org/");
        // Query parameters: only unwanted and empty ones go, the order stays.
        https("example.org/a?b=1&a=2", "example.org/a?b=1&a=2");
        https("example.org/a?utm_source=x&b=1&UTM_medium=y", "example.org/a?b=1");
        https("example.org/a?fbclid=x", "example.org/a");
        https("example.org/a?", "example.org/a");
        https("example.org/a?&b&&c=#d", "example.org/a?b&c=");
        https("example.org/a?phpsessid=1&PHPSESSID=2&session=3", "example.org/a?session=3");
        https("example.org/a;jsessionid=0F1E?b=1", "example.org/a?b=1");
        https("example.org/a;JSESSIONID=0F1E/b", "example.org/a");
    }

    #[test]
    fn parameters_that_are_kept_win() {
        let scope = scope("drop_parameters = ['*']\nkeep_parameters = ['page', 'utm_id']");
        let normalised = scope.normalise(url("https", "example.org/?a=1&page=2&utm_id=3&pages=4"));
        assert_eq!(normalised, Some(url("https", "example.org/?page=2&utm_id=3")));
    }

    #[test]
    fn links_are_resolved_against_their_page() {
        let scope = scope("");
        let base = url("https", "example.org/docs/guide.html?page=2#top");
        let check = |link: &str, expected: Option<&str>| {
            let expected = expected.map(|rest| url("https", rest));
            assert_eq!(scope.resolve(&base, link), expected, "{link}");
        };
        check("other.html", Some("example.org/docs/other.html"));
        check("../up/", Some("example.org/up/"));
        check("/root", Some("example.org/root"));
        check("?page=3", Some("example.org/docs/guide.html?page=3"));
        check("#part", Some("example.org/docs/guide.html?page=2"));
        check("", Some("example.org/docs/guide.html?page=2"));
        check(" \n other.html \t", Some("example.org/docs/other.html"));
        check(&format!("{}docs.example.org/a", "//"), Some("docs.example.org/a"));
        // URLs that are never requested.
        check("mailto:me@example.org", None);
        check("javascript:void(0)", None);
        check("data:text/plain,a", None);
        check(&format!("ftp:{}example.org/a", "//"), None);
        check(&format!("https:{}me@example.org/a", "//"), None);
        check(&format!("https:{}:word@example.org/a", "//"), None);
        check(&format!("https:{}", "//"), None);
    }

    #[test]
    fn what_belongs_to_a_site() {
        let check = |keys: &str, rest: &str, expected: Verdict| {
            assert_eq!(scope(keys).judge(&url("https", rest)), expected, "{keys} {rest}");
        };
        let usual = |rest: &str, expected: Verdict| check("", rest, expected);
        usual("example.org/docs/", Verdict::Wanted);
        usual("example.org/docs", Verdict::Wanted);
        usual("example.org/docs/a/b.html?c=d", Verdict::Wanted);
        usual("example.org/docsets/", Verdict::Outside);
        usual("example.org/", Verdict::Outside);
        usual("docs.example.org/docs/", Verdict::Outside);
        check("same_host = false", "docs.example.org/other/", Verdict::Wanted);
        check("same_host = false", "example.org/other/", Verdict::Outside);
        check("exclude = ['docs/a/**']", "example.org/docs/a/", Verdict::Outside);
        check("include = ['docs/*.html']", "example.org/docs/b", Verdict::Outside);
        // A folder's own page counts as its index.html.
        check("include = ['docs/*.html']", "example.org/docs/", Verdict::Wanted);
        // The media type decides, not the name.
        usual("example.org/docs/Node.js", Verdict::Wanted);
        usual("example.org/docs/how-to-open-a.zip", Verdict::Wanted);
        let repeats = Verdict::Excluded("its path repeats itself");
        usual("example.org/docs/a/a/a/", Verdict::Wanted);
        usual("example.org/docs/a/a/b/a/a/", repeats.clone());
        usual("example.org/docs/a/b/a/b/a/b/a/b", repeats);
        usual("example.org/docs/title/1/chapter/1/article/1/section/1", Verdict::Wanted);
        let numbered = |count: usize| {
            let parts: Vec<_> = (1..=count).map(|part| part.to_string()).collect();
            format!("example.org/docs/{}", parts.join("/"))
        };
        usual(&numbered(23), Verdict::Wanted);
        usual(&numbered(24), Verdict::Excluded("its path has more than 24 parts"));
        let long = |chars: usize| {
            let start = "example.org/docs/";
            format!("{start}{}", "x".repeat(chars - "https:".len() - 2 - start.len()))
        };
        usual(&long(2000), Verdict::Wanted);
        usual(&long(2001), Verdict::Excluded("its url is longer than 2000 characters"));
    }

    #[test]
    fn a_start_url_without_its_slash_is_narrowed() {
        let root = url("https", "example.org/docs");
        let config = format!("name = 'site'\nstart_urls = ['{root}']");
        let scope =
            Scope::new(&toml::from_str(&config).unwrap(), std::slice::from_ref(&root)).unwrap();
        let blog = url("https", "example.org/blog/");
        assert_eq!(scope.judge(&blog), Verdict::Wanted);
        scope.narrow(&root, &url("https", "example.org/elsewhere/"));
        scope.narrow(&root, &url("https", "example.com/docs/"));
        assert_eq!(scope.judge(&blog), Verdict::Wanted);
        scope.narrow(&root, &url("https", "example.org/docs/"));
        assert_eq!(scope.judge(&blog), Verdict::Outside);
        assert_eq!(scope.judge(&root), Verdict::Wanted);
        assert_eq!(scope.judge(&url("https", "example.org/docs/a")), Verdict::Wanted);
    }

    #[test]
    fn sitemaps_may_list_pages_beside_their_folder() {
        let root = url("https", "example.org/maps/docs.xml");
        let config = format!("name = 'site'\nsitemaps = ['{root}']");
        let scope = Scope::new(&toml::from_str(&config).unwrap(), &[root]).unwrap();
        let page = url("https", "example.org/page");
        assert_eq!(
            (scope.judge_listed(&page), scope.judge(&page)),
            (Verdict::Wanted, Verdict::Outside)
        );
        assert_eq!(scope.judge_listed(&url("https", "example.com/page")), Verdict::Outside);
    }

    #[test]
    fn headers_belong_to_an_origin() {
        let scope = scope("");
        let check = |scheme: &str, rest: &str, expected: bool| {
            assert_eq!(scope.may_get_headers(&url(scheme, rest)), expected, "{scheme} {rest}");
        };
        check("https", "example.org/", true);
        check("https", "EXAMPLE.org:443/robots.txt", true);
        check("http", "example.org/docs/", false);
        check("http", "example.org:443/docs/", false);
        check("https", "example.org:8443/docs/", false);
        check("https", "example.org./docs/", false);
        check("https", "docs.example.org/docs/", false);
    }
}
