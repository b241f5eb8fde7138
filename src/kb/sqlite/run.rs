//! A run: everything that is written to a knowledge base during it.

use rusqlite::Transaction;

use super::run_row::{RunKey, update_run};
use super::{Reader, Writer};
use crate::domain::{Metrics, ProgressReport, RunId};
use crate::kb::KbError;
use crate::support::events::{Event, EventSink};

/// A run of this process. Each of its writing methods is one transaction, which also checks that
/// the run is still ours and writes the heartbeat, and is followed by [`Event::Saved`].
pub struct Run<'a> {
    pub(super) kb: &'a Writer,
    pub(super) key: RunKey,
    pub(super) events: &'a dyn EventSink,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Run<'_> {
    /// Returns its id.
    pub fn id(&self) -> RunId {
        self.key.id
    }

    /// Reports whether another thread is writing.
    pub fn is_writing(&self) -> bool {
        self.kb.is_writing()
    }

    /// Returns the reader of the knowledge base.
    pub fn reader(&self) -> &Reader {
        self.kb.reader()
    }

    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.reader().read(work)
    }

    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.write_counted(Metrics::default(), None, |tx, _| work(tx))
    }

    /// Writes, adds `delta` and the delta of `work` to the metrics of the run, and saves its
    /// progress.
    pub(super) fn write_counted<T>(
        &self,
        delta: Metrics,
        progress: Option<&ProgressReport>,
        work: impl FnOnce(&Transaction<'_>, &mut Metrics) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.write_counted_by(true, delta, progress, work)
    }

    /// The same; only if it `is_stoppable` does a stop end it.
    pub(super) fn write_counted_by<T>(
        &self,
        is_stoppable: bool,
        mut delta: Metrics,
        progress: Option<&ProgressReport>,
        work: impl FnOnce(&Transaction<'_>, &mut Metrics) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        let (value, run) = self.kb.write_by(is_stoppable, |tx| {
            let value = work(tx, &mut delta)?;
            Ok((value, update_run(tx, self.key, &delta, progress)?))
        })?;
        self.events.emit(&Event::Saved { run: &run });
        Ok(value)
    }
}
