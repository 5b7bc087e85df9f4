//! Marks of deletion runs.

use rand::Rng;

use crate::graph::literal::{LiteralError, SafeLiteral};

/// Characters of a [`RunId`].
pub const RUN_ID_LEN: usize = 32;

/// The mark of one deletion run: 32 lower-case hex digits, new for every run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunId(SafeLiteral);

impl RunId {
    /// A run id that was never used before (128 random bits).
    ///
    /// # Errors
    ///
    /// None in practice: hex digits are in the safe alphabet; the check is kept all the same.
    pub fn fresh() -> Result<Self, LiteralError> {
        let bits: u128 = rand::rng().random();
        SafeLiteral::verify(format!("{bits:0RUN_ID_LEN$x}")).map(Self)
    }

    /// The run id as text, which is the value of the `gc` property.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The run id as proof for a statement.
    pub fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn run_ids_have_one_length_and_do_not_repeat() {
        let ids: HashSet<_> = (0..1_000).map(|_| RunId::fresh().unwrap()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            assert_eq!(id.as_str().len(), RUN_ID_LEN);
            assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
        }
    }
}
