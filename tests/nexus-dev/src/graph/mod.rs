//! The embedded graph: the engine, its write lock, its indexes and its life on disk.
//!
//! Invariants:
//! * every statement that is not plainly a read holds the one write lock (two concurrent MERGE of the engine make
//!   duplicates); reads run beside it on a snapshot;
//! * declared indexes are declared in the engine again after every start;
//! * when a write returns, its log record has been handed to the operating system, so a killed process loses nothing;
//! * after `close` no statement runs any more.
//!
//! Everything here blocks: call it from a blocking thread.

pub(crate) mod elements;
pub(crate) mod indexes;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use grafeo_engine::config::DurabilityMode;
use grafeo_engine::database::QueryResult;
use grafeo_engine::{Config, GrafeoDB};
use parking_lot::{Mutex, MutexGuard};

use crate::error::NexusDevError;
use crate::statement::error::CypherError;
use crate::statement::index_ddl::{IndexAction, IndexStatement};
use crate::statement::rewrite::EngineStatement;
use indexes::{Index, Indexes};

/// The engine's file in the data folder.
const FILE: &str = "graph.grafeo";

/// How long a start waits for a killed predecessor to let go of the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// The engine keeps a plan per statement text; after this much text the plans are dropped, which bounds the memory
/// that one-off literals can take.
const PLAN_CACHE_TEXT: usize = 512 * 1024;

/// What a persistent graph survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// An answered write survives a killed process; a power failure may take the last moments. About ten times faster
    /// for small writes.
    #[default]
    Process,
    /// An answered write was synced to the disk.
    Power,
}

/// Counts for `/stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GraphCounts {
    pub(crate) labels: usize,
    pub(crate) types: usize,
    pub(crate) nodes: usize,
    pub(crate) relationships: usize,
}

/// One open graph.
pub(crate) struct Graph {
    engine: GrafeoDB,
    writer: Mutex<Writer>,
    changed: AtomicBool,
    planned_text: AtomicUsize,
}

/// What only the holder of the write lock may touch.
struct Writer {
    indexes: Indexes,
    closed: bool,
}

impl Graph {
    /// Opens the graph in `folder`, or an empty one in memory.
    ///
    /// # Errors
    /// [`NexusDevError::Open`] when the folder or the file cannot be used, or another process holds it;
    /// [`NexusDevError::Indexes`] for a damaged list of indexes.
    pub(crate) fn open(folder: Option<&Path>, durability: Durability) -> Result<Self, NexusDevError> {
        let (engine, indexes) = match folder {
            None => (GrafeoDB::new_in_memory(), Indexes::default()),
            Some(folder) => {
                fs::create_dir_all(folder).map_err(|error| open_error(folder, &error))?;
                (
                    open_engine(&folder.join(FILE), durability)?,
                    Indexes::load(folder)?,
                )
            }
        };
        for property in indexes.properties() {
            engine.create_property_index(property);
        }
        Ok(Self {
            engine,
            writer: Mutex::new(Writer {
                indexes,
                closed: false,
            }),
            changed: AtomicBool::new(false),
            planned_text: AtomicUsize::new(0),
        })
    }

    /// Runs a statement; `reads` only when it plainly changes nothing.
    ///
    /// # Errors
    /// Whatever the engine refuses. A failed write is rolled back by the engine.
    pub(crate) fn execute(
        &self,
        statement: EngineStatement,
        reads: bool,
    ) -> Result<QueryResult, CypherError> {
        let guard = if reads { None } else { Some(self.write()?) };
        let length = statement.text.len();
        let result = self
            .engine
            .execute_cypher_with_params(&statement.text, statement.params);
        if guard.is_some() {
            self.changed.store(true, Ordering::Release);
        }
        if self.planned_text.fetch_add(length, Ordering::Relaxed) + length > PLAN_CACHE_TEXT {
            self.planned_text.store(0, Ordering::Relaxed);
            self.engine.clear_plan_cache();
        }
        result.map_err(|error| CypherError::from_engine(&error))
    }

    /// Declares or drops an index. Returns its name as Nexus prints it, `None` when there was nothing to drop.
    ///
    /// # Errors
    /// An index that exists already, or does not exist, unless the statement tolerates it; a list that cannot be kept.
    pub(crate) fn declare(&self, statement: IndexStatement) -> Result<Option<String>, CypherError> {
        let IndexStatement {
            action,
            label,
            property,
            tolerant,
        } = statement;
        let name = format!("{label}.{property}.property");
        let index = Index { label, property };
        let mut writer = self.write()?;
        let exists = writer.indexes.contains(&index);
        let refused = |what| {
            let Index { label, property } = &index;
            Err(CypherError::Execution(format!(
                "Index on :{label}({property}) {what}"
            )))
        };
        match (action, exists) {
            (IndexAction::Create, true) if tolerant => Ok(Some(name)),
            (IndexAction::Create, true) => refused("already exists"),
            (IndexAction::Drop, false) if tolerant => Ok(None),
            (IndexAction::Drop, false) => refused("does not exist"),
            (IndexAction::Create, false) => {
                writer.indexes.insert(index.clone()).map_err(unkept)?;
                if !self.engine.has_property_index(&index.property) {
                    self.engine.create_property_index(&index.property);
                }
                Ok(Some(name))
            }
            (IndexAction::Drop, true) => {
                writer.indexes.remove(&index).map_err(unkept)?;
                if !writer.indexes.properties().contains(index.property.as_str()) {
                    self.engine.drop_property_index(&index.property);
                }
                Ok(Some(name))
            }
        }
    }

    /// Whether this label and property have an index.
    pub(crate) fn has_index(&self, label: &str, property: &str) -> bool {
        let index = Index {
            label: label.to_string(),
            property: property.to_string(),
        };
        self.writer.lock().indexes.contains(&index)
    }

    /// Current counts.
    pub(crate) fn counts(&self) -> GraphCounts {
        GraphCounts {
            labels: self.engine.label_count(),
            types: self.engine.edge_type_count(),
            nodes: self.engine.node_count(),
            relationships: self.engine.edge_count(),
        }
    }

    /// The labels that nodes have.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.engine.graph_store().all_labels()
    }

    /// The types that edges have.
    pub(crate) fn types(&self) -> Vec<String> {
        self.engine.graph_store().all_edge_types()
    }

    /// Brings everything written since the last checkpoint into the file. Does nothing when nothing was written.
    ///
    /// # Errors
    /// [`NexusDevError::Checkpoint`]; the log then still holds the data.
    pub(crate) fn checkpoint(&self) -> Result<(), NexusDevError> {
        let writer = self.writer.lock();
        if writer.closed || !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.engine.wal_checkpoint().map_err(|error| {
            self.changed.store(true, Ordering::Release);
            NexusDevError::Checkpoint {
                reason: error.to_string(),
            }
        })
    }

    /// Waits for the running write, checkpoints and closes. Later writes are refused.
    ///
    /// # Errors
    /// [`NexusDevError::Checkpoint`]; the log then still holds the data.
    pub(crate) fn close(&self) -> Result<(), NexusDevError> {
        let mut writer = self.writer.lock();
        writer.closed = true;
        self.engine.close().map_err(|error| NexusDevError::Checkpoint {
            reason: error.to_string(),
        })
    }

    fn write(&self) -> Result<MutexGuard<'_, Writer>, CypherError> {
        let writer = self.writer.lock();
        if writer.closed {
            return Err(CypherError::Execution("The server is shutting down".to_string()));
        }
        Ok(writer)
    }
}

fn unkept(error: NexusDevError) -> CypherError {
    CypherError::Execution(error.to_string())
}

fn open_error(path: &Path, error: &dyn std::fmt::Display) -> NexusDevError {
    NexusDevError::Open {
        path: PathBuf::from(path),
        reason: error.to_string(),
    }
}

/// Opens the engine's file, waiting for a predecessor that is still exiting.
fn open_engine(file: &Path, durability: Durability) -> Result<GrafeoDB, NexusDevError> {
    let mode = match durability {
        Durability::Process => DurabilityMode::Batch {
            max_delay_ms: 100,
            max_records: 1_000,
        },
        Durability::Power => DurabilityMode::Sync,
    };
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match GrafeoDB::with_config(Config::persistent(file).with_wal_durability(mode)) {
            Ok(engine) => return Ok(engine),
            Err(error) if error.to_string().contains("locked") && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(open_error(file, &error)),
        }
    }
}
