//! Recorded runs, played back against the estimate: what happened when, and what was shown then.

use std::time::Duration;

use super::Progress;
use crate::domain::ProgressReport;

/// What happened in a run.
#[derive(Clone, Copy)]
enum Step {
    /// The ledger has so many documents of the source.
    Expect(u64),
    /// The source has so many.
    List(u64),
    /// An earlier process has read these.
    Skip(u64),
    /// So many documents are compared, and their chunks, ten of each, stored.
    Pass(u64),
    /// Nothing.
    Wait,
}

use Step::{Expect, List, Pass, Skip, Wait};

/// A run with the time of each step in seconds.
struct Recorded {
    progress: Progress,
    now: f64,
    /// The documents that the source turned out to have.
    documents: f64,
    shown: Vec<(f64, ProgressReport)>,
}

impl Recorded {
    fn new(documents: u64) -> Self {
        let (progress, shown) = (Progress::new(true), Vec::new());
        Self { progress, now: 0.0, documents: documents as f64, shown }
    }

    /// Plays `step` back, `times` times, with so many seconds before each.
    fn play(&mut self, times: usize, seconds: f64, step: Step) -> &mut Self {
        for _ in 0..times {
            self.now += seconds;
            match step {
                Expect(count) => self.progress.expect("docs", count),
                List(count) => self.progress.list("docs", count),
                Skip(count) => self.progress.skip(count),
                Pass(count) => {
                    self.progress.queue_chunks(count * 10);
                    self.progress.store_chunks(count * 10, 0);
                    self.progress.pass(count);
                }
                Wait => {}
            }
            let report = self.progress.report_at(Duration::from_secs_f64(self.now));
            self.shown.push((self.now, report));
        }
        self
    }

    /// Checks the end of the run, and that it never showed 99 % before 97 % of what was listed in
    /// the end had passed, or a percentage that fell.
    fn end(&mut self) -> &mut Self {
        self.progress.finish_producing();
        assert_eq!(self.progress.look().percent, 100.0);
        let mut highest = 0.0;
        for (at, report) in &self.shown {
            let passed = report.documents_passed as f64 / self.documents;
            assert!(report.percent < 99.0 || passed >= 0.97, "at {at} s: {report:?}");
            if report.documents_listed.is_some() {
                assert!(report.percent >= highest, "at {at} s, after {highest} %: {report:?}");
                assert!((report.percent / 100.0 - passed).abs() < 0.02, "at {at} s: {report:?}");
                highest = report.percent;
            } else {
                assert_eq!(report.seconds_left, None, "at {at} s: {report:?}");
                assert!(report.percent <= 50.0, "at {at} s: {report:?}");
            }
        }
        self
    }

    /// Checks that the time left is known from `share` of the time on, within `factor`.
    fn knows_time_left(&self, share: f64, factor: f64) {
        for (at, report) in self.shown.iter().filter(|(at, _)| *at >= share * self.now) {
            // Close to the end two seconds are a lot.
            let (left, shown) = (self.now - at + 2.0, report.seconds_left);
            let ratio = shown.map(|shown| (shown + 2.0) / left);
            let is_right = ratio.is_some_and(|ratio| ratio <= factor && ratio >= 1.0 / factor);
            assert!(is_right, "at {at} s of {}: {report:?}", self.now);
        }
    }

    /// Checks that what is shown of the time left is right within `factor`.
    fn never_shows_wrong_time_left(&self, factor: f64) {
        for (at, report) in &self.shown {
            let Some(shown) = report.seconds_left else { continue };
            let ratio = (shown + 2.0) / (self.now - at + 2.0);
            assert!(
                ratio <= factor && ratio >= 1.0 / factor,
                "at {at} s of {}: {report:?}",
                self.now
            );
        }
    }
}

#[test]
fn a_steady_first_run() {
    let mut run = Recorded::new(10_000);
    run.play(1, 0.0, Expect(0)).play(1, 0.5, List(10_000)).play(400, 0.1, Pass(25)).end();
    run.knows_time_left(0.2, 1.3);
    let (_, last) = run.shown.last().unwrap();
    assert!((last.documents_per_second - 250.0).abs() < 5.0, "{last:?}");
    assert!((last.chunks_per_second - 2500.0).abs() < 50.0, "{last:?}");
}

#[test]
fn batches_that_take_eight_seconds() {
    let mut run = Recorded::new(20_480);
    run.play(1, 0.0, List(20_480));
    for _ in 0..40 {
        run.play(7, 1.0, Wait).play(1, 1.0, Pass(512));
    }
    run.end().knows_time_left(0.2, 2.0);
}

#[test]
fn a_slow_start() {
    let mut run = Recorded::new(5_100);
    run.play(1, 0.0, Expect(0)).play(1, 5.0, List(5_100));
    run.play(20, 1.0, Pass(5)).play(500, 0.1, Pass(10)).end().knows_time_left(0.6, 2.0);
}

#[test]
fn one_large_document() {
    let mut run = Recorded::new(2_001);
    run.play(1, 0.0, List(2_001)).play(100, 0.1, Pass(10)).play(60, 1.0, Wait);
    run.play(1, 0.0, Pass(1)).play(100, 0.1, Pass(10)).end();
    // While nothing moves, no time is shown.
    let waiting: Vec<_> = run.shown.iter().filter(|(at, _)| (15.0..69.5).contains(at)).collect();
    assert!(waiting.iter().all(|(_, report)| report.seconds_left.is_none()), "{waiting:?}");
    let last = waiting.last().unwrap();
    assert_eq!(last.1.documents_per_second, 0.0, "{last:?}");
}

#[test]
fn a_run_that_is_resumed_after_a_pause() {
    let mut run = Recorded::new(10_000);
    // What the first process read is listed again in a moment, and says nothing about the speed.
    run.play(1, 0.3, List(10_000)).play(5, 0.02, Skip(1_000)).play(200, 0.1, Pass(25)).end();
    run.knows_time_left(0.3, 1.3);
    run.never_shows_wrong_time_left(1.3);
}

#[test]
fn a_base_of_39_documents_that_gains_7580() {
    let mut run = Recorded::new(7_619);
    run.play(1, 0.0, Expect(39)).play(1, 0.2, List(7_619)).play(1, 0.0, Pass(39));
    run.play(379, 0.1, Pass(20)).end().knows_time_left(0.2, 1.3);
    assert!(run.shown[2].1.percent < 1.0);
}

#[test]
fn a_million_unchanged_documents_before_as_many_new_ones() {
    let mut run = Recorded::new(2_000_000);
    run.play(1, 0.0, Expect(1_000_000)).play(61, 0.16, Pass(16_384));
    run.play(1, 0.1, Pass(1_000_000 - 61 * 16_384)).play(1, 2.0, List(2_000_000));
    run.play(1_000, 1.0, Pass(1_000)).end().never_shows_wrong_time_left(2.0);
}

#[test]
fn a_site_of_unknown_size() {
    let mut run = Recorded::new(1_500);
    run.play(1, 0.0, Expect(500));
    for known in [500, 600, 800, 1_200, 1_400, 1_500] {
        run.play(1, 1.0, Expect(known)).play(25, 1.0, Pass(10));
    }
    assert!(run.shown.iter().all(|(_, report)| report.documents_listed.is_none()));
    run.play(1, 0.0, List(1_500)).end();
    let (_, last) = run.shown.last().unwrap();
    assert!((last.documents_per_second - 10.0).abs() < 1.1, "{last:?}");
}
