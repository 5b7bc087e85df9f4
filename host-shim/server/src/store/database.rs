//! The open store: its file, its locks, its background thread.
//!
//! Lock order: `writer` before anything else; it is held over a whole write, from the beginning of the
//! transaction until the index in memory follows. Index locks are innermost and short.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable};
use vectorizer_host_shim::embedded::MutationObserver;
use vectorizer_plugin_api::model::{CollectionEvent, Op};

use super::DbError;
use super::maintenance::{Signal, run};
use super::record::Record;
use super::tables::{ALIASES, COLLECTIONS, FORMAT, META, read_record};
use crate::index::{Index, IndexOptions};

/// The file in the data folder that holds everything.
const FILE: &str = "vectors.redb";

/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Bytes of the file kept in memory. `None`: 256 MiB.
    pub cache_bytes: Option<usize>,
    /// Live documents from which on a collection is searched through a graph; below, and always where the
    /// graph falls short, the search compares with every document. `None`: 2,000.
    pub graph_from: Option<usize>,
}

impl StoreOptions {
    const CACHE_BYTES: usize = 256 << 20;
}

/// An embedded store of documents. See [the module](super) for what it promises.
///
/// Methods block on disk and on each other's writes: call them from threads that may block.
pub struct DocumentStore {
    pub(super) inner: Arc<Inner>,
    maintenance: Option<JoinHandle<()>>,
}

pub(super) struct Inner {
    pub(super) database: Database,
    /// Held by the one write under way.
    pub(super) writer: Mutex<()>,
    /// The index of each collection, by uid.
    pub(super) indexes: RwLock<HashMap<u64, Arc<Index>>>,
    pub(super) index_options: IndexOptions,
    pub(super) signal: Signal,
    observer: Arc<dyn MutationObserver>,
}

impl DocumentStore {
    /// Opens the store in `folder`, which is made (readable by its owner only) if it is not there.
    ///
    /// Returns when the data can be read and written. Graphs are rebuilt in the background; until a
    /// collection's graph is ready, its searches compare with every document. After a crash the file is
    /// checked as a whole first, which takes time in proportion to its size.
    ///
    /// # Errors
    /// [`DbError::InUse`], [`DbError::Damaged`], [`DbError::Unavailable`].
    pub fn open(
        folder: &Path,
        options: StoreOptions,
        observer: Arc<dyn MutationObserver>,
    ) -> Result<Self, DbError> {
        let database = open_file(folder, options.cache_bytes.unwrap_or(StoreOptions::CACHE_BYTES))?;
        let index_options = IndexOptions::from_threshold(options.graph_from);
        let indexes = prepare_file(&database)?
            .iter()
            .map(|record| {
                let index = Index::unloaded(record.metric, record.dimension, index_options);
                (record.uid, Arc::new(index))
            })
            .collect();
        let inner = Arc::new(Inner {
            database,
            writer: Mutex::new(()),
            indexes: RwLock::new(indexes),
            index_options,
            signal: Signal::default(),
            observer,
        });
        let for_thread = Arc::clone(&inner);
        let maintenance = std::thread::Builder::new()
            .name("vector-index".to_owned())
            .spawn(move || run(&for_thread))
            .map_err(|error| DbError::Unavailable(format!("no thread for the index: {error}")))?;
        Ok(Self {
            inner,
            maintenance: Some(maintenance),
        })
    }

    /// Whether the disk can be read.
    ///
    /// # Errors
    /// [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn check(&self) -> Result<(), DbError> {
        self.inner.snapshot()?.open_table(META)?.get("format")?;
        Ok(())
    }

    /// Whether every document is known to the indexes and no index has work waiting. Searches are right
    /// either way; this tells when they are fast. Stays false where an index failed and was given up.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.inner.indexes.read().values().all(|index| index.is_settled())
    }
}

impl Drop for DocumentStore {
    fn drop(&mut self) {
        self.inner.signal.stop();
        if let Some(thread) = self.maintenance.take()
            && thread.join().is_err()
        {
            tracing::error!("the index thread had panicked");
        }
    }
}

impl Inner {
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, DbError> {
        Ok(self.database.begin_read()?)
    }

    pub(super) fn index(&self, uid: u64) -> Option<Arc<Index>> {
        self.indexes.read().get(&uid).cloned()
    }

    /// Tells the observer. No lock may be held.
    pub(super) fn tell(&self, collection: &str, op: Op, ids: &[&str]) {
        if !ids.is_empty() {
            self.observer.changed(collection, op, ids);
        }
    }

    /// Tells the observer. No lock may be held.
    pub(super) fn tell_collection(&self, event: CollectionEvent<'_>) {
        self.observer.collection(event);
    }
}

fn open_file(folder: &Path, cache_bytes: usize) -> Result<Database, DbError> {
    let unavailable = |what: &str, error: std::io::Error| {
        DbError::Unavailable(format!("{what} '{}': {error}", folder.display()))
    };
    if !folder.is_dir() {
        private_folder()
            .create(folder)
            .map_err(|error| unavailable("cannot make data folder", error))?;
    }
    let database = Database::builder()
        .set_cache_size(cache_bytes)
        .set_repair_callback(|session| {
            tracing::warn!(
                progress = session.progress(),
                "the store was not closed properly: checking it"
            );
        })
        .create(folder.join(FILE))
        .map_err(|error| open_error(folder, error))?;
    // A new file also needs its name to survive a loss of power.
    File::open(folder)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| unavailable("cannot sync data folder", error))?;
    Ok(database)
}

fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn open_error(folder: &Path, error: DatabaseError) -> DbError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            DbError::InUse(PathBuf::from(folder))
        }
        DatabaseError::Storage(storage) => storage.into(),
        other => DbError::Damaged(other.to_string()),
    }
}

/// Makes the tables of a new file, refuses a foreign one, and returns the records of all collections.
fn prepare_file(database: &Database) -> Result<Vec<Record>, DbError> {
    let txn = database.begin_write()?;
    let records = {
        let mut meta = txn.open_table(META)?;
        let format = meta.get("format")?.map(|value| value.value());
        match format {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(DbError::Damaged(format!(
                    "format {other}, this program knows {FORMAT}"
                )));
            }
            None => {
                meta.insert("format", FORMAT)?;
            }
        }
        txn.open_table(ALIASES)?;
        let mut records = Vec::new();
        for row in txn.open_table(COLLECTIONS)?.iter()? {
            let (name, record) = row?;
            records.push(read_record(name.value(), record.value())?);
        }
        records
    };
    txn.commit()?;
    Ok(records)
}
