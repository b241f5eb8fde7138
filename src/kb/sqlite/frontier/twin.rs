//! Pages with a Markdown twin: the page leads to it, and is its own document again if the twin is
//! unavailable.

use rusqlite::{Transaction, params};

use super::{PageReport, PageState};
use crate::kb::KbError;
use crate::kb::sqlite::run_row::RunKey;

/// Queues pages again whose twin turns out not to be one. Called when the state of `report`, of the
/// page or of the twin, is saved: either may be visited first.
pub fn settle(
    tx: &Transaction<'_>,
    run: RunKey,
    source: &str,
    report: &PageReport,
) -> Result<(), KbError> {
    let PageReport { page, state, twin, .. } = report;
    let leads_to_nothing = matches!(
        state,
        PageState::Gone | PageState::Excluded | PageState::Refused | PageState::Redirected
    );
    let twin = match twin {
        Some(twin) => twin,
        None if leads_to_nothing => &page.url,
        None => return Ok(()),
    };
    tx.prepare_cached(
        "UPDATE frontier SET state = 'queued', reason = NULL, settings = NULL, attempts = 0,
                twin = NULL, twin_failed = 1
         WHERE source = ?1 AND twin = ?2 AND run_id = ?3 AND state = 'redirected'
           AND EXISTS (SELECT 1 FROM frontier AS other
                       WHERE other.source = ?1 AND other.url = ?2 AND other.run_id = ?3
                         AND other.state IN ('gone', 'excluded', 'refused', 'redirected'))",
    )?
    .execute(params![source, twin, run.id.0])?;
    Ok(())
}
