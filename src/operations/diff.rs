//! `diff`: the documents that a run changed, or that differ from an older copy.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Target;
use super::plan::{self, Change};
use crate::domain::{FailureKind, RunId, RunState};
use crate::error::Error;
use crate::kb::{Reader, Touch};

/// The documents that changed; `diff --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct DiffReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The run, unless it was compared with a copy.
    pub run: Option<RunState>,
    /// The older copy.
    #[serde(serialize_with = "crate::support::names::lossy_option")]
    pub since: Option<PathBuf>,
    /// The documents, by source and URI. The file keeps no names of documents that a run deleted,
    /// and of one that several runs changed only the last one.
    pub documents: Vec<ChangedDocument>,
}

/// A document that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedDocument {
    /// What became of it.
    pub change: DocumentChange,
    /// Name of its source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Why it failed or is skipped.
    pub error: Option<String>,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentChange {
    /// It is new.
    New,
    /// Its content is another.
    Changed,
    /// A text of it was saved: it was new, or its content was another.
    Saved,
    /// It was made again from the same content.
    MadeAgain,
    /// It is gone.
    Deleted,
    /// It failed.
    Failed,
    /// It is skipped.
    Skipped,
}

impl DocumentChange {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Saved => "saved",
            Self::MadeAgain => "made_again",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl From<Change> for DocumentChange {
    fn from(change: Change) -> Self {
        match change {
            Change::New => Self::New,
            Change::Changed => Self::Changed,
            Change::MadeAgain => Self::MadeAgain,
            Change::Deleted => Self::Deleted,
        }
    }
}

/// Returns what run `id` changed in the knowledge base of `target`, or the last one; takes no lock
/// and writes nothing.
pub fn diff(target: &Target, id: Option<RunId>) -> Result<DiffReport, Error> {
    let kb = Reader::open(target.kb())?;
    let run = match id {
        Some(id) => kb.find_run(id)?,
        None => kb.last_run()?,
    };
    let Some(run) = run else {
        let which = id.map_or_else(|| "no run yet".to_owned(), |id| format!("no run {id}"));
        return Err(Error::Usage {
            message: format!("{} has {which}", target.kb().display()),
            hint: Some("`kbingest runs` lists those that are kept".to_owned()),
        });
    };
    let documents = kb.touched_documents(run.id)?.into_iter().map(|document| {
        let (change, error) = match document.touch {
            Touch::Saved => (saved_by(&run), None),
            Touch::MadeAgain => (DocumentChange::MadeAgain, None),
            Touch::Failed { kind: FailureKind::Skipped, error } => {
                (DocumentChange::Skipped, Some(error))
            }
            Touch::Failed { error, .. } => (DocumentChange::Failed, Some(error)),
        };
        ChangedDocument { change, source: document.source, uri: document.uri, error }
    });
    let documents = documents.collect();
    let knowledge_base = target.kb().to_owned();
    Ok(DiffReport { schema: 1, knowledge_base, run: Some(run), since: None, documents })
}

/// Returns what a text that `run` saved was. The file does not record it for each document, but
/// most runs say: all that they saved is new, or nothing is.
fn saved_by(run: &RunState) -> DocumentChange {
    match (run.metrics.documents_new, run.metrics.documents_changed) {
        (_, 0) => DocumentChange::New,
        (0, _) => DocumentChange::Changed,
        _ => DocumentChange::Saved,
    }
}

/// Returns how the live documents of `target` differ from those of an older copy of its knowledge
/// base; takes no lock and writes nothing.
pub fn diff_since(target: &Target, old: &Path) -> Result<DiffReport, Error> {
    let (before, after) = (Reader::open(old)?, Reader::open(target.kb())?);
    let mut documents = Vec::new();
    for source in plan::differences(Some(&before), &after)? {
        documents.extend(source.documents.into_iter().map(|(change, uri)| ChangedDocument {
            change: change.into(),
            source: source.name.clone(),
            uri,
            error: None,
        }));
    }
    Ok(DiffReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        run: None,
        since: Some(old.to_owned()),
        documents,
    })
}
