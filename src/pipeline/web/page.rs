//! Reads what a visit of a page returned: text, links, and what the page says of itself. Nothing
//! here reads or writes the knowledge base.

use serde_json::Value;
use url::Url;

use super::naming::{base_of, file_name, title_of};
use super::reading::reading;
use super::signs::{body, is_html, is_login, needs_script, says_not_found};
use super::site::Site;
use super::textless::{Known, Rest};
use super::transition::Visit;
use crate::domain::{FailureKind, LineMap, MediaType, Stage};
use crate::error::chain;
use crate::extract::{PageAttempt, html};
use crate::kb::{NewText, PageDocument, QueuedPage, ReadResult, Reading};
use crate::pipeline::producer::document::extract_one;
use crate::source::{
    Content, Fetched, Validators, Verdict, VisitResult, looks_like_sitemap, markdown_links,
    skip_condition,
};
use crate::support::clock::now_ms;
use crate::support::secrets;

/// Why a page is left out that only scripts fill.
pub const NEEDS_SCRIPT: &str = "it holds no text without JavaScript";

/// Why a sitemap among the pages of kb.toml fails.
const SITEMAP_AS_PAGE: &str = "it is a sitemap or feed: list it in `sitemaps`";

/// Limit on consecutive redirects.
const REDIRECTS_MAX: u32 = 10;
/// Limit on a server's URL in a message, in characters.
const URL_CHARS_SHOWN: usize = 500;
/// Longest delay of a refresh that replaces a page, in seconds.
const REFRESH_SECONDS_MAX: u32 = 10;
/// Longest text of a page that a refresh replaces after a delay, in bytes.
const REFRESH_BYTES_MAX: usize = 500;

/// What is known of a page in this run, before anything is decided.
#[derive(Debug)]
pub enum Seen {
    /// It was requested.
    Answered(VisitResult),
    /// A sitemap says that it is unchanged.
    UnchangedBySitemap,
    /// An earlier run found nothing there, not long ago.
    KnownDead,
    /// It is not requested, for this reason.
    NotAsked(&'static str),
}

/// Returns what a visit found.
pub fn visit(site: &Site<'_>, page: &QueuedPage, seen: Seen) -> Visit {
    let url = page.url.parse().ok();
    // A page that was queued in an earlier run has not been counted yet.
    if let Some(url) = &url {
        site.traps().note(url);
    }
    let answer = match seen {
        Seen::Answered(answer) => answer,
        Seen::UnchangedBySitemap => return Visit::Unchanged { was_asked: false },
        Seen::KnownDead => return Visit::Remembered,
        Seen::NotAsked(reason) => return not_asked(reason.to_owned()),
    };
    match answer {
        VisitResult::Page(fetched) => match &url {
            Some(url) => read(site, page, url, fetched),
            None => skipped("not a URL".to_owned()),
        },
        VisitResult::NotModified if site.is_known(page) => {
            let target = page.row.reason.as_ref().and_then(|target| target.parse().ok());
            if let (Some(url), Some(target)) = (url, target) {
                site.source.narrow(&url, &target);
            }
            Visit::Unchanged { was_asked: true }
        }
        VisitResult::NotModified => {
            Visit::Outage { reason: "304 without having been asked for".to_owned(), pause_ms: 0 }
        }
        VisitResult::Moved { to, .. } if page.is_twin => {
            skipped(format!("redirects to {}", shown(&to)))
        }
        VisitResult::Moved { to, is_permanent } => moved(site, page, &to, is_permanent),
        VisitResult::Gone(status) => {
            Visit::Missing { reason: format!("the server answers {status}"), known: None }
        }
        VisitResult::Excluded { reason, validators } => {
            if let Some(url) = url.filter(|_| reason.starts_with("no text: ")) {
                site.traps().note_text(&url, false);
            }
            let known = Some(Known { validators, extract_fp: String::new() });
            let (kind, rest) = (FailureKind::Permanent, Rest { known, ..Rest::default() });
            Visit::Skipped { reason, kind, rest, was_asked: true }
        }
        VisitResult::Forbidden(reason) => not_asked(reason),
        VisitResult::Refused(reason) => Visit::Refused { reason },
        VisitResult::Outage { reason, pause } => Visit::Outage {
            reason,
            pause_ms: pause.map_or(0, |pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        },
        VisitResult::PutOff { pause, .. } => {
            let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            Visit::PutOff { until_ms: now_ms().saturating_add(pause_ms) }
        }
    }
}

fn not_asked(reason: String) -> Visit {
    let (kind, rest) = (FailureKind::Permanent, Rest::default());
    Visit::Skipped { reason, kind, rest, was_asked: false }
}

fn skipped(reason: String) -> Visit {
    let (kind, rest) = (FailureKind::Permanent, Rest::default());
    Visit::Skipped { reason, kind, rest, was_asked: true }
}

fn shown(url: &Url) -> String {
    secrets::hidden(url.as_str()).chars().take(URL_CHARS_SHOWN).collect()
}

fn moved(site: &Site<'_>, page: &QueuedPage, to: &Url, is_permanent: bool) -> Visit {
    let outside = || skipped(format!("redirects to {}, which is outside of the site", shown(to)));
    let Some(target) = site.source.resolve(to, "") else { return outside() };
    if target.as_str() == page.url {
        return skipped("redirects to itself".to_owned());
    }
    if page.redirects >= REDIRECTS_MAX {
        return skipped(format!("more than {REDIRECTS_MAX} redirects"));
    }
    if let Ok(url) = page.url.parse() {
        site.source.narrow(&url, &target);
    }
    let is_permanent = is_permanent && !is_login(&target);
    let excluded = match site.source.judge(&target) {
        Verdict::Wanted => None,
        Verdict::Outside => return outside(),
        Verdict::Excluded(reason) => Some(reason.to_owned()),
    };
    let validators = Validators::default();
    Visit::Redirect { url: target.into(), excluded, is_permanent, validators }
}

fn read(site: &Site<'_>, page: &QueuedPage, url: &Url, fetched: Fetched) -> Visit {
    // Who follows a redirect to a login has found no page.
    let is_named = site.source.asks_for(&page.url);
    if page.redirects > 0 && !is_named && is_login(url) {
        return skipped("a login page".to_owned());
    }
    site.traps().note_text(url, true);
    if is_html(&fetched) {
        read_html(site, page, url, fetched)
    } else {
        read_other(site, page, url, fetched)
    }
}

fn read_html(site: &Site<'_>, page: &QueuedPage, url: &Url, fetched: Fetched) -> Visit {
    let Fetched { bytes, charset, validators, robots, markdown, .. } = fetched;
    if page.is_twin {
        return skipped("HTML in the place of Markdown that a page names".to_owned());
    }
    let size_bytes = bytes.len() as u64;
    let base = base_of(url, &bytes);
    let absolute = |href: &str| base.join(href).map_or_else(|_| href.to_owned(), String::from);
    let options = site.options(&charset, Some(&absolute));
    let PageAttempt { fingerprint, result } =
        site.extraction.extract_page(&page.url, bytes, &options);
    let extract_fp = fingerprint.to_string();
    let known = || Some(Known { validators: validators.clone(), extract_fp: extract_fp.clone() });
    let converted = match result {
        Ok(converted) => converted,
        Err(error) if error.kind == FailureKind::Skipped => {
            let rest = Rest { known: known(), ..Rest::default() };
            return without(error.reason, FailureKind::Skipped, rest);
        }
        Err(error) => {
            let (stage, kind) = (Stage::Extract, error.kind);
            let result = ReadResult::Failed { stage, kind, error: chain(&error) };
            let read = reading(page, Some(&validators), extract_fp, result);
            return leaf(Reading { size_bytes, ..read }, validators);
        }
    };
    if let Some(visit) = no_page(site, page, url, &base, &converted, known()) {
        return visit;
    }
    let is_repeat = site.traps().repeats(url, &converted.markdown);
    let respects = site.source.respects_robots();
    let noindex = respects && (robots.noindex || converted.facts.robots.noindex);
    let nofollow = respects && (robots.nofollow || converted.facts.robots.nofollow);
    let canonical = site.canonical(page, &base, converted.facts.canonical.as_deref());
    if let Some(canonical) = canonical.filter(|_| !noindex) {
        return Visit::Canonical { url: canonical.into(), validators };
    }
    let found = || site.links(page, &base, converted.links.iter().cloned(), is_repeat);
    let (links, left_out) = if nofollow { Default::default() } else { found() };
    let metadata = || Value::from_iter(metadata_of(site, &converted)).to_string();
    if let Some(reason) = hidden(site, noindex, metadata) {
        // A header may change while the page does not.
        let known = known().filter(|_| !robots.noindex);
        let rest = Rest { links, left_out, known };
        return without(reason, FailureKind::Skipped, rest);
    }
    let named = markdown.as_deref().or(converted.facts.markdown.as_deref());
    if let Some(twin) = site.twin(page, &base, named) {
        site.traps().note(&twin);
        return Visit::Twin { url: twin.into(), validators, links, left_out };
    }
    if needs_script(&converted) && links.is_empty() {
        let rest = Rest { known: known(), ..Rest::default() };
        return without(NEEDS_SCRIPT.to_owned(), FailureKind::Permanent, rest);
    }
    if body(&converted).is_empty()
        && site.has_same_settings(page)
        && has_other_text(site, page, &converted)
    {
        let reason = "it has no text any more".to_owned();
        // Without a document, it will be one without a text.
        let rest = Rest { links, left_out, known: None };
        return without(reason, FailureKind::Permanent, rest);
    }
    let doubt = doubt(site, page, url, &converted);
    let result = ReadResult::Text(text_of(site, url, converted));
    let read = reading(page, Some(&validators), extract_fp, result);
    let reading = Box::new(Reading { size_bytes, ..read });
    Visit::Read { reading, validators, links, left_out, doubt }
}

/// Returns why a page is not to be found, which its text and links do not say.
fn hidden(site: &Site<'_>, noindex: bool, metadata: impl FnOnce() -> String) -> Option<String> {
    let conditions = &site.source.skip_if;
    if noindex || conditions.is_empty() {
        return noindex.then(|| "noindex".to_owned());
    }
    let condition = skip_condition(conditions, &metadata())?;
    Some(format!("its metadata meet skip_if ({condition})"))
}

/// Returns the visit of a page that was requested and has no text.
fn without(reason: String, kind: FailureKind, rest: Rest) -> Visit {
    Visit::Skipped { reason, kind, rest, was_asked: true }
}

/// Returns the visit of a page whose links are unknown.
fn leaf(reading: Reading, validators: Validators) -> Visit {
    let (reading, links) = (Box::new(reading), Vec::new());
    Visit::Read { reading, validators, links, left_out: 0, doubt: None }
}

/// Returns what a page is that only leads to another one, or says that it is not there.
fn no_page(
    site: &Site<'_>,
    page: &QueuedPage,
    url: &Url,
    base: &Url,
    converted: &html::Page,
    known: Option<Known>,
) -> Option<Visit> {
    if let Some((seconds, target)) = &converted.facts.refresh
        && (*seconds == 0
            || *seconds <= REFRESH_SECONDS_MAX && converted.markdown.len() <= REFRESH_BYTES_MAX)
        && let Ok(target) = base.join(target)
        && site.source.resolve(&target, "").is_some_and(|target| target.as_str() != page.url)
    {
        let mut visit = moved(site, page, &target, *seconds == 0);
        if let (Visit::Redirect { validators, .. }, Some(known)) = (&mut visit, known) {
            *validators = known.validators;
        }
        return Some(visit);
    }
    // A page that kb.toml names is never a soft 404.
    if site.source.asks_for(&page.url) {
        return None;
    }
    if says_not_found(converted) {
        let reason = "the page says that it is not found".to_owned();
        return Some(Visit::Missing { reason, known });
    }
    if page.redirects > 0 && converted.facts.asks_password {
        return Some(skipped("a login page".to_owned()));
    }
    if site.is_error_page(url, converted.title.as_deref(), &converted.markdown) {
        let reason = "a soft 404: the text is that of the error page of the server".to_owned();
        return Some(Visit::Missing { reason, known });
    }
    None
}

/// Returns why a page that kb.toml names may not be what it was.
fn doubt(
    site: &Site<'_>,
    page: &QueuedPage,
    url: &Url,
    converted: &html::Page,
) -> Option<&'static str> {
    if !site.source.asks_for(&page.url) || !has_text(page) {
        None
    } else if converted.facts.asks_password {
        Some("it asks for a password")
    } else if site.is_error_page(url, converted.title.as_deref(), &converted.markdown) {
        Some("the server answers every url with it")
    } else {
        None
    }
}

fn has_text(page: &QueuedPage) -> bool {
    page.document.as_ref().is_some_and(|document| document.content_hash.is_some())
}

/// Reports whether the document of a page has a text that is not this one.
fn has_other_text(site: &Site<'_>, page: &QueuedPage, converted: &html::Page) -> bool {
    let title = converted.title.as_deref().unwrap_or_default();
    let hash = text_hash(site, title, &converted.markdown);
    let has_other = |document: &PageDocument| document.content_hash.is_some_and(|it| it != hash);
    page.document.as_ref().is_some_and(has_other)
}

fn text_of(site: &Site<'_>, url: &Url, converted: html::Page) -> NewText {
    let metadata = Value::from_iter(metadata_of(site, &converted)).to_string();
    let title = converted.title.unwrap_or_else(|| title_of(url));
    NewText {
        content_hash: text_hash(site, &title, &converted.markdown),
        title,
        media_type: MediaType::Markdown,
        encoding: converted.encoding,
        metadata,
        text: converted.markdown,
        // Nobody has the file, and a page may be sent in other lines with the same text.
        lines: LineMap::Unknown,
    }
}

/// Returns what a page and kb.toml say of it.
fn metadata_of(site: &Site<'_>, page: &html::Page) -> impl Iterator<Item = (String, Value)> {
    page.metadata().into_iter().chain(site.metadata())
}

/// Reads Markdown, plain text, and all other formats with extractors.
fn read_other(site: &Site<'_>, page: &QueuedPage, url: &Url, fetched: Fetched) -> Visit {
    let Fetched { bytes, media_type, validators, robots, .. } = fetched;
    if looks_like_sitemap(&bytes) {
        return match site.source.asks_for(&page.url) {
            true => Visit::Refused { reason: SITEMAP_AS_PAGE.to_owned() },
            false => skipped("a sitemap or feed".to_owned()),
        };
    }
    let name = file_name(url, &media_type);
    let size_bytes = bytes.len() as u64;
    let content = Content { bytes, version: None, metadata: site.metadata().collect() };
    let (extract_fp, result) = extract_one(site.extraction, &name, content);
    let known = || Some(Known { validators: validators.clone(), extract_fp: extract_fp.clone() });
    if let ReadResult::Failed { kind: FailureKind::Skipped, error, .. } = &result {
        let reason = error.strip_prefix(&format!("{name}: ")).unwrap_or(error).to_owned();
        let rest = Rest { known: known(), ..Rest::default() };
        return without(reason, FailureKind::Skipped, rest);
    }
    let respects = site.source.respects_robots();
    let (links, left_out) = match &result {
        ReadResult::Text(text)
            if text.media_type == MediaType::Markdown && !(respects && robots.nofollow) =>
        {
            site.links(page, url, markdown_links(&text.text), false)
        }
        _ => Default::default(),
    };
    let noindex = respects && robots.noindex;
    let metadata = || match &result {
        ReadResult::Text(text) => text.metadata.clone(),
        ReadResult::Failed { .. } => String::new(),
    };
    if let Some(reason) = hidden(site, noindex, metadata) {
        // A header may change while the file does not.
        let known = known().filter(|_| !noindex);
        let rest = Rest { links, left_out, known };
        return without(reason, FailureKind::Skipped, rest);
    }
    let read = reading(page, Some(&validators), extract_fp, result);
    let reading = Box::new(Reading { size_bytes, ..read });
    Visit::Read { reading, validators, links, left_out, doubt: None }
}

/// Hashes the text instead of the bytes: pages contain times and tokens that nobody reads. The
/// metadata of the site counts, too.
fn text_hash(site: &Site<'_>, title: &str, text: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(title.as_bytes()).update(b"\0").update(text.as_bytes());
    for (key, value) in &site.source.metadata {
        hasher.update(format!("\0{key}\0{value}").as_bytes());
    }
    *hasher.finalize().as_bytes()
}
