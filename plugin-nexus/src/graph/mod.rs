//! The graph as the plugin sees it: nodes and edges, kept in Nexus.
//!
//! [`Graph`] offers operations on one process of Nexus, in the forms that were found right there ([`capabilities`],
//! [`probe`]). Below it lie three rooms with one door each:
//!
//! - [`key`] and [`literal`]: names, and the proof that a name may stand inside a statement;
//! - [`record`] and [`float`]: property records, which never shrink;
//! - [`catalogue`]: every statement, and nothing but named forms.
//!
//! [`verify`] reads back what was written, [`canary`] tells whether the server's file is sound after a restart.

pub mod canary;
pub mod capabilities;
pub mod catalogue;
pub mod float;
pub mod key;
pub mod literal;
pub mod probe;
pub mod record;
pub mod schema;
pub mod verify;

mod deletion;
mod edge;
mod edges;
mod error;
mod foreign;
mod nodes;
mod write;

use std::sync::Arc;

pub use capabilities::{Capabilities, Forms};
pub use catalogue::Statement;
pub use edge::Edge;
pub use edges::{Neighbour, OutgoingSimilar, TwoHops};
pub use error::GraphError;
pub use foreign::{ForeignEdge, ForeignType};
pub use key::{BUCKETS, Bucket, DocumentKey, DomainKey, EntityKey, NodeKey, RunId, SourceKey};
pub use nodes::{BucketEntry, BucketListing, NodeVersion, NodeWrite};
pub use record::{JsonMap, NodeRecord, RecordShape};
pub use write::Refused;

use crate::nexus::{NexusError, Rows, Session};
use schema::NodeLabel;

/// The operations on the graph. Each is idempotent: after an error it may be repeated whole.
#[derive(Debug, Clone)]
pub struct Graph {
    session: Arc<Session>,
    forms: Forms,
}

impl Graph {
    /// The graph of one server process, by these forms.
    pub fn new(session: Arc<Session>, forms: Forms) -> Self {
        Self { session, forms }
    }

    /// The session, for its end.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The forms in use.
    pub fn forms(&self) -> Forms {
        self.forms
    }

    /// Creates the indexes that every other operation relies on. To be called at every connect.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn ensure_indexes(&self) -> Result<(), GraphError> {
        for statement in NodeLabel::ALL
            .into_iter()
            .flat_map(catalogue::nodes::ensure_indexes)
        {
            self.session.run(&statement).await?;
        }
        Ok(())
    }

    /// Runs one read and takes its rows, whose columns must be `columns`.
    async fn read(
        &self,
        statement: &Statement,
        columns: &[&str],
    ) -> Result<Vec<Vec<serde_json::Value>>, GraphError> {
        let rows: Rows = self.session.run(statement).await?;
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
