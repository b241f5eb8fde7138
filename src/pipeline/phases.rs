//! Moves the phases of a run on, in the file and in time.

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
    /// Goes on from `phases`.
    pub fn new(phases: Phases) -> Self {
        let state = State { phases, started: [None; 3], seconds: PhaseSeconds::default() };
        Self { state: Mutex::new(state) }
    }

    /// Notes that `phase` is at work; nothing where it is already, or completed.
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

    /// Notes that `phases` are done, in one transaction; nothing where they were already.
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

    /// Notes that embedding is done; the file will say so when the run ends, which is next.
    pub fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.close(Phase::Embedding);
    }

    /// Returns how long each phase was open.
    pub fn seconds(&self) -> PhaseSeconds {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds
    }
}
