//! What the journal remembers of a document that failed by its own fault, and what becomes of one that does so again.
//!
//! Invariants:
//! - Only a fault of the document itself is remembered; one of Nexus, the store or the way between them charges nothing.
//! - An end of the process with the document at work is counted apart: see `claim.rs`.
//! - The record of a failure is written with the hint that it belongs to, and goes with it: a document has none unless it
//!   has a hint.
//! - A change of the document starts anew: the record goes. Work that was found by looking at other documents, or by
//!   comparing the store, does not: such a document keeps its attempts and its turn.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dead_letter::Seen;
use crate::backoff::Backoff;
use crate::nexus::in_one_line;

/// Bytes of a cause that are kept.
const MAX_CAUSE: usize = 400;

/// When a document is tried again, and when no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// The waits between attempts.
    pub backoff: Backoff,
    /// Attempts after which a document becomes a dead letter.
    pub most: u32,
    /// Dead letters for which there is room. Beyond, documents keep waiting for the longest wait.
    pub max_dead_letters: usize,
}

/// The attempts at a document that failed by its own fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// How many there were.
    pub(super) attempts: u32,
    /// When the first failed: Unix microseconds.
    pub(super) first_micros: u64,
    /// When the last did.
    pub(super) last_micros: u64,
    /// When the next is due.
    pub(super) due_micros: u64,
    /// Why the last failed.
    pub(super) cause: String,
    /// How often in a row the process ended while the document was at work.
    pub(super) interrupted: u32,
}

/// A document that failed by its own fault.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The document's id in the batch's collection.
    pub id: Arc<str>,
    /// Why. No payload text; a long one is cut.
    pub cause: String,
    /// The document as it was before the attempt; `None` where the store had none. Read only for documents whose last
    /// attempt it is, see [`super::Journal::is_last_attempt`].
    pub seen: Option<Seen>,
}

/// What became of a refused document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The document's id in the batch's collection.
    pub id: Arc<str>,
    /// Attempts that failed, this one included.
    pub attempts: u32,
    /// What is done with it.
    pub fate: Fate,
}

/// What is done with a refused document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It changed meanwhile: the attempt does not count, the next begins at once.
    Anew,
    /// It is tried again after this time.
    Waits(Duration),
    /// It is not tried again unless something new is known of it.
    DeadLetter,
    /// It has used up its attempts and there is no room for another dead letter: it is tried again after this time.
    NoRoom(Duration),
}

/// The beginning of a cause, in one line.
pub(super) fn bounded(cause: &str) -> String {
    in_one_line(cause[..cause.floor_char_boundary(MAX_CAUSE)].chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cause_is_cut_between_characters_and_kept_in_one_line() {
        let cause = bounded(&format!("a\n{}", "é".repeat(1_000)));
        assert!(cause.len() <= MAX_CAUSE && cause.len() > MAX_CAUSE - 2 && cause.starts_with("a é"));
        assert_eq!(bounded("short"), "short");
    }
}
