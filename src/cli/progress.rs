//! Progress of a run, on stderr: a bar on a terminal, plain lines elsewhere.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::ProgressMode;
use super::output::{escape, message, seconds};
use super::terminal::NarrowTerminal;
use super::{hints, render};
use crate::domain::{FailureKind, PhaseStatus, ProgressReport, RunState};
use crate::support::events::{Event, EventSink, FinishStep, Withheld};
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
    /// The last saved state of the run, with progress since then.
    run: Option<RunState>,
    shown: Instant,
    failures: u64,
    item: String,
    /// Progress of the crawl of a site, or of a listing; empty if there is none.
    site: String,
    /// What is done after the end of the run; empty before.
    finishing: String,
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
        let state = State {
            run: None,
            shown: Instant::now(),
            failures: 0,
            item: String::new(),
            site: String::new(),
            finishing: String::new(),
        };
        let verbose = tracing::enabled!(tracing::Level::INFO);
        Self { mode, bar, verbose, state: Mutex::new(state) }
    }

    /// Removes the bar from the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows `run`, which was saved now.
    fn show(&self, run: &RunState) {
        let mut state = self.state();
        let mut run = run.clone();
        if let Some(shown) = &state.run {
            // What is not saved yet was shown before.
            let crawled = &mut run.metrics.documents_crawled;
            *crawled = shown.metrics.documents_crawled.max(*crawled);
            run.progress_percent = shown.progress_percent.max(run.progress_percent);
        }
        state.run = Some(run);
        self.draw(&mut state);
    }

    /// Shows progress since the run was saved.
    fn show_progress(&self, progress: &ProgressReport) {
        let mut state = self.state();
        if let Some(run) = &mut state.run {
            let passed = progress.documents_passed.min(progress.documents_listed.unwrap_or(0));
            run.metrics.documents_crawled = run.metrics.documents_crawled.max(passed);
            run.progress_percent = run.progress_percent.max(progress.percent);
            run.documents_listed = progress.documents_listed;
            run.documents_per_second = progress.documents_per_second;
            run.chunks_per_second = progress.chunks_per_second;
            run.seconds_left = progress.seconds_left;
        }
        self.draw(&mut state);
    }

    fn draw(&self, state: &mut State) {
        let Some(run) = &state.run else { return };
        let is_finishing = !state.finishing.is_empty();
        match self.mode {
            ProgressMode::Bar if is_finishing => {
                self.bar.set_style(style(false));
                self.bar.set_prefix("finishing");
                self.bar.set_message(state.finishing.clone());
            }
            ProgressMode::Plain if is_finishing && state.shown.elapsed() >= PLAIN_INTERVAL => {
                state.shown = Instant::now();
                message(&format!("finishing: {}", state.finishing));
            }
            ProgressMode::Bar => {
                self.bar.set_style(style(run.percent().is_some()));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to 100"
                )]
                self.bar.set_position(run.progress_percent as u64);
                self.bar.set_prefix(phase(run));
                let item = if state.site.is_empty() { &state.item } else { &state.site };
                self.bar.set_message(format!("{}  {item}", figures(run)));
            }
            ProgressMode::Plain if state.shown.elapsed() >= PLAIN_INTERVAL => {
                state.shown = Instant::now();
                let percent = run.percent().map(|percent| format!(" {percent:.0} %"));
                let percent = percent.unwrap_or_default();
                let site =
                    if state.site.is_empty() { String::new() } else { format!("; {}", state.site) };
                message(&format!("{}{percent}: {}{site}", phase(run), figures(run)));
            }
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
                    let text = format!("continuing run {}{}", run.id, at(run));
                    self.line(|| message(&text));
                }
                self.show(run);
            }
            Event::Saved { run } => self.show(run),
            Event::Finishing { step } => {
                let mut state = self.state();
                state.finishing = finishing(*step);
                self.draw(&mut state);
            }
            Event::Progress { progress } => self.show_progress(progress),
            Event::Listing { source, found } => {
                let text = format!("{source}: {} listed", counted(*found, "document"));
                self.state().site = escape(&text, false);
            }
            Event::Reading { source, uri } => {
                let mut state = self.state();
                state.item = escape(&secrets::hidden(&format!("{source}: {uri}")), false);
                state.site.clear();
            }
            Event::Crawling { source, queued, visited } => {
                let (queued, visited) = (number(*queued), counted(*visited, "page"));
                let text = format!("{source}: {visited} visited, {queued} waiting");
                self.state().site = escape(&text, false);
            }
            Event::Failed { failure } => {
                if failure.kind == FailureKind::Skipped && !self.verbose {
                    return;
                }
                let mut state = self.state();
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

fn finishing(step: FinishStep) -> String {
    match step {
        FinishStep::Merging { pages_left } => {
            format!("merging the full-text index, {} left", counted(pages_left, "page"))
        }
        FinishStep::EmptyingLog => "copying the log to the file".to_owned(),
        FinishStep::Shrinking => "rewriting the file without its free pages".to_owned(),
    }
}

/// Returns where `run` is: its percentage, or what it has done if that is unknown.
pub fn at(run: &RunState) -> String {
    match run.percent() {
        Some(percent) => format!(" at {percent:.0} %"),
        None => format!(" after {}", counted(run.metrics.documents_crawled, "document")),
    }
}

fn figures(run: &RunState) -> String {
    let metrics = &run.metrics;
    let crawled = match run.documents_listed {
        Some(listed) => {
            let crawled = number(metrics.documents_crawled.min(listed));
            format!("{crawled} of {}", counted(listed, "document"))
        }
        None => counted(metrics.documents_crawled, "document"),
    };
    let mut text = format!(
        "{crawled}, {} queued, {} embedded",
        counted(metrics.chunks_queued, "chunk"),
        number(metrics.chunks_stored),
    );
    text.push_str(&speed(run));
    text
}

/// Returns how fast `run` is, and the time left if that is known; empty if nothing is.
pub fn speed(run: &RunState) -> String {
    let mut text = String::new();
    for (per_second, unit) in
        [(run.documents_per_second, "documents/s"), (run.chunks_per_second, "chunks/s")]
    {
        if per_second >= 10.0 {
            let _ = write!(text, ", {per_second:.0} {unit}");
        } else if per_second > 0.0 {
            let _ = write!(text, ", {per_second:.1} {unit}");
        }
    }
    if let Some(left) = run.seconds_left {
        let _ = write!(text, ", {} left", seconds(left));
    }
    text
}

/// Returns the form of the bar: without a percentage unless it `is_known`.
fn style(is_known: bool) -> ProgressStyle {
    let template = match is_known {
        true => "{prefix:9} {bar:24.cyan/dim} {pos:>3} %  {wide_msg}",
        false => "{prefix:9} {wide_msg}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
