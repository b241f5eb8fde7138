//! How fresh the knowledge bases are, how they grew, and which documents failed.

use maud::{Markup, html};

use super::dates::ago;
use super::find::Form;
use super::layout::{Page, page};
use super::plot::plot;
use super::runs::{self, Ran};
use crate::serve::bases::KnowledgeBases;
use crate::serve::refusal::Refusal;
use crate::serve::tools::{self, KbStatus, StatusArguments};
use crate::support::numbers::number;

/// Runs that are shown.
const RUNS_MAX: u32 = 100;

/// Returns the page about the status of all knowledge bases.
pub fn status(bases: &KnowledgeBases) -> Result<Page, Refusal> {
    let about = tools::status(bases, &StatusArguments::default())?.knowledge_bases;
    let mut sections = Vec::new();
    for (base, status) in bases.all().iter().zip(about) {
        let runs = base.with(|searcher| Ok(searcher.reader().runs(RUNS_MAX)?))?;
        sections.push(section(&status, &Ran::of(&runs, status.documents)));
    }
    let main = html! {
        h1 { "Status" }
        @for section in sections { (section) }
    };
    Ok(page("Status - kbingest", &Form::plain(), &main))
}

fn section(status: &KbStatus, runs: &[Ran]) -> Markup {
    let facts = [
        ("Documents", status.documents),
        ("Chunks", status.chunks),
        ("Waiting", status.chunks_waiting),
        ("Failed", status.documents_failed),
        ("Skipped", status.documents_skipped),
    ];
    html! {
        section .base {
            h2 dir="auto" { @if status.title.is_empty() { (status.kb) } @else { (status.title) } }
            p .about { (freshness(status)) }
            dl .facts {
                @for (name, count) in facts { div { dt { (name) } dd { (number(count)) } } }
            }
            (plot(runs))
            @if !runs.is_empty() { (runs::table(runs)) }
            @if !status.failure_reasons.is_empty() { (failures(status)) }
        }
    }
}

fn freshness(status: &KbStatus) -> String {
    let age = status.last_run_age_seconds.map(ago).unwrap_or_default();
    match (status.is_running, status.last_run.as_str()) {
        (true, _) => "A run is at work now.".to_owned(),
        (_, "none") => "No run yet.".to_owned(),
        (_, "completed") => format!("Up to date with its sources {age}."),
        (_, "completed_with_failures") => format!("Up to date {age}, but for what failed."),
        (_, other) => format!("The last run was {other} {age}: the next one continues it."),
    }
}

fn failures(status: &KbStatus) -> Markup {
    html! {
        h3 { "Failed and skipped, by reason" }
        table .reasons {
            thead { tr { th scope="col" { "Reason" } th scope="col" { "Documents" } } }
            tbody {
                @for one in &status.failure_reasons {
                    tr { td dir="auto" { (one.reason) } td .number { (number(one.documents)) } }
                }
            }
        }
        details {
            summary { "Which documents" }
            ul .failures {
                @for one in &status.failures {
                    li dir="auto" { bdi { (one.source) " / " (one.uri) } ": " (one.error) }
                }
            }
        }
    }
}
