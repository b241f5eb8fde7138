//! Pages that lead to another one, which has their document: their Markdown version, or the page
//! that they name as their original.

use crate::error::Error;
use crate::kb::{PageState, QueuedPage, Run};

/// Limit on consecutive redirects.
const REDIRECTS_MAX: u32 = 10;

/// Returns the pages of `source` that lead to one that turns out not to have their document.
pub fn to_nothing(run: &Run<'_>, source: &str) -> Result<Vec<QueuedPage>, Error> {
    let mut pages = Vec::new();
    for url in run.led_pages(source)? {
        if let Some(page) = run.page(source, &url)?
            && leads_to_nothing(run, source, &page)?
        {
            pages.push(page);
        }
    }
    Ok(pages)
}

/// An outage says nothing.
fn leads_to_nothing(run: &Run<'_>, source: &str, page: &QueuedPage) -> Result<bool, Error> {
    let row = &page.row;
    let Some(mut target) = row.twin.clone().or_else(|| row.canonical.clone()) else {
        return Ok(false);
    };
    for _ in 0..=REDIRECTS_MAX {
        let Some(other) = run.page(source, &target)? else {
            return Ok(row.twin.is_none());
        };
        match other.row.state {
            PageState::Gone | PageState::Excluded | PageState::Refused => return Ok(true),
            // Only an original may lead on to another page.
            PageState::Redirected if row.twin.is_some() => return Ok(true),
            PageState::Redirected => target = other.row.reason.unwrap_or_default(),
            _ => return Ok(false),
        }
        if target == page.url {
            return Ok(true);
        }
    }
    Ok(true)
}
