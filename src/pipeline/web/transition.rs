//! What happens to a page: the one place that decides it, from what is known of the page and what
//! the visit found. Nothing here reads or writes.

use super::lost::Rules;
use super::reading::{failure, html, reading};
use super::textless::{
    Known, Lack, Rest, end, fetched, forget_lack_of_text, lack, remembered, still_without_text,
};
use crate::domain::{FailureKind, Stage};
use crate::kb::{
    Answer, FoundLink, PageLinks, PageState, QueuedPage, ReadResult, Reading, Transition,
};
use crate::source::Validators;
use crate::support::{retry, secrets};

/// Failed visits of a page in one run.
const ATTEMPTS_MAX: u32 = 3;
/// Factor on the waits of `support::retry`: a server needs longer to recover than a queue.
const BACKOFF_FACTOR: u32 = 5;

/// What a visit found.
#[derive(Debug)]
pub enum Visit {
    /// A page.
    Read {
        /// Its text, or why there is none.
        reading: Box<Reading>,
        /// For the next conditional request.
        validators: Validators,
        /// The links to follow.
        links: Vec<FoundLink>,
        /// Links that a limit leaves out.
        left_out: u64,
        /// Why it may not be the page that it was: it reads like the error page of its server, or
        /// asks for a password.
        doubt: Option<&'static str>,
    },
    /// Unchanged since it was fetched.
    Unchanged {
        /// Whether the server said so, and not a sitemap.
        was_asked: bool,
    },
    /// A page whose document is its Markdown version.
    Twin {
        /// URL of that.
        url: String,
        /// For the next conditional request.
        validators: Validators,
        /// The links to follow.
        links: Vec<FoundLink>,
        /// Links that a limit leaves out.
        left_out: u64,
    },
    /// A page that names another one as its original.
    Canonical {
        /// URL of that.
        url: String,
        /// For the next conditional request.
        validators: Validators,
    },
    /// A redirect inside of the site.
    Redirect {
        /// Its target.
        url: String,
        /// Why the target is not visited, if it is not.
        excluded: Option<String>,
        /// The server says that it is for good, and it does not lead to a login.
        is_permanent: bool,
        /// For the next conditional request, if it is a page that leads on.
        validators: Validators,
    },
    /// No page of the site, by its rules or ours.
    Skipped {
        /// Why.
        reason: String,
        /// What a later run does about it, if kb.toml names the page.
        kind: FailureKind,
        /// What it has.
        rest: Rest,
        /// Whether it was requested.
        was_asked: bool,
    },
    /// Nothing is there.
    Missing {
        /// How the server says so.
        reason: String,
        /// `None` if it is fetched whole again.
        known: Option<Known>,
    },
    /// Nothing is there, or no page: an earlier run asked, not long ago.
    Remembered,
    /// Refused by the server.
    Refused {
        /// How the server says so.
        reason: String,
    },
    /// No complete response.
    Outage {
        /// What happened.
        reason: String,
        /// Time after which the server wants the next request.
        pause_ms: u64,
    },
    /// The host asks for a long pause.
    PutOff {
        /// When it is over, milliseconds since 1970.
        until_ms: i64,
    },
    /// The page crashed the process.
    Quarantined {
        /// How often.
        error: String,
    },
    /// The page that had the document of this one turns out not to have it.
    Alone,
}

/// A page with what is known of its links.
#[derive(Debug)]
pub struct Visited {
    /// The page.
    pub page: QueuedPage,
    /// The links that are stored with it.
    pub known_links: Vec<FoundLink>,
}

/// Returns what happens to a page.
pub fn next(visited: Visited, visit: Visit, rules: &Rules<'_>) -> Transition {
    let Visited { page, known_links } = visited;
    let has_text = page.document.as_ref().is_some_and(|it| it.content_hash.is_some());
    // A page that kb.toml names and that had a text must not silently become something else.
    let is_at_stake = rules.is_named && has_text && !rules.may_change;
    let visit = match visit {
        Visit::Redirect { url, is_permanent: false, .. } if is_at_stake => {
            Visit::Refused { reason: format!("redirects to {}", secrets::hidden(&url)) }
        }
        Visit::Read { reading, links, doubt, left_out, validators } => {
            // Other settings make other texts.
            let is_same_view = page.row.settings.as_deref() == Some(rules.settings);
            let is_changed = is_at_stake && is_same_view && is_other_text(&page, &reading);
            let is_leaf = rules.is_start && page.had_links && !leads_on(&page, &links);
            let doubt = doubt.or(is_leaf.then_some("it no longer links to a page of the site"));
            match doubt.filter(|_| is_changed) {
                Some(doubt) => Visit::Refused {
                    reason: format!("its text is not used: {doubt}; is it in maintenance?"),
                },
                None => Visit::Read { reading, links, doubt: None, left_out, validators },
            }
        }
        visit => visit,
    };
    let mut transition = begin(page.depth, page.redirects, &page, rules);
    decide(&mut transition, &page, known_links, visit, rules);
    transition
}

/// Returns the transition that all begin with: a visit that leaves no trace of earlier ones.
fn begin(depth: u32, redirects: u32, page: &QueuedPage, rules: &Rules<'_>) -> Transition {
    let mut row = page.row.clone();
    row.attempts += 1;
    row.outages = 0;
    row.reason = None;
    row.not_before_ms = 0;
    row.asked_ms = rules.now_ms;
    Transition {
        page: page.id,
        depth,
        redirects,
        row,
        reading: None,
        links: PageLinks::Stored(Vec::new()),
        clears_failure: None,
    }
}

fn decide(
    transition: &mut Transition,
    page: &QueuedPage,
    known_links: Vec<FoundLink>,
    visit: Visit,
    rules: &Rules<'_>,
) {
    let row = &mut transition.row;
    match visit {
        Visit::Read { reading, validators, links, left_out, .. } => {
            fetched(transition, page, Some(validators), rules);
            transition.row.state = PageState::Fetched;
            transition.row.answer = Some(Answer::Page);
            transition.reading = Some(*reading);
            transition.links = PageLinks::Found(links, left_out);
        }
        Visit::Unchanged { was_asked } => {
            unchanged(transition, page, known_links, was_asked);
            if page.row.answer.is_some_and(Answer::is_without_text) {
                still_without_text(transition, page, rules);
            }
        }
        Visit::Twin { url, validators, links, left_out } => {
            fetched(transition, page, Some(validators), rules);
            twin(transition, url, links, left_out);
        }
        Visit::Canonical { url, validators } => {
            fetched(transition, page, Some(validators), rules);
            lead_to(transition, url.clone(), Answer::Canonical);
            transition.row.canonical = Some(url.clone());
            transition.links = redirect(url, None);
        }
        Visit::Redirect { url, excluded, is_permanent, validators } => {
            fetched(transition, page, Some(validators), rules);
            let answer = if is_permanent { Answer::Moved } else { Answer::Redirect };
            lead_to(transition, url.clone(), answer);
            transition.links = redirect(url, excluded);
        }
        Visit::Skipped { reason, kind, rest, was_asked } => {
            let (state, answer) = (PageState::Excluded, was_asked.then_some(Answer::Skipped));
            lack(transition, page, Lack { state, answer, reason, kind }, rest, rules);
        }
        Visit::Missing { reason, known } => {
            let (state, answer) = (PageState::Gone, Some(Answer::Missing));
            let (kind, rest) = (FailureKind::Permanent, Rest { known, ..Rest::default() });
            lack(transition, page, Lack { state, answer, reason, kind }, rest, rules);
        }
        Visit::Remembered => remembered(transition, page),
        Visit::Refused { reason } => {
            let matters = page.document.is_some() || rules.is_named;
            let failure = || failure(page, FailureKind::Transient, &reason);
            transition.reading = matters.then(failure);
            forget_lack_of_text(transition, page);
            end(transition, PageState::Refused, Some(Answer::Refused), reason);
            transition.links = PageLinks::Stored(known_links);
        }
        Visit::Outage { reason, pause_ms } => {
            outage(transition, page, known_links, reason, rules.now_ms, pause_ms);
        }
        Visit::PutOff { until_ms } => {
            *row = page.row.clone();
            row.not_before_ms = until_ms;
        }
        Visit::Quarantined { error } => {
            row.state = PageState::Fetched;
            let (stage, kind) = (Stage::Extract, FailureKind::Permanent);
            let result = ReadResult::Failed { stage, kind, error };
            transition.reading = Some(reading(page, None, html(), result));
        }
        Visit::Alone => {
            row.state = PageState::Queued;
            row.attempts = 0;
            row.settings = None;
            row.twin_failed |= row.twin.take().is_some();
            row.canonical_failed |= row.canonical.take().is_some();
        }
    }
}

/// What was found at the last fetch still holds.
fn unchanged(
    transition: &mut Transition,
    page: &QueuedPage,
    known_links: Vec<FoundLink>,
    was_asked: bool,
) {
    let row = &mut transition.row;
    if !was_asked {
        row.asked_ms = page.row.asked_ms;
    }
    row.lastmod_fetched.clone_from(&page.lastmod);
    let is_redirect = page.row.answer.is_some_and(Answer::is_redirect);
    let target = || page.row.reason.clone().filter(|_| is_redirect);
    row.reason = row.twin.clone().or_else(|| row.canonical.clone()).or_else(target);
    let leads_on = row.reason.is_some();
    row.state = if leads_on { PageState::Redirected } else { PageState::Unchanged };
    let document = page.document.as_ref().map(|document| document.id);
    transition.clears_failure = document.filter(|_| !leads_on);
    transition.links = PageLinks::Stored(known_links);
}

/// The Markdown version at `url` has the document; the links of the page are its own.
fn twin(transition: &mut Transition, url: String, mut links: Vec<FoundLink>, left_out: u64) {
    lead_to(transition, url.clone(), Answer::Twin);
    links.retain(|link| link.url != url);
    links.insert(0, FoundLink::to(url.clone()));
    transition.row.twin = Some(url);
    transition.links = PageLinks::Found(links, left_out);
}

/// The page is retried in this run, then left to the next.
fn outage(
    transition: &mut Transition,
    page: &QueuedPage,
    known_links: Vec<FoundLink>,
    reason: String,
    now_ms: i64,
    pause_ms: u64,
) {
    let row = &mut transition.row;
    row.outages = page.row.outages + 1;
    forget_lack_of_text(transition, page);
    let row = &mut transition.row;
    row.answer = Some(Answer::Outage);
    row.reason = Some(reason.clone());
    if row.attempts < ATTEMPTS_MAX {
        let backoff = retry::backoff(row.attempts) * BACKOFF_FACTOR;
        let wait_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX).max(pause_ms);
        row.state = PageState::Queued;
        row.not_before_ms = now_ms.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        return;
    }
    row.state = PageState::Failed;
    transition.reading = Some(failure(page, FailureKind::Transient, &reason));
    transition.links = PageLinks::Stored(known_links);
}

/// Another page has the document.
fn lead_to(transition: &mut Transition, url: String, answer: Answer) {
    let row = &mut transition.row;
    row.state = PageState::Redirected;
    row.answer = Some(answer);
    row.reason = Some(url);
}

fn redirect(url: String, excluded: Option<String>) -> PageLinks {
    PageLinks::Found(vec![FoundLink { url, excluded, is_redirect: true }], 0)
}

fn is_other_text(page: &QueuedPage, reading: &Reading) -> bool {
    let before = page.document.as_ref().and_then(|document| document.content_hash);
    match &reading.result {
        ReadResult::Text(text) => before != Some(text.content_hash),
        ReadResult::Failed { .. } => true,
    }
}

/// Reports whether a link leads to another page of the site.
fn leads_on(page: &QueuedPage, links: &[FoundLink]) -> bool {
    links.iter().any(|link| link.excluded.is_none() && link.url != page.url)
}
