//! What a continued run still has to do.

use crate::domain::{PhaseStatus, Phases, QueueStats};

/// The work of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// List the sources and read what changed.
    pub crawl: bool,
    /// Look for what was made with other settings than today's.
    pub restage: bool,
    /// Cut saved texts into chunks.
    pub chunk: bool,
    /// Embed what is queued.
    pub embed: bool,
    /// An earlier process has begun it.
    pub continued: bool,
}

impl Plan {
    /// Everything: the plan of a new run.
    pub const WHOLE: Self =
        Self { crawl: true, restage: true, chunk: true, embed: true, continued: false };

    /// Returns the phases as the run continues with them: what is done stays completed.
    pub fn phases(self) -> Phases {
        let status =
            |to_do: bool| if to_do { PhaseStatus::Pending } else { PhaseStatus::Completed };
        Phases {
            crawling: status(self.crawl),
            cleaning: status(self.chunk),
            embedding: status(self.embed),
        }
    }
}

/// Decides what an interrupted run still has to do.
///
/// A completed phase is skipped; a crawl that is complete with chunks still queued goes straight to
/// embedding. The queue is the truth: a phase that calls itself completed while work waits is gone on
/// with.
pub fn plan_resume(phases: &Phases, queue: &QueueStats) -> Plan {
    let open = |status: PhaseStatus| status != PhaseStatus::Completed;
    let crawl = open(phases.crawling);
    let chunk = crawl || open(phases.cleaning) || queue.unchunked_revisions > 0;
    let embed = chunk || open(phases.embedding) || queue.has_work();
    Plan { crawl, restage: chunk, chunk, embed, continued: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PhaseStatus::{Completed, InProgress, Pending};

    fn check(
        [crawling, cleaning, embedding]: [PhaseStatus; 3],
        pending: u64,
        unchunked_revisions: u64,
        [crawl, chunk, embed]: [bool; 3],
    ) {
        let phases = Phases { crawling, cleaning, embedding };
        let queue = QueueStats { pending, unchunked_revisions, ..QueueStats::default() };
        assert_eq!(
            plan_resume(&phases, &queue),
            Plan { crawl, restage: chunk, chunk, embed, continued: true },
            "{phases:?} {queue:?}"
        );
    }

    #[test]
    fn completed_phases_are_skipped() {
        check([Pending, Pending, Pending], 0, 0, [true, true, true]);
        check([InProgress, InProgress, InProgress], 9, 2, [true, true, true]);
        check([Completed, InProgress, InProgress], 9, 0, [false, true, true]);
        check([Completed, Completed, InProgress], 9, 0, [false, false, true]);
        check([Completed, Completed, Completed], 0, 0, [false, false, false]);
    }

    #[test]
    fn the_queue_overrules_the_flags() {
        check([Completed, Completed, Completed], 1, 0, [false, false, true]);
        check([Completed, Completed, Completed], 0, 1, [false, true, true]);
    }
}
