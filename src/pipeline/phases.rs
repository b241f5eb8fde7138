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
        context.saved(&context.kb.set_phase(context.run, phase, PhaseStatus::InProgress)?);
        state.phases.set(phase, PhaseStatus::InProgress);
        state.started[phase as usize] = Some(Instant::now());
        Ok(())
    }

    /// Notes that `phase` is done; nothing where it was already.
    pub fn complete(&self, context: &Context<'_>, phase: Phase) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.phases.get(phase) == PhaseStatus::Completed {
            return Ok(());
        }
        context.saved(&context.kb.set_phase(context.run, phase, PhaseStatus::Completed)?);
        state.phases.set(phase, PhaseStatus::Completed);
        let seconds =
            state.started[phase as usize].map_or(0.0, |since| since.elapsed().as_secs_f64());
        match phase {
            Phase::Crawling => state.seconds.crawling = seconds,
            Phase::Cleaning => state.seconds.cleaning = seconds,
            Phase::Embedding => state.seconds.embedding = seconds,
        }
        Ok(())
    }

    /// Returns how long each phase was open.
    pub fn seconds(&self) -> PhaseSeconds {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds
    }
}
