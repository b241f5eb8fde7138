//! Where a crawl starts: the pages that kb.toml names, those that sitemaps list, and `llms.txt`.

use std::collections::{HashSet, VecDeque};

use url::Url;

use super::address::{self, host};
use super::fetch::Fetcher;
use super::host_files::{FileError, FileStart};
use super::scope::Verdict;
use super::{llms, sitemap};
use crate::domain::StartPage;
use crate::source::SourceError;
use crate::support::secrets;

/// Limit on the nesting of sitemap indexes; the protocol allows none.
const SITEMAP_DEPTH_MAX: u32 = 5;
/// Limit on the bytes of all sitemaps of a site, after decoding Content-Encoding but before
/// decompressing .gz files.
const SITEMAPS_BYTES_MAX: u64 = 1 << 30;

/// The starting points of a crawl.
#[derive(Debug, Default)]
pub struct Starts {
    /// The pages.
    pub pages: Vec<StartPage>,
    /// A sitemap that may exist but is unavailable.
    pub outage: Option<String>,
    /// Why there may be more pages than these: a limit on sitemaps or lists.
    pub limit: Option<String>,
    /// Sitemaps that should list pages of the site and do not.
    pub unusable: Vec<UnusableSitemap>,
    /// URLs of Markdown that `llms.txt` lists; they are also among the pages.
    pub markdown: HashSet<String>,
}

/// A sitemap that should list pages of the site and does not.
#[derive(Debug)]
pub struct UnusableSitemap {
    /// Its URL, without passwords.
    pub url: String,
    /// Why.
    pub reason: String,
    /// Whether it is all that kb.toml names it for: it lists no page at all.
    pub is_failing_start: bool,
}

/// What kb.toml names for a crawl to start from.
pub(super) struct Named<'a> {
    pub(super) starts: &'a [Url],
    pub(super) listed: &'a HashSet<Url>,
    /// URLs, and the words `robots` and `auto`.
    pub(super) sitemaps: &'a [String],
    pub(super) prefers_markdown: bool,
    pub(super) max_pages: u64,
    pub(super) max_sitemaps: u64,
}

/// Returns the pages from which a crawl starts.
pub(super) fn find(named: &Named<'_>, fetcher: &Fetcher) -> Result<Starts, SourceError> {
    let mut finder = Finder { named, fetcher, starts: Starts::default() };
    finder.add_named();
    if named.prefers_markdown {
        finder.add_llms_txt()?;
    }
    finder.read_sitemaps()?;
    Ok(finder.starts)
}

/// A sitemap that is read first, with all that its indexes lead to.
#[derive(Debug)]
struct Root {
    url: Url,
    /// Whether kb.toml names it; others may be missing.
    is_required: bool,
    pages: u64,
    /// Why it may list more pages.
    problem: Option<String>,
    /// Whether it begins as a sitemap does, and does not end as one.
    is_partial: bool,
}

#[derive(Debug)]
struct SitemapToRead {
    url: Url,
    /// Index of its root.
    root: usize,
    /// Number of indexes that led to it.
    depth: u32,
}

/// The sitemaps to read.
#[derive(Debug, Default)]
struct Waiting {
    roots: Vec<Root>,
    sitemaps: VecDeque<SitemapToRead>,
    /// These and those already read.
    met: HashSet<Url>,
}

impl Waiting {
    /// Notes why a sitemap, or one that its root leads to, may list more pages.
    fn note(&mut self, read: &SitemapToRead, problem: String) {
        let root = &mut self.roots[read.root];
        let is_root = root.url == read.url;
        let below = || format!("{}: {problem}", secrets::hidden(read.url.as_str()));
        let problem = if is_root { problem.clone() } else { below() };
        root.problem.get_or_insert(problem);
    }
}

struct Finder<'a> {
    named: &'a Named<'a>,
    fetcher: &'a Fetcher,
    starts: Starts,
}

impl Finder<'_> {
    fn add_named(&mut self) {
        let start = |url: &Url| StartPage { url: url.to_string(), lastmod: None };
        self.starts.pages.extend(self.named.starts.iter().map(start));
        let mut listed: Vec<_> = self.named.listed.iter().map(start).collect();
        listed.sort_unstable_by(|a, b| a.url.cmp(&b.url));
        self.starts.pages.extend(listed);
    }

    /// Adds what the `llms.txt` of each host lists.
    fn add_llms_txt(&mut self) -> Result<(), SourceError> {
        let mut files: Vec<_> =
            self.named.starts.iter().filter_map(|url| url.join("/llms.txt").ok()).collect();
        files.dedup();
        for file in files {
            let visitor = &self.fetcher.visitor;
            let fetch = || visitor.optional_file(&file, llms::SIZE_MAX_BYTES);
            let text = match self.fetcher.complete(fetch)? {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(reason) => {
                    self.starts.outage = Some(secrets::hidden(&format!("{file}: {reason}")));
                    continue;
                }
            };
            let scope = &self.fetcher.visitor.scope;
            for link in llms::links(&String::from_utf8_lossy(&text)) {
                let Some(url) = scope.resolve(&file, &link) else { continue };
                if scope.judge(&url) == Verdict::Wanted {
                    let url = String::from(url);
                    if llms::is_markdown(&url) {
                        self.starts.markdown.insert(url.clone());
                    }
                    self.starts.pages.push(StartPage { url, lastmod: None });
                }
            }
        }
        Ok(())
    }

    /// Adds what sitemaps list, up to the limits.
    fn read_sitemaps(&mut self) -> Result<(), SourceError> {
        let mut waiting = Waiting::default();
        for (url, is_required) in self.first_sitemaps()? {
            let root = waiting.roots.len();
            let sitemap = SitemapToRead { url: url.clone(), root, depth: 0 };
            let (pages, problem, is_partial) = (0, None, false);
            waiting.roots.push(Root { url, is_required, pages, problem, is_partial });
            self.add(&mut waiting, sitemap);
        }
        let mut bytes_left = SITEMAPS_BYTES_MAX;
        while let Some(read) = waiting.sitemaps.pop_front() {
            if bytes_left == 0 {
                self.limit(format!("its sitemaps have more than {SITEMAPS_BYTES_MAX} bytes"));
                break;
            }
            if !self.has_room() {
                self.limit(self.too_many_pages());
                break;
            }
            let max = sitemap::SIZE_MAX_BYTES.min(bytes_left);
            let fetch = || self.fetcher.visitor.fetch_file(&read.url, max);
            match self.fetcher.complete(fetch)? {
                Ok(FileStart { bytes, is_whole }) => {
                    bytes_left = bytes_left.saturating_sub(bytes.len() as u64);
                    self.take_sitemap(&read, sitemap::parse(bytes, is_whole), &mut waiting);
                }
                Err(FileError::Missing(reason)) => waiting.note(&read, reason),
                Err(FileError::Outage(reason)) => {
                    let url = &read.url;
                    let outage = secrets::hidden(&format!("sitemap {url}: {reason}"));
                    self.starts.outage = Some(outage);
                }
            }
        }
        self.judge_roots(waiting.roots);
        Ok(())
    }

    fn add(&mut self, waiting: &mut Waiting, sitemap: SitemapToRead) {
        if !address::may_be_asked(&sitemap.url) || waiting.met.contains(&sitemap.url) {
            return;
        }
        let max = self.named.max_sitemaps;
        if sitemap.depth > SITEMAP_DEPTH_MAX {
            self.limit(format!(
                "its sitemap indexes are nested more than {SITEMAP_DEPTH_MAX} deep"
            ));
        } else if waiting.met.len() as u64 >= max {
            self.limit(format!("it has more than {max} sitemaps (max_sitemaps)"));
        } else {
            waiting.met.insert(sitemap.url.clone());
            waiting.sitemaps.push_back(sitemap);
        }
    }

    fn limit(&mut self, limit: String) {
        self.starts.limit.get_or_insert(limit);
    }

    fn too_many_pages(&self) -> String {
        format!("its sitemaps list more than max_pages ({})", self.named.max_pages)
    }

    /// Twice as many may be listed as are visited: some of them will turn out not to be pages.
    fn has_room(&self) -> bool {
        (self.starts.pages.len() as u64) < self.named.max_pages.saturating_mul(2)
    }

    /// Returns the sitemaps to read first, and whether kb.toml names each.
    fn first_sitemaps(&self) -> Result<Vec<(Url, bool)>, SourceError> {
        let mut first = Vec::new();
        for sitemap in self.named.sitemaps {
            if let Ok(url) = Url::parse(sitemap) {
                first.push((url, true));
                continue;
            }
            for start in self.named.starts {
                let find = || self.fetcher.visitor.sitemaps_of(start);
                for named in self.fetcher.complete(find)? {
                    first.extend(start.join(&named).ok().map(|url| (url, false)));
                }
                if sitemap == "auto" {
                    first.extend(start.join("/sitemap.xml").ok().map(|url| (url, false)));
                }
            }
        }
        Ok(first)
    }

    fn take_sitemap(
        &mut self,
        read: &SitemapToRead,
        found: sitemap::Sitemap,
        waiting: &mut Waiting,
    ) {
        let sitemap = &read.url;
        if found.is_over {
            let shown = secrets::hidden(sitemap.as_str());
            self.limit(format!("sitemap {shown} has more than 50,000 urls"));
        }
        if let Some(problem) = found.problem {
            let root = &mut waiting.roots[read.root];
            root.is_partial |= !found.entries.is_empty();
            waiting.note(read, problem.to_owned());
        }
        let scope = &self.fetcher.visitor.scope;
        for entry in found.entries {
            let Some(url) = scope.resolve(sitemap, &entry.url) else { continue };
            if entry.is_sitemap {
                // A sitemap is authoritative for its own host, and lists sitemaps there.
                if host(&url) == host(sitemap) {
                    let (root, depth) = (read.root, read.depth + 1);
                    self.add(waiting, SitemapToRead { url, root, depth });
                }
            } else if scope.judge_listed(&url) == Verdict::Wanted {
                waiting.roots[read.root].pages += 1;
                if !self.has_room() {
                    self.limit(self.too_many_pages());
                    return;
                }
                self.starts.pages.push(StartPage { url: url.into(), lastmod: entry.lastmod });
            }
        }
    }

    /// Finds the sitemaps that should list pages of the site and do not: those that kb.toml names,
    /// and those that did before.
    fn judge_roots(&mut self, roots: Vec<Root>) {
        let cache = &self.fetcher.visitor.file_cache;
        let is_whole = self.starts.outage.is_none() && self.starts.limit.is_none();
        for root in roots {
            let was_useful = cache.last(root.url.as_str()).flatten().is_some();
            let is_useless = root.pages == 0 && is_whole;
            let nothing = || "it lists no page of this site".to_owned();
            let problem = root.problem.or_else(|| is_useless.then(nothing));
            match problem {
                Some(problem) if root.is_required || was_useful || root.is_partial => {
                    let url = secrets::hidden(root.url.as_str());
                    let reason = format!("not a usable sitemap: {problem}");
                    let is_failing_start = root.is_required && root.pages == 0;
                    self.starts.unusable.push(UnusableSitemap { url, reason, is_failing_start });
                }
                // Remembered as one that lists pages.
                None if !was_useful && root.pages > 0 => {
                    cache.note(root.url.as_str(), Some(&[]));
                }
                _ => {}
            }
        }
    }
}
