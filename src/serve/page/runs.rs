//! The runs of a knowledge base: what came and went, and how many documents there were after each.

use maud::{Markup, html};

use super::dates::minute;
use crate::domain::RunState;
use crate::support::numbers::number;

/// A run, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its number.
    pub id: i64,
    /// Its status.
    pub status: &'static str,
    /// When it began, in milliseconds since 1970.
    pub started_ms: i64,
    /// Milliseconds that its processes were at work.
    pub worked_ms: i64,
    /// Documents that were new, changed, and deleted.
    pub came_and_went: [u64; 3],
    /// Documents that failed.
    pub failed: u64,
    /// Documents after it.
    pub documents: u64,
}

impl Ran {
    /// Returns `runs`, given newest first, in the order in which they were; `documents` is their
    /// number now.
    ///
    /// Runs record what changes, so the number after each is that of now without what came later.
    pub fn of(runs: &[RunState], documents: u64) -> Vec<Self> {
        let mut after = documents;
        let mut ran: Vec<_> = runs
            .iter()
            .map(|run| {
                let counts = &run.metrics;
                let documents = after;
                after = (after + counts.documents_deleted).saturating_sub(counts.documents_new);
                Self {
                    id: run.id.0,
                    status: run.status.as_str(),
                    started_ms: run.started_ms,
                    worked_ms: run.worked_ms,
                    came_and_went: [
                        counts.documents_new,
                        counts.documents_changed,
                        counts.documents_deleted,
                    ],
                    failed: counts.documents_failed,
                    documents,
                }
            })
            .collect();
        ran.reverse();
        ran
    }
}

/// Returns a table of `runs`, newest first.
pub fn table(runs: &[Ran]) -> Markup {
    html! {
        details {
            summary { "Runs" }
            div .wide tabindex="0" role="region" aria-label="Runs" {
                table {
                    thead {
                        tr {
                            @for name in ["Run", "Began (UTC)", "Status", "Seconds", "New", "Changed",
                                "Deleted", "Failed", "Documents"] { th scope="col" { (name) } }
                        }
                    }
                    tbody {
                        @for run in runs.iter().rev() {
                            tr {
                                th scope="row" { (run.id) }
                                td { (minute(run.started_ms)) }
                                td { (run.status.replace('_', " ")) }
                                td .number { (run.worked_ms / 1000) }
                                @for count in run.came_and_went { td .number { (number(count)) } }
                                td .number { (number(run.failed)) }
                                td .number { (number(run.documents)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
