//! Tracks the phases of a run in the file, and how long each takes.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::Context;
use crate::domain::{Phase, PhaseStatus, Phases};
use crate::error::Error;

/// Tracks each phase PENDING -> IN_PROGRESS -> COMPLETED; shared by the producer and the consumer.
#[derive(Debug)]
pub struct PhaseTracker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phases: Phases,
    started: [Option<Instant>; 3],
    seconds: PhaseSeconds,
}

impl State {
    fn close(&mut self, phase: Phase) {
        self.phases.set(phase, PhaseStatus::Completed);
        let seconds =
            self.started[phase as usize].map_or(0.0, |since| since.elapsed().as_secs_f64());
        match phase {
            Phase::Crawling => self.seconds.crawling = seconds,
            Phase::Cleaning => self.seconds.cleaning = seconds,
            Phase::Embedding => self.seconds.embedding = seconds,
        }
    }
}

/// Wall-clock seconds that each phase was open in this process; phases overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PhaseSeconds {
    /// Of [`Phase::Crawling`].
    pub crawling: f64,
    /// Of [`Phase::Cleaning`].
    pub cleaning: f64,
    /// Of [`Phase::Embedding`].
    pub embedding: f64,
}

impl PhaseTracker {
    /// Continues from `phases`.
    pub fn new(phases: Phases) -> Self {
        let state = State { phases, started: [None; 3], seconds: PhaseSeconds::default() };
        Self { state: Mutex::new(state) }
    }

    /// Marks `phase` as in progress, unless it already is or is completed.
    pub fn begin(&self, context: &Context<'_>, phase: Phase) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.phases.get(phase) != PhaseStatus::Pending {
            return Ok(());
        }
        context.run.set_phases(&[phase], PhaseStatus::InProgress)?;
        state.phases.set(phase, PhaseStatus::InProgress);
        state.started[phase as usize] = Some(Instant::now());
        Ok(())
    }

    /// Marks `phases` as completed, in one transaction, unless they already are.
    pub fn complete(&self, context: &Context<'_>, phases: &[Phase]) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |phase: &Phase| state.phases.get(*phase) != PhaseStatus::Completed;
        let open: Vec<_> = phases.iter().copied().filter(is_open).collect();
        if open.is_empty() {
            return Ok(());
        }
        context.run.set_phases(&open, PhaseStatus::Completed)?;
        for phase in open {
            state.close(phase);
        }
        Ok(())
    }

    /// Marks embedding as completed; the file follows when the run ends, which is next.
    pub fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.close(Phase::Embedding);
    }

    /// Returns how long each phase was open.
    pub fn seconds(&self) -> PhaseSeconds {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::analysis::{AUTO, Analyser};
    use crate::chunk::ChunkConfig;
    use crate::domain::PhaseStatus::{Completed, InProgress, Pending};
    use crate::embed::{self, EmbedConfig, HashConfig};
    use crate::extract::{ExtractConfig, Extraction};
    use crate::kb::Writer;
    use crate::pipeline::plan::StageFingerprints;
    use crate::pipeline::producer::reconcile::DeletionRules;
    use crate::pipeline::{Pool, Progress};
    use crate::support::checkpoint::StopSignal;
    use crate::support::events::Silent;

    /// Passes a new run to `test`, with a function that reads its phases from the file.
    fn with_run(test: impl FnOnce(&Context<'_>, &dyn Fn() -> [PhaseStatus; 3])) {
        let folder = tempfile::tempdir().unwrap();
        let kb = Writer::create_or_open(&folder.path().join("kb.kb")).unwrap();
        let config = EmbedConfig { hash: Some(HashConfig { dim: 8 }), ..EmbedConfig::default() };
        let embedder = embed::open(&config, &embed::Setting::default()).unwrap();
        let chunk = ChunkConfig::default();
        let fingerprints = StageFingerprints::new(&chunk, embedder.as_ref());
        let (run, _) = kb.begin_run(&fingerprints.settings("", String::new()), &Silent).unwrap();
        let pool = Pool::new(|| {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(1);
            builder.build().map_err(std::io::Error::other)
        });
        let context = Context {
            kb: kb.reader(),
            run: &run,
            sources: &[],
            extraction: &Extraction::open(&ExtractConfig::default(), None),
            chunk: &chunk,
            fingerprints: &fingerprints,
            analyser: &Analyser::new(AUTO),
            budget: None,
            embedder: embedder.as_ref(),
            pool: &pool,
            fetch_threads: |_, work| {
                work();
                Ok(())
            },
            deletions: DeletionRules::default(),
            skip_rules: Default::default(),
            stop: &StopSignal::default(),
            hook: None,
            events: &Silent,
            progress: Progress::new(true),
            polled: Mutex::new(None),
        };
        test(&context, &|| {
            let phases = kb.reader().last_run().unwrap().unwrap().phases;
            Phase::ALL.map(|phase| phases.get(phase))
        });
    }

    #[test]
    fn phases_only_move_forward() {
        use Phase::{Cleaning, Crawling, Embedding};
        with_run(|context, stored| {
            let tracker = PhaseTracker::new(Phases::default());
            assert_eq!(stored(), [Pending, Pending, Pending]);
            let begin = |phase, expected| {
                tracker.begin(context, phase).unwrap();
                assert_eq!(stored(), expected, "{phase:?} begins");
            };
            let complete = |phases: &[Phase], expected| {
                tracker.complete(context, phases).unwrap();
                assert_eq!(stored(), expected, "{phases:?} are completed");
            };
            begin(Crawling, [InProgress, Pending, Pending]);
            begin(Crawling, [InProgress, Pending, Pending]);
            // They overlap.
            begin(Embedding, [InProgress, Pending, InProgress]);
            complete(&[], [InProgress, Pending, InProgress]);
            // A phase with nothing to do is completed without having begun.
            complete(&[Crawling, Cleaning], [Completed, Completed, InProgress]);
            begin(Cleaning, [Completed, Completed, InProgress]);
            complete(&[Crawling], [Completed, Completed, InProgress]);
            // The end of the run stores the last one.
            tracker.finish();
            assert_eq!(stored(), [Completed, Completed, InProgress]);
        });
    }

    #[test]
    fn a_tracker_continues_from_what_is_stored() {
        with_run(|context, stored| {
            let phases = Phases { crawling: Completed, cleaning: InProgress, embedding: Pending };
            let tracker = PhaseTracker::new(phases);
            for phase in Phase::ALL {
                tracker.begin(context, phase).unwrap();
            }
            // The file only has what this tracker wrote: that the last phase has begun.
            assert_eq!(stored(), [Pending, Pending, InProgress]);
            tracker.complete(context, &[Phase::Crawling, Phase::Cleaning]).unwrap();
            assert_eq!(stored(), [Pending, Completed, InProgress]);
            // They did not begin in this process.
            let PhaseSeconds { crawling, cleaning, .. } = tracker.seconds();
            assert_eq!([crawling, cleaning], [0.0, 0.0]);
        });
    }
}
