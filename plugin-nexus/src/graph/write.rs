//! Sending writes, and finding the row that a server refuses.
//!
//! No statement is atomic on Nexus: after a refusal the rows before the bad one are applied and those after it are not
//! (`contracts/nexus-dialect.md` section 3). Every write is idempotent, so a refused statement is sent again in halves until
//! the rows at fault stand alone; all others are written. Invariants: every row is either applied or named in the answer;
//! a fault that is no row's ends the write at once.

use super::catalogue::Statement;
use super::{Graph, GraphError};
use crate::nexus::Blame;

/// A row that the server refuses on its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// Position of the row in the caller's slice.
    pub row: usize,
    /// Why.
    pub error: GraphError,
}

/// The error of the first refused row, where every row has to be taken.
pub(super) fn all_taken(refused: Vec<Refused>) -> Result<(), GraphError> {
    refused
        .into_iter()
        .next()
        .map_or(Ok(()), |refused| Err(refused.error))
}

impl Graph {
    /// Runs writes in order. A refused row costs at most two statements for each halving of its batch.
    pub(super) async fn write(&self, statements: Vec<Statement>) -> Result<Vec<Refused>, GraphError> {
        let mut refused = Vec::new();
        let mut waiting: Vec<Statement> = statements.into_iter().rev().collect();
        while let Some(statement) = waiting.pop() {
            let Err(error) = self.session.run(&statement).await else {
                continue;
            };
            if error.class().blame() != Blame::Row {
                return Err(error.into());
            }
            match statement.halves() {
                Some([front, back]) => waiting.extend([back, front]),
                None => refused.push(Refused {
                    row: statement.first_row(),
                    error: error.into(),
                }),
            }
        }
        Ok(refused)
    }
}
