//! The graph as the plugin sees it: documents and their SIMILAR_TO edges, kept in Nexus.
//!
//! [`Graph`] offers operations; below it lie three rooms with one door each:
//!
//! - [`key`] and [`literal`]: names, and the proof that a name may stand inside a statement;
//! - [`record`] and [`float`]: property records, which never shrink;
//! - [`catalogue`]: every statement, and nothing but verified forms.

pub mod catalogue;
pub mod float;
pub mod key;
pub mod literal;
pub mod record;

mod deletion;
mod documents;
mod edges;
mod error;

use std::sync::Arc;

pub use catalogue::Statement;
pub use documents::{BucketEntry, BucketListing, NodeWrite};
pub use edges::{OutgoingSimilar, SimilarEdge};
pub use error::GraphError;
pub use key::{Bucket, DocumentKey, RunId};
pub use record::{JsonMap, NodeRecord, RecordShape};

use parking_lot::RwLock;

use crate::nexus::{NexusClient, NexusError, Rows, Session};

/// The operations on the graph. Each is idempotent: after an error it may be repeated whole.
#[derive(Debug, Clone)]
pub struct Graph {
    client: Arc<NexusClient>,
    session: Arc<RwLock<Option<Arc<Session>>>>,
}

impl Graph {
    /// The graph behind `client`.
    pub fn new(client: Arc<NexusClient>) -> Self {
        Self {
            client,
            session: Arc::default(),
        }
    }

    /// The client, for health and counters.
    pub fn client(&self) -> &Arc<NexusClient> {
        &self.client
    }

    /// The session that statements are sent in.
    pub fn session(&self) -> Option<Arc<Session>> {
        self.session.read().clone()
    }

    /// Sends statements in another session from now on.
    pub fn use_session(&self, session: Arc<Session>) {
        *self.session.write() = Some(session);
    }

    async fn run(&self, statement: &Statement) -> Result<Rows, NexusError> {
        let session = self.session().ok_or(NexusError::SessionEnded)?;
        session.run(statement).await
    }

    /// Creates the indexes that every other operation relies on. To be called at every connect.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn ensure_indexes(&self) -> Result<(), GraphError> {
        for statement in catalogue::ensure_indexes() {
            self.run(&statement).await?;
        }
        Ok(())
    }

    /// Runs writes in order, stopping at the first failure.
    async fn write(&self, statements: &[Statement]) -> Result<(), GraphError> {
        for statement in statements {
            self.run(statement).await?;
        }
        Ok(())
    }

    /// Runs one read and takes its rows, whose columns must be `columns`.
    async fn read(
        &self,
        statement: &Statement,
        columns: &[&str],
    ) -> Result<Vec<Vec<serde_json::Value>>, GraphError> {
        let rows: Rows = self.run(statement).await?;
        Ok(rows.with_columns(statement.name(), columns)?)
    }

    /// Runs a statement that answers one number.
    async fn count(&self, statement: &Statement) -> Result<u64, GraphError> {
        let rows = self.read(statement, &["n"]).await?;
        match rows.as_slice() {
            [row] => row.first().and_then(serde_json::Value::as_u64),
            _ => None,
        }
        .ok_or_else(|| bad_answer(statement, "one number was expected"))
    }
}

fn bad_answer(statement: &Statement, what: &str) -> GraphError {
    GraphError::Nexus(NexusError::BadAnswer {
        request: statement.name(),
        what: what.to_owned(),
    })
}
