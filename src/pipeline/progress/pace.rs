//! How fast a run goes, measured over the last seconds of this process.

use std::collections::VecDeque;
use std::time::Duration;

/// Time over which speed is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples that are kept for the time left, if they are older than that: a batch may take long.
const SAMPLES_MIN: usize = 8;
/// Age at which even these are dropped.
const AGE_MAX: Duration = Duration::from_secs(300);
/// Least time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Time after which a speed is shown.
const SPEED_AFTER: Duration = Duration::from_millis(500);
/// What the time left is computed from, at least.
const LEFT_AFTER: Duration = Duration::from_secs(5);
const LEFT_AFTER_SAMPLES: usize = 4;
const LEFT_AFTER_PERCENT: f64 = 2.0;
/// Time after which fewer percent are enough.
const LEFT_AFTER_LONG: Duration = Duration::from_secs(30);
/// How many times as fast or as slow the halves of that time, and its end, may be.
const UNSTEADY: f64 = 3.0;

/// What was done at one time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    percent: f64,
    documents: u64,
    chunks: u64,
}

/// The times at which something was done.
#[derive(Debug, Default)]
pub struct Pace {
    samples: VecDeque<Sample>,
    /// Percentage of the run when this process began.
    percent_before: Option<f64>,
}

impl Pace {
    /// Notes what is done `at` this time, counted from the start of the process.
    pub fn note(&mut self, at: Duration, percent: f64, documents: u64, chunks: u64) {
        self.percent_before.get_or_insert(percent);
        if let Some(last) = self.samples.back() {
            let is_same = last.documents == documents && last.chunks == chunks;
            #[expect(clippy::float_cmp, reason = "it is the same number if nothing happened")]
            let is_same = is_same && last.percent == percent;
            if is_same || at < last.at + SAMPLE_INTERVAL {
                return;
            }
        }
        self.samples.push_back(Sample { at, percent, documents, chunks });
        let is_old = |samples: &VecDeque<Sample>| {
            // One is kept from before the window.
            let (before, first) = (samples.front(), samples.get(1));
            samples.len() > SAMPLES_MIN && first.is_some_and(|first| first.at + WINDOW <= at)
                || before.is_some_and(|before| before.at + AGE_MAX <= at)
        };
        while is_old(&self.samples) {
            self.samples.pop_front();
        }
    }

    /// Leaves `documents` and `percent` out of the speed: another process did that.
    pub fn skip(&mut self, documents: u64, percent: f64) {
        for sample in &mut self.samples {
            sample.documents += documents;
            sample.percent += percent;
        }
        if let Some(before) = &mut self.percent_before {
            *before += percent;
        }
    }

    /// Returns documents and chunks per second over the last [`WINDOW`].
    pub fn per_second(&self, now: Duration) -> (f64, f64) {
        let is_before = |sample: &&Sample| sample.at + WINDOW <= now;
        let before = self.samples.iter().rev().find(is_before).or(self.samples.front());
        let (Some(before), Some(last)) = (before, self.samples.back()) else { return (0.0, 0.0) };
        let seconds = now.saturating_sub(before.at).min(WINDOW);
        if seconds < SPEED_AFTER {
            return (0.0, 0.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "a speed needs few digits")]
        let speed = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds.as_secs_f64();
        (speed(before.documents, last.documents), speed(before.chunks, last.chunks))
    }

    /// Returns the seconds left at the recent speed; `None` if that is not meaningful: at the
    /// start, while nothing moves, or if the speed changes a lot.
    pub fn seconds_left(&self, now: Duration, percent: f64) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let time = last.at - first.at;
        let done = percent - self.percent_before?;
        let is_enough = done >= LEFT_AFTER_PERCENT || done > 0.0 && now >= LEFT_AFTER_LONG;
        if self.samples.len() < LEFT_AFTER_SAMPLES || time < LEFT_AFTER || !is_enough {
            return None;
        }
        let nearest = |part: Duration| {
            self.samples.iter().min_by_key(|sample| sample.at.abs_diff(first.at + part))
        };
        let speed = |from: &Sample, to: &Sample| {
            (to.percent - from.percent) / (to.at - from.at).as_secs_f64()
        };
        let average = speed(first, last);
        // Not a number if there is no time.
        let is_usual = |speed: f64| speed * UNSTEADY >= average && speed <= average * UNSTEADY;
        let is_steady = is_usual(speed(first, nearest(time / 2)?))
            && is_usual(speed(nearest(time / 2)?, last))
            && is_usual(speed(nearest(time * 3 / 4)?, last));
        let gaps = self.samples.iter().zip(self.samples.iter().skip(1));
        let longest = gaps.map(|(one, next)| next.at - one.at).max()?;
        let is_stalled = now.saturating_sub(last.at) > longest * 2 + Duration::from_secs(1);
        let left = (100.0 - last.percent) / average - now.saturating_sub(last.at).as_secs_f64();
        (average > 0.0 && is_steady && !is_stalled).then_some(left.max(0.0))
    }
}
