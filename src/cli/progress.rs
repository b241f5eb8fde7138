//! Progress of a run, on stderr: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::ProgressMode;
use super::output::{escape, message, seconds};
use super::terminal::NarrowTerminal;
use super::{hints, render};
use crate::domain::{FailureKind, PhaseStatus, RunState};
use crate::support::events::{Event, EventSink, Withheld};
use crate::support::numbers::{counted, number};
use crate::support::secrets;

/// Failed documents that are named during the run; the summary counts the rest.
const FAILURES_SHOWN: u64 = 20;
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows the progress of a run.
pub struct Display {
    mode: ProgressMode,
    bar: ProgressBar,
    verbose: bool,
    state: Mutex<State>,
}

struct State {
    started: Instant,
    shown: Instant,
    stored_before: Option<u64>,
    failures: u64,
    item: String,
    /// Progress of the crawl of a site; empty if there is none.
    site: String,
    visited_before: Option<u64>,
}

impl Display {
    /// Returns a display in `mode`; `quiet` shows warnings only.
    pub fn new(mode: ProgressMode, quiet: bool) -> Self {
        let mode = match mode {
            _ if quiet => ProgressMode::None,
            ProgressMode::Auto if std::io::stderr().is_terminal() => ProgressMode::Bar,
            ProgressMode::Auto => ProgressMode::Plain,
            given => given,
        };
        let terminal = Box::new(NarrowTerminal(console::Term::buffered_stderr()));
        let bar = if mode == ProgressMode::Bar {
            ProgressBar::with_draw_target(
                Some(100),
                ProgressDrawTarget::term_like_with_hz(terminal, 10),
            )
        } else {
            ProgressBar::hidden()
        };
        let style =
            ProgressStyle::with_template("{prefix:9} {bar:24.cyan/dim} {pos:>3} %  {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        let state = State {
            started: now,
            shown: now,
            stored_before: None,
            failures: 0,
            item: String::new(),
            site: String::new(),
            visited_before: None,
        };
        let verbose = tracing::enabled!(tracing::Level::INFO);
        Self { mode, bar, verbose, state: Mutex::new(state) }
    }

    /// Removes the bar from the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, run: &RunState) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stored_before = *state.stored_before.get_or_insert(run.metrics.chunks_stored);
        let elapsed = state.started.elapsed().as_secs_f64();
        let stored = run.metrics.chunks_stored.saturating_sub(stored_before);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs few digits")]
        let rate = stored as f64 / elapsed.max(0.001);
        match self.mode {
            ProgressMode::Bar => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to 100"
                )]
                self.bar.set_position(run.progress_percent as u64);
                self.bar.set_prefix(phase(run));
                let item = if state.site.is_empty() { &state.item } else { &state.site };
                let line = format!("{}  {item}", figures(run, rate, elapsed));
                self.bar.set_message(line);
            }
            ProgressMode::Plain if state.shown.elapsed() >= PLAIN_INTERVAL => {
                state.shown = Instant::now();
                let percent = run.progress_percent;
                let figures = figures(run, rate, elapsed);
                let site =
                    if state.site.is_empty() { String::new() } else { format!("; {}", state.site) };
                message(&format!("{} {percent:.0} %: {figures}{site}", phase(run)));
            }
            _ => {}
        }
    }

    /// Prints a line above the bar.
    fn line(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl EventSink for Display {
    fn emit(&self, event: &Event<'_>) {
        match event {
            Event::Started { run, continued } => {
                if *continued && self.mode != ProgressMode::None {
                    let text =
                        format!("continuing run {} at {:.0} %", run.id, run.progress_percent);
                    self.line(|| message(&text));
                }
                self.show(run);
            }
            Event::Saved { run } => self.show(run),
            Event::Reading { source, uri } => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.item = escape(&secrets::hidden(&format!("{source}: {uri}")), false);
            }
            Event::Crawling { source, queued, visited } => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let since = *state.visited_before.get_or_insert(*visited);
                let elapsed = state.started.elapsed().as_secs_f64();
                #[expect(clippy::cast_precision_loss, reason = "a rate needs few digits")]
                let rate = visited.saturating_sub(since) as f64 / elapsed.max(0.001);
                let (queued, visited) = (number(*queued), counted(*visited, "page"));
                let text = format!("{source}: {visited} visited, {queued} waiting, {rate:.1}/s");
                state.site = escape(&text, false);
            }
            Event::Failed { failure } => {
                if failure.kind == FailureKind::Skipped && !self.verbose {
                    return;
                }
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.failures += 1;
                if state.failures > FAILURES_SHOWN && !self.verbose {
                    return;
                }
                let what = if failure.kind == FailureKind::Skipped { "skipped" } else { "failed" };
                // The error may begin with the URI, too: an extractor knows nothing else of a
                // document.
                let error = failure.error.strip_prefix(&format!("{}: ", failure.uri));
                let error = error.unwrap_or(&failure.error);
                let text = format!("{what} {}:{}: {error}", failure.source, failure.uri);
                drop(state);
                if self.mode != ProgressMode::None {
                    self.line(|| render::warning(&text));
                }
            }
            Event::DeletionsWithheld { source, gone, known, why } => {
                self.line(|| render::warning(&withheld(source, *gone, *known, *why)));
            }
            Event::Warning { message } => self.line(|| render::warning(message)),
        }
    }
}

/// Returns why documents are kept that would be deleted, and what deletes them.
fn withheld(source: &str, gone: u64, known: u64, why: Withheld) -> String {
    let allow = hints::allow_deletes(source);
    let of_known = format!("{} of {}", number(gone), counted(known, "document"));
    match why {
        Withheld::NotListed => format!(
            "source \"{source}\": {of_known} are no longer listed; kept, in case the source is incomplete. If they \
             were removed: {allow} deletes them"
        ),
        Withheld::Skipped => format!(
            "source \"{source}\": {of_known} are skipped now (`kbingest status --failures` lists why); their texts \
             are kept: {allow} removes them"
        ),
        Withheld::SourceRemoved => format!(
            "source \"{source}\" is no longer in kb.toml, its {} are kept: {allow} deletes them",
            counted(known, "document")
        ),
    }
}

/// Returns the first phase that is not completed.
fn phase(run: &RunState) -> &'static str {
    let open = |status: PhaseStatus| status != PhaseStatus::Completed;
    if open(run.phases.crawling) {
        "crawling"
    } else if open(run.phases.cleaning) {
        "cleaning"
    } else {
        "embedding"
    }
}

fn figures(run: &RunState, rate: f64, elapsed: f64) -> String {
    let metrics = &run.metrics;
    let mut text = format!(
        "{}, {} queued, {} embedded, {rate:.0}/s",
        counted(metrics.documents_crawled, "document"),
        counted(metrics.chunks_queued, "chunk"),
        number(metrics.chunks_stored),
    );
    if let Some(eta) = eta_seconds(run.progress_percent, elapsed) {
        text.push_str(&format!(", {} left", seconds(eta)));
    }
    text
}

/// Returns the seconds left at the average speed so far; `None` until that is meaningful.
pub fn eta_seconds(percent: f64, elapsed: f64) -> Option<f64> {
    ((5.0..100.0).contains(&percent) && elapsed >= 1.0)
        .then(|| elapsed * (100.0 - percent) / percent)
}
