//! Which documents of a site may be deleted: the rule, in one place.
//!
//! A document is lost if a complete crawl finds no page with its text: nothing links to it any
//! more, or its page is missing, redirected, excluded or not a page any more. It is deleted
//!
//! - in the second such run in a row, if that is at least the grace after the first;
//! - at once, if the settings of kb.toml leave it out, or another page has its text now: one that
//!   the server says it moved to for good, that it names as its original, or that is its Markdown,
//!   and of which that is true for no other lost document; or it is named in kb.toml, and the user
//!   allows that it has become something else.
//!
//! Nothing is lost if the listing failed: a page or sitemap that kb.toml names is unavailable, or
//! is not what it was. The guard against mass deletion (`producer::reconcile`) comes after this.

use std::collections::HashMap;

use crate::domain::RunId;
use crate::kb::{Answer, Lost, LostDocument, PageState};

/// What decides over a page besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Hash of the source's settings.
    pub settings: &'a str,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// The run.
    pub run: RunId,
    /// Time between the first run that finds a document lost and the one that deletes it.
    pub grace_ms: i64,
    /// Whether kb.toml names the page.
    pub is_named: bool,
    /// Whether the crawl starts at it: its links lead to the others.
    pub is_start: bool,
    /// Whether the user allows a named page to become something else.
    pub may_change: bool,
}

/// Reports whether an earlier run found the document lost, long enough ago.
pub fn is_over(lost: Option<Lost>, rules: &Rules<'_>) -> bool {
    lost.is_some_and(|lost| {
        let age_ms = rules.now_ms.saturating_sub(lost.since_ms);
        lost.run != rules.run && age_ms >= rules.grace_ms
    })
}

/// What happens to a lost document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has no text, and says why.
    Stays,
    /// It is deleted if a later run finds the same.
    Waits,
    /// It is deleted.
    Goes,
}

/// What a lost document has to do with the site.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relation {
    /// kb.toml names its page, or a sitemap at its URI that is unusable.
    pub is_named: bool,
    /// The settings of kb.toml leave it out.
    pub is_left_out: bool,
    /// The page that it leads to has a text, and it is the only one that leads there.
    pub has_heir: bool,
}

/// Returns what happens to a document that the crawl did not find.
pub fn fate(document: &LostDocument, relation: Relation, rules: &Rules<'_>) -> Fate {
    let is_unavailable = matches!(document.state, Some(PageState::Failed | PageState::Refused));
    let leads_for_good =
        matches!(document.answer, Some(Answer::Moved | Answer::Canonical | Answer::Twin));
    if is_unavailable || !document.has_text && relation.is_named {
        Fate::Stays
    } else if !document.has_text
        || relation.is_left_out
        || leads_for_good && relation.has_heir
        || relation.is_named && rules.may_change
        || is_over(document.lost, rules)
    {
        Fate::Goes
    } else {
        Fate::Waits
    }
}

/// Counts the lost documents that lead to each URL.
pub fn targets(documents: &[LostDocument]) -> HashMap<&str, usize> {
    let mut targets = HashMap::new();
    for document in documents.iter().filter(|document| document.has_text) {
        if let Some(target) = target(document) {
            *targets.entry(target).or_default() += 1;
        }
    }
    targets
}

/// Returns the URL that the page of a document leads to.
pub fn target(document: &LostDocument) -> Option<&str> {
    let leads_on = document.state == Some(PageState::Redirected);
    document.reason.as_deref().filter(|_| leads_on)
}

/// Returns why a document is lost.
pub fn reason(document: &LostDocument) -> String {
    let reason = document.reason.clone().unwrap_or_default();
    match (document.state, document.answer) {
        (None, _) => "no page links to it any more".to_owned(),
        (Some(PageState::Redirected), Some(Answer::Canonical)) => {
            format!("names {reason} as its original")
        }
        (Some(PageState::Redirected), Some(Answer::Twin)) => format!("its Markdown is {reason}"),
        (Some(PageState::Redirected), _) => format!("redirects to {reason}"),
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DocumentId;

    const HOUR_MS: i64 = 3_600_000;

    fn rules() -> Rules<'static> {
        Rules {
            settings: "",
            now_ms: 10 * HOUR_MS,
            run: RunId(5),
            grace_ms: HOUR_MS,
            is_named: false,
            is_start: false,
            may_change: false,
        }
    }

    fn lost(run: i64, hours_ago: i64) -> Option<Lost> {
        Some(Lost { run: RunId(run), since_ms: (10 - hours_ago) * HOUR_MS })
    }

    #[test]
    fn two_runs_an_hour_apart_have_to_agree() {
        let check = |lost: Option<Lost>, grace_ms: i64, expected: bool| {
            assert_eq!(is_over(lost, &Rules { grace_ms, ..rules() }), expected, "{lost:?}");
        };
        check(None, HOUR_MS, false);
        check(lost(4, 0), HOUR_MS, false);
        check(lost(4, 1), HOUR_MS, true);
        check(lost(1, 9), HOUR_MS, true);
        // However long a run takes, it is one run.
        check(lost(5, 2), HOUR_MS, false);
        check(lost(5, 2), 0, false);
        check(lost(4, 0), 0, true);
        // The clock was set back.
        check(lost(4, -1), 0, false);
    }

    #[test]
    fn every_kind_of_loss_has_its_fate() {
        let check =
            |state: Option<PageState>, answer: Option<Answer>, relation, since, expected| {
                for (has_text, expected) in [(true, expected), (false, Fate::Goes)] {
                    let expected = match state {
                        Some(PageState::Failed | PageState::Refused) => Fate::Stays,
                        _ => expected,
                    };
                    let id = DocumentId(1);
                    let (uri, reason) = (String::new(), None);
                    let document =
                        LostDocument { id, uri, state, answer, reason, has_text, lost: since };
                    assert_eq!(fate(&document, relation, &rules()), expected, "{document:?}");
                }
            };
        let none = Relation::default();
        let heir = Relation { has_heir: true, ..none };
        let out = Relation { is_left_out: true, ..none };
        let states = [
            (None, None),
            (Some(PageState::Gone), Some(Answer::Missing)),
            (Some(PageState::Excluded), Some(Answer::Skipped)),
            (Some(PageState::Excluded), None),
            (Some(PageState::Redirected), Some(Answer::Redirect)),
            (Some(PageState::Redirected), Some(Answer::Moved)),
            (Some(PageState::Redirected), Some(Answer::Canonical)),
            (Some(PageState::Redirected), Some(Answer::Twin)),
        ];
        for (state, answer) in states {
            check(state, answer, none, None, Fate::Waits);
            check(state, answer, none, lost(4, 0), Fate::Waits);
            check(state, answer, none, lost(4, 1), Fate::Goes);
            check(state, answer, out, None, Fate::Goes);
            let is_for_good =
                matches!(answer, Some(Answer::Moved | Answer::Canonical | Answer::Twin));
            check(state, answer, heir, None, if is_for_good { Fate::Goes } else { Fate::Waits });
        }
        let (id, uri, reason) = (DocumentId(1), String::new(), None);
        let (state, answer) = (Some(PageState::Redirected), Some(Answer::Redirect));
        let start = LostDocument { id, uri, state, answer, reason, has_text: true, lost: None };
        let named = Relation { is_named: true, ..none };
        assert_eq!(fate(&start, named, &rules()), Fate::Waits);
        let rules = Rules { may_change: true, ..rules() };
        assert_eq!(fate(&start, named, &rules), Fate::Goes);
        check(Some(PageState::Failed), Some(Answer::Outage), none, lost(4, 1), Fate::Stays);
        check(Some(PageState::Refused), Some(Answer::Refused), none, lost(4, 1), Fate::Stays);
    }
}
