//! The knowledge bases that a service has open, by name.
//!
//! Each is opened once and shared by all requests; its reader has a few connections, so that they
//! read at the same time. No connection keeps a transaction open between two requests, so a run is
//! never blocked. When another file is at the path, or when a run began or ended, the knowledge
//! base is opened again for the next request; requests at work keep the state that they began with.

use std::sync::{Arc, Mutex, PoisonError};

use super::refusal::{Refusal, RefusalCode, listed};
use crate::config::{About, name_of_file};
use crate::error::Error;
use crate::kb::{Generation, KbError, SearchMode};
use crate::operations::{self, Target};
use crate::search::Searcher;

/// The knowledge bases of a service.
#[derive(Debug)]
pub struct KnowledgeBases {
    bases: Vec<KnowledgeBase>,
}

/// A knowledge base of a service.
#[derive(Debug)]
pub struct KnowledgeBase {
    /// What requests call it; different for each.
    pub name: String,
    /// What it says of itself.
    pub about: About,
    target: Target,
    open: Mutex<Option<Open>>,
}

/// An open knowledge base, and the state that it was opened in.
#[derive(Debug)]
struct Open {
    searcher: Arc<Searcher>,
    generation: Generation,
}

impl KnowledgeBases {
    /// Opens the knowledge bases of `targets`, at least one. Each is called what it calls itself,
    /// or its file is called; of several with one name, the second is called `name-2`.
    pub fn open(targets: Vec<Target>) -> Result<Self, Error> {
        let mut bases: Vec<KnowledgeBase> = Vec::with_capacity(targets.len());
        for target in targets {
            let about = match &target {
                Target::Config(config) => config.about.clone(),
                Target::File(_) => About::default(),
            };
            let wanted = match about.name.as_str() {
                "" => name_of_file(target.kb()),
                name => name.to_owned(),
            };
            let is_free = |name: &String| bases.iter().all(|base| base.name != *name);
            let numbered = (2..).map(|number| format!("{wanted}-{number}"));
            let name = std::iter::once(wanted.clone()).chain(numbered).find(is_free);
            let base = KnowledgeBase {
                name: name.unwrap_or(wanted),
                about,
                target,
                open: Mutex::default(),
            };
            base.searcher()?;
            bases.push(base);
        }
        Ok(Self { bases })
    }

    /// Returns all of them, in the order that they were given.
    pub fn all(&self) -> &[KnowledgeBase] {
        &self.bases
    }

    /// Returns the one called `name`.
    pub fn named(&self, name: &str) -> Result<&KnowledgeBase, Refusal> {
        self.bases.iter().find(|base| base.name == name).ok_or_else(|| Refusal {
            code: RefusalCode::UnknownKb,
            message: format!("there is no knowledge base \"{name}\"; there {}", self.names()),
        })
    }

    /// Returns the one called `name`, or the only one.
    pub fn named_or_only(&self, name: Option<&str>) -> Result<&KnowledgeBase, Refusal> {
        match (name, self.bases.as_slice()) {
            (Some(name), _) => self.named(name),
            (None, [only]) => Ok(only),
            (None, _) => Err(Refusal::bad_request(format!(
                "`kb` must name one of several; there {}",
                self.names()
            ))),
        }
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.bases.iter().map(|base| &base.name).collect();
        format!("{} {}", if names.len() == 1 { "is" } else { "are" }, listed(&names))
    }
}

impl KnowledgeBase {
    /// Returns the settings or the file that it was opened by.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Calls `work` with the current state of the knowledge base; once more if the file was
    /// replaced meanwhile.
    pub fn with<T>(&self, work: impl Fn(&Searcher) -> Result<T, Error>) -> Result<T, Error> {
        match work(&*self.searcher()?) {
            Err(Error::Kb(KbError::Replaced(_) | KbError::Busy)) => {
                self.lock().take();
                work(&*self.searcher()?)
            }
            result => result,
        }
    }

    /// Returns the open knowledge base, which is opened again if it changed.
    fn searcher(&self) -> Result<Arc<Searcher>, Error> {
        // Held while it is opened: other requests for it would wait for the same.
        let mut open = self.lock();
        if let Some(open) = &*open
            && open.is_current()
        {
            return Ok(Arc::clone(&open.searcher));
        }
        *open = None;
        let searcher = operations::open_searcher(&self.target, SearchMode::Hybrid)?;
        // A run that begins in between changes it, and is noticed by the next request.
        let generation = searcher.reader().generation()?;
        let searcher = Arc::new(searcher);
        *open = Some(Open { searcher: Arc::clone(&searcher), generation });
        Ok(searcher)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        // A panic while it is opened leaves it closed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Reports whether its file is still at its path, and in the same generation.
    fn is_current(&self) -> bool {
        let reader = self.searcher.reader();
        reader.check_files().is_ok()
            && reader.generation().is_ok_and(|generation| generation == self.generation)
    }
}
