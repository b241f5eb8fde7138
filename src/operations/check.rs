//! `check`: the invariants of a knowledge base.

use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use crate::error::Error;
use crate::kb::{Finding, KnowledgeBase};

/// What a check found; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The knowledge base.
    pub knowledge_base: PathBuf,
    /// All that is not as it must be; empty where it is sound.
    pub findings: Vec<Finding>,
}

/// Checks the knowledge base of `target`; works beside a running ingest and writes nothing.
pub fn check(target: &Target) -> Result<CheckReport, Error> {
    let kb = KnowledgeBase::open_for_reading(target.kb())?;
    let findings = kb.check()?;
    Ok(CheckReport { schema: 1, knowledge_base: target.kb().to_owned(), findings })
}
