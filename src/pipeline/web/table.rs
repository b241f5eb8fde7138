//! Tests of what happens to a page: every visit of every kind of page.

use super::lost::Rules;
use super::reading::reading;
use super::textless::{Known, Rest};
use super::transition::{Visit, Visited, next};
use crate::domain::{DocumentId, FailureKind, LineMap, MediaType, RunId, Stage};
use crate::kb::{
    Answer, FoundLink, Lost, NewText, PageDocument, PageLinks, PageRow, PageState, QueuedPage,
    ReadResult, Transition,
};
use crate::source::Validators;

const HOUR_MS: i64 = 3_600_000;

/// A kind of page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Never seen.
    New,
    /// With a document.
    Known,
    /// With a document that an earlier run found lost, an hour ago.
    Lost,
    /// Named in kb.toml, without a document.
    NewStart,
    /// Named in kb.toml, with a document and links.
    KnownStart,
}

const KINDS: [Kind; 5] = [Kind::New, Kind::Known, Kind::Lost, Kind::NewStart, Kind::KnownStart];

fn page(kind: Kind) -> QueuedPage {
    let since_ms = 9 * HOUR_MS;
    let document = PageDocument {
        id: DocumentId(1),
        has_version: true,
        extract_fp: "html@4".to_owned(),
        content_hash: Some([1; 32]),
        failure: None,
        lost: (kind == Kind::Lost).then_some(Lost { run: RunId(4), since_ms }),
    };
    let has_document = !matches!(kind, Kind::New | Kind::NewStart);
    QueuedPage {
        id: 7,
        url: "https://a.org/".to_owned(),
        depth: 2,
        redirects: 1,
        had_links: has_document,
        document: has_document.then_some(document),
        row: PageRow {
            etag: Some("old".to_owned()),
            settings: Some("settings".to_owned()),
            ..PageRow::default()
        },
        ..QueuedPage::default()
    }
}

fn text(hash: u8) -> ReadResult {
    ReadResult::Text(NewText {
        content_hash: [hash; 32],
        title: String::new(),
        media_type: MediaType::Markdown,
        encoding: String::new(),
        metadata: String::new(),
        text: String::new(),
        lines: LineMap::OfFile,
    })
}

fn to(url: &str) -> String {
    format!("https://a.org/{url}")
}

fn read(hash: u8, links: &[&str], doubt: Option<&'static str>) -> Visit {
    Visit::Read {
        reading: Box::new(reading(&page(Kind::Known), None, "html@4".to_owned(), text(hash))),
        validators: Validators { etag: Some("new".to_owned()), last_modified: None },
        links: links.iter().map(|link| FoundLink::to(to(link))).collect(),
        left_out: 0,
        doubt,
    }
}

fn skipped() -> Visit {
    let (reason, kind) = ("noindex".to_owned(), FailureKind::Skipped);
    Visit::Skipped { reason, kind, rest: Rest::default(), was_asked: true }
}

fn redirect(is_permanent: bool) -> Visit {
    let validators = Validators::default();
    Visit::Redirect { url: to("b"), excluded: None, is_permanent, validators }
}

fn rules(kind: Kind) -> Rules<'static> {
    let is_named = matches!(kind, Kind::NewStart | Kind::KnownStart);
    Rules {
        settings: "settings",
        now_ms: 10 * HOUR_MS,
        run: RunId(5),
        grace_ms: HOUR_MS,
        is_named,
        is_start: is_named,
        may_change: false,
    }
}

fn after(kind: Kind, visit: Visit) -> Transition {
    let known_links = vec![FoundLink::to(to("known"))];
    next(Visited { page: page(kind), known_links }, visit, &rules(kind))
}

/// Returns state, failure (`-` none, `~` transient, `!` permanent, `s` skipped, `t` a text), and
/// links (`f` found ones, `k` known ones).
fn shown(transition: &Transition) -> String {
    let reading = match transition.reading.as_ref().map(|reading| &reading.result) {
        None => '-',
        Some(ReadResult::Text(_)) => 't',
        Some(ReadResult::Failed { kind: FailureKind::Transient, .. }) => '~',
        Some(ReadResult::Failed { kind: FailureKind::Permanent, .. }) => '!',
        Some(ReadResult::Failed { kind: FailureKind::Skipped, .. }) => 's',
    };
    let links = match &transition.links {
        PageLinks::Found(links, _) => format!("f{}", links.len()),
        PageLinks::Stored(links) => format!("k{}", links.len()),
    };
    format!("{} {reading}{links}", transition.row.state.as_str())
}

/// Checks what happens to the five kinds of page.
fn check(what: &str, visit: impl Fn() -> Visit, expected: [&str; 5]) {
    for (kind, expected) in KINDS.into_iter().zip(expected) {
        assert_eq!(shown(&after(kind, visit())), expected, "{what}: {kind:?}");
    }
}

fn same(what: &str, visit: impl Fn() -> Visit, expected: &str) {
    check(what, visit, [expected; 5]);
}

#[test]
fn every_visit_of_every_kind_of_page() {
    same("the same text", || read(1, &["a", "b"], None), "fetched tf2");
    same("another text", || read(2, &["a"], None), "fetched tf1");
    let f0 = "fetched tf0";
    check("no links", || read(2, &[], None), [f0, f0, f0, f0, "refused ~k1"]);
    let f1 = "fetched tf1";
    check("a link to itself", || read(2, &[""], None), [f1, f1, f1, f1, "refused ~k1"]);
    same("the same text without links", || read(1, &[], None), f0);
    let doubt = || read(2, &["a"], Some("a login"));
    // Only of named pages that had a text; the visit doubts no others.
    assert_eq!(shown(&after(Kind::KnownStart, doubt())), "refused ~k1");
    same("304", || Visit::Unchanged { was_asked: true }, "unchanged -k1");
    same(
        "Markdown",
        || Visit::Twin {
            url: to("a.md"),
            validators: Validators::default(),
            links: vec![FoundLink::to(to("a.md")), FoundLink::to(to("b"))],
            left_out: 0,
        },
        "redirected -f2",
    );
    same(
        "canonical",
        || Visit::Canonical { url: to("b"), validators: Validators::default() },
        "redirected -f1",
    );
    same("moved", || redirect(true), "redirected -f1");
    let r = "redirected -f1";
    check("redirected", || redirect(false), [r, r, r, r, "refused ~k1"]);
    let e = "excluded sf0";
    check("noindex", skipped, ["excluded -f0", "excluded ~f0", "excluded -f0", e, e]);
    let (gone, named) = ("gone -f0", "gone !f0");
    let missing = || Visit::Missing { reason: "404".to_owned(), known: None };
    check("404", missing, [gone, "gone ~f0", gone, named, named]);
    let refused = || Visit::Refused { reason: "403".to_owned() };
    check(
        "403",
        refused,
        ["refused -k1", "refused ~k1", "refused ~k1", "refused ~k1", "refused ~k1"],
    );
    let outage = || Visit::Outage { reason: "500".to_owned(), pause_ms: 0 };
    same("an outage", outage, "queued -k0");
    same("a long pause", || Visit::PutOff { until_ms: 99 * HOUR_MS }, "queued -k0");
    same("a crash", || Visit::Quarantined { error: "crashed".to_owned() }, "fetched !k0");
    same("left alone", || Visit::Alone, "queued -k0");
}

#[test]
fn a_third_outage_fails_the_page() {
    let mut page = page(Kind::Known);
    page.row.attempts = 2;
    let visit = Visit::Outage { reason: "500".to_owned(), pause_ms: 0 };
    let visited = Visited { page, known_links: Vec::new() };
    let transition = next(visited, visit, &rules(Kind::Known));
    assert_eq!(shown(&transition), "failed ~k0");
    assert_eq!((transition.row.outages, transition.row.answer), (1, Some(Answer::Outage)));
}

#[test]
fn a_later_run_knows_what_this_one_found() {
    let row = after(Kind::Known, read(2, &["a"], None)).row;
    assert_eq!((row.etag.as_deref(), row.settings.as_deref()), (Some("new"), Some("settings")));
    assert_eq!((row.answer, row.asked_ms), (Some(Answer::Page), 10 * HOUR_MS));
    let row = after(Kind::Known, Visit::Unchanged { was_asked: false }).row;
    assert_eq!((row.etag.as_deref(), row.asked_ms), (Some("old"), 0));
    let row = after(Kind::Known, redirect(true)).row;
    assert_eq!((row.answer, row.etag), (Some(Answer::Moved), None));
    // Known to be missing: the state of then, and when it was asked for.
    let mut dead = page(Kind::New);
    dead.row.answer = Some(Answer::Missing);
    dead.row.reason = Some("404".to_owned());
    dead.row.asked_ms = 5;
    let visited = Visited { page: dead, known_links: Vec::new() };
    let row = next(visited, Visit::Remembered, &rules(Kind::New)).row;
    assert_eq!((row.state, row.reason.as_deref(), row.asked_ms), (PageState::Gone, Some("404"), 5));
}

#[test]
fn a_page_without_a_text_still_has_none() {
    let known = || {
        let validators = Validators { etag: Some("new".to_owned()), last_modified: None };
        Some(Known { validators, extract_fp: "html@3".to_owned() })
    };
    let noindex = || {
        let (reason, kind) = ("noindex".to_owned(), FailureKind::Skipped);
        let rest = Rest { known: known(), ..Rest::default() };
        Visit::Skipped { reason, kind, rest, was_asked: true }
    };
    let missing = || Visit::Missing { reason: "404".to_owned(), known: known() };
    let visits: [(&dyn Fn() -> Visit, &str, &str); 2] =
        [(&noindex, "excluded", "noindex"), (&missing, "gone", "404")];
    for (visit, state, reason) in visits {
        for kind in [Kind::New, Kind::Known, Kind::Lost] {
            let first = after(kind, visit()).row;
            assert_eq!(first.settings.as_deref(), Some("settings\nhtml@3"));
            let again = |visit| {
                let page = QueuedPage { row: first.clone(), ..page(kind) };
                let known_links = vec![FoundLink::to(to("known"))];
                next(Visited { page, known_links }, visit, &rules(kind))
            };
            let same = again(Visit::Unchanged { was_asked: true });
            let failure = if kind == Kind::Known { '~' } else { '-' };
            assert_eq!(shown(&same), format!("{state} {failure}k1"), "{kind:?}");
            assert_eq!(same.row.reason.as_deref(), Some(reason));
            assert_eq!((&same.row.etag, &same.row.settings), (&first.etag, &first.settings));
            assert_eq!((same.row.answer, same.clears_failure), (first.answer, None));
            // Another answer makes it unknown why there was no text.
            let refused = again(Visit::Refused { reason: "403".to_owned() });
            let outage = again(Visit::Outage { reason: "500".to_owned(), pause_ms: 0 });
            assert_eq!((refused.row.etag, outage.row.etag), (None, None));
        }
        let named = after(Kind::KnownStart, visit()).row;
        assert_eq!((named.etag, named.settings.as_deref()), (None, Some("settings")));
    }
}

#[test]
fn a_user_may_allow_a_start_to_change() {
    for visit in [redirect(false), read(2, &[], Some("a login"))] {
        let rules = Rules { may_change: true, ..rules(Kind::KnownStart) };
        let visited = Visited { page: page(Kind::KnownStart), known_links: Vec::new() };
        let state = next(visited, visit, &rules).row.state;
        assert!(matches!(state, PageState::Redirected | PageState::Fetched), "{state:?}");
    }
}

#[test]
fn a_page_that_stands_alone_is_fetched_whole() {
    let mut led = page(Kind::Known);
    led.row.canonical = Some(to("b"));
    let visited = Visited { page: led, known_links: Vec::new() };
    let row = next(visited, Visit::Alone, &rules(Kind::Known)).row;
    assert_eq!((row.canonical, row.settings), (None, None));
    assert_eq!((row.canonical_failed, row.twin_failed), (true, false));
}

#[test]
fn the_failure_of_a_document_in_its_grace_says_so() {
    let transition = after(Kind::Known, Visit::Missing { reason: "404".to_owned(), known: None });
    let Some(ReadResult::Failed { stage, error, .. }) = transition.reading.map(|it| it.result)
    else {
        panic!("no failure");
    };
    assert_eq!(stage, Stage::Crawl);
    assert_eq!(error, "404; its document goes if a later run finds the same");
}
