//! The text index: which documents have the words of a query, ranked by BM25.
//!
//! ```text
//! hook -> queue (memory, bounded) -> lane: store -> index (disk) -> search
//!                comparisons ----------^
//! ```
//!
//! Invariants:
//! - it goes on when Nexus does not: it needs the store only;
//! - it is a copy, and never trusted: what it finds is read from the store before it is shown, at each start and with each comparison
//!   of store and graph each document is compared with the digest of what was indexed of it, and what cannot be read is built again;
//! - texts cannot be read back from it, but which words a document has can: where these may not leave the store, it is switched
//!   off (`search.lexical.enabled`), which deletes it;
//! - it costs a bounded amount of memory, whatever is in the store.

mod analysis;
mod entry;
mod index;
mod lane;
mod queue;
mod ranking;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use schemars::JsonSchema;
use serde::Serialize;

pub use analysis::Language;
pub use index::LexicalError;
pub(crate) use lane::run;

use crate::config;
use crate::journal::DocumentId;
use index::{Index, Writer};
use queue::Queue;

/// How the text index does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WordIndex")]
pub struct Report {
    /// Documents in it.
    pub documents: u64,
    /// Documents that changed and are not in it yet as they are now.
    pub waiting: usize,
    /// Whether it is being compared with the store: it may lack documents, or have old texts of some.
    pub comparing: bool,
    /// Whether it is being built from nothing.
    pub incomplete: bool,
    /// Documents that were indexed since the start.
    pub indexed: u64,
    /// Documents that were taken out since the start.
    pub deleted: u64,
    /// Why it cannot be used at present.
    pub failure: Option<String>,
}

/// See the [module](self).
pub struct Lexical {
    folder: PathBuf,
    language: Language,
    queue: Queue,
    /// What is searched in; a reason where there is nothing.
    index: RwLock<Result<Arc<Index>, String>>,
    /// The lane's.
    writer: Mutex<Option<Writer>>,
    /// Whether what is on disk has to be deleted before it is opened again.
    damaged: AtomicBool,
    /// Whether it was begun anew, and not everything of the store has been in it yet.
    incomplete: AtomicBool,
    /// Documents that were taken from the queue and cannot be found yet.
    underway: AtomicUsize,
    indexed: AtomicU64,
    deleted: AtomicU64,
}

impl fmt::Debug for Lexical {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lexical")
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}

impl Lexical {
    /// Opens the index that the configuration asks for; `None` where it asks for none, and then there is none on disk either. One that
    /// cannot be opened is tried again by the lane.
    #[must_use]
    pub fn open(settings: &config::Lexical, data_dir: &Path) -> Option<Self> {
        let folder = data_dir.join("lexical");
        if !settings.enabled {
            if let Err(error) = index::delete(&folder) {
                tracing::error!(%error, "the text index is switched off, and could not be deleted");
            }
            return None;
        }
        let lexical = Self {
            folder,
            language: settings.language,
            queue: Queue::new(settings.max_waiting),
            index: RwLock::new(Err("it is not open yet".to_owned())),
            writer: Mutex::new(None),
            damaged: AtomicBool::new(false),
            incomplete: AtomicBool::new(true),
            underway: AtomicUsize::new(0),
            indexed: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
        };
        if let Err(error) = lexical.reopen() {
            tracing::error!(%error, "the text index cannot be opened; it is tried again");
        }
        Some(lexical)
    }

    /// Opens it, anew where it cannot be read.
    fn reopen(&self) -> Result<(), LexicalError> {
        let mut writer = self.writer.lock();
        // Two writers at a time there cannot be.
        *writer = None;
        if self.damaged.load(Ordering::Acquire) {
            index::delete(&self.folder)?;
            self.damaged.store(false, Ordering::Release);
        }
        match index::open(&self.folder, self.language) {
            Ok((index, opened)) => {
                self.incomplete.store(index.len() == 0, Ordering::Release);
                *self.index.write() = Ok(Arc::new(index));
                *writer = Some(opened);
                Ok(())
            }
            Err(error) => {
                *self.index.write() = Err(error.to_string());
                Err(error)
            }
        }
    }

    /// It cannot be relied upon any more.
    fn fail(&self, error: &LexicalError) {
        *self.index.write() = Err(error.to_string());
    }

    fn present(&self) -> Result<Arc<Index>, LexicalError> {
        self.index
            .read()
            .as_ref()
            .map(Arc::clone)
            .map_err(|reason| LexicalError::Closed(reason.clone()))
    }

    /// These documents changed.
    pub fn changed<'a>(&self, collection: &str, ids: impl Iterator<Item = &'a str>) {
        self.queue.changed(collection, ids);
    }

    /// Something may have been missed of this collection, or it is gone.
    pub fn compare(&self, collection: &str) {
        self.queue.compare(collection);
    }

    /// The `most` best documents of a collection for a text, best first, with their scores (BM25, any positive number); restricted ones
    /// among them only where these are asked for, too. Blocks. What is found may have changed in the store, or be gone.
    ///
    /// # Errors
    /// [`LexicalError`]; the index is then built again.
    pub fn search(
        &self,
        collection: &str,
        text: &str,
        restricted: bool,
        most: usize,
    ) -> Result<Vec<(DocumentId, f64)>, LexicalError> {
        self.present()?
            .search(collection, text, restricted, most)
            .inspect_err(|error| {
                self.damaged.store(true, Ordering::Release);
                self.fail(error);
                self.queue.compare_all();
            })
    }

    /// Whether it is being built, so that it does not find all that there is.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.incomplete.load(Ordering::Acquire)
    }

    /// How it does.
    #[must_use]
    pub fn report(&self) -> Report {
        let (waiting, comparing) = self.queue.depth();
        let index = self.present();
        Report {
            documents: index.as_ref().map_or(0, |index| index.len()),
            waiting: waiting + self.underway.load(Ordering::Acquire),
            comparing,
            incomplete: self.is_incomplete(),
            indexed: self.indexed.load(Ordering::Relaxed),
            deleted: self.deleted.load(Ordering::Relaxed),
            failure: index.err().map(|error| error.to_string()),
        }
    }
}
