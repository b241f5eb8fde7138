//! Building the full-text index again from the saved texts.

use super::{Threads, full_text};
use crate::analysis::Analyser;
use crate::error::Error;
use crate::kb::{KnowledgeBase, RunKey, Unit};
use crate::support::checkpoint::StopSignal;

/// Makes the full-text index anew from the texts of live documents; returns how many chunks it holds, or
/// [`Error::Stopped`] with the old index as it was.
pub fn rebuild_index(
    kb: &KnowledgeBase,
    run: Option<RunKey>,
    analyser: &Analyser,
    threads: &Threads,
    stop: &StopSignal,
) -> Result<u64, Error> {
    let analyse = |units: &[Unit]| {
        let units: Vec<&Unit> = units.iter().collect();
        (!stop.is_requested()).then(|| full_text::segment(&units, analyser, threads))
    };
    kb.rebuild_index(run, &analyser.fingerprint(), &analyse)?.ok_or(Error::Stopped)
}
