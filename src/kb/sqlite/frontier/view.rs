//! The pages of web sites, as people see them.

use serde::Serialize;

use super::page::{self, PageState};
use crate::kb::KbError;
use crate::kb::sqlite::Reader;

/// A URL of a web site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageView {
    /// Name of the source.
    pub source: String,
    /// The URL.
    pub url: String,
    /// Its state, as in [`PageState::as_str`]; `unseen` if the last crawl of the source found no
    /// link to it.
    pub state: &'static str,
    /// Why it is in that state, or the URL that has its document.
    pub reason: Option<String>,
    /// Links between a start and it.
    pub depth: u32,
    /// When it was last requested, milliseconds since 1970; `None` if never.
    pub requested_ms: Option<i64>,
}

/// The state of a URL that the last crawl did not see.
pub const UNSEEN: &str = "unseen";

impl Reader {
    /// Calls `each` with every URL, by source and URL.
    pub fn each_page(&self, each: &mut dyn FnMut(PageView)) -> Result<(), KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "WITH last AS MATERIALIZED
                   (SELECT source AS name, max(run_id) AS run FROM frontier GROUP BY source)
                 SELECT source, url, state, reason, depth, nullif(asked_ms, 0) AS requested_ms,
                        run_id < last.run AS is_unseen
                 FROM last CROSS JOIN frontier ON source = last.name ORDER BY source, url",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let state = page::state(row, "state")?.map_or("", PageState::as_str);
                let is_unseen: bool = row.get("is_unseen")?;
                // A URL that waits keeps the reason of an earlier run.
                let is_stale = is_unseen || state == PageState::Queued.as_str();
                let reason: Option<String> = row.get("reason")?;
                each(PageView {
                    source: row.get("source")?,
                    url: row.get("url")?,
                    state: if is_unseen { UNSEEN } else { state },
                    reason: reason.filter(|_| !is_stale),
                    depth: row.get("depth")?,
                    requested_ms: row.get("requested_ms")?,
                });
            }
            Ok(())
        })
    }
}
