//! The oracle of acknowledged changes: what a writer knows of the documents that only it changes.
//!
//! After an acknowledged change a document has one state. A change whose answer was lost, or said that it failed, leaves
//! two: before and after. Further changes apply to each of them, and an acknowledged insert or delete makes it one again.
//! The end of a round reads the store, which must be in one of the states, and settles on it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DIMENSION, Metric};

/// A document's content. Everything follows from these, so that states are cheap to keep and to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Its vector, as a number.
    pub(super) vector: u64,
    /// Which change wrote its payload: no two write the same.
    pub(super) change: u64,
    /// Length of its title.
    pub(super) length: usize,
}

impl Content {
    /// The vector; neighbours in number are similar.
    pub(super) fn vector(&self) -> Vec<f32> {
        let seed = self.vector as f32;
        (0..DIMENSION)
            .map(|axis| (seed * 0.13 + axis as f32 * 0.9).sin() + 0.05 * (seed * (axis + 3) as f32).cos())
            .collect()
    }

    /// The payload. The graph gets `title`, `doc_type` and `chunk_index`; every third is a chunk of a file and mentions somebody.
    pub(super) fn payload(&self) -> Value {
        let mut payload = json!({
            "title": format!("{}-{}", self.change, "t".repeat(self.length)),
            "doc_type": if self.change.is_multiple_of(3) { "note" } else { "letter" },
            "chunk_index": self.change,
            "content": "not copied",
        });
        if self.change.is_multiple_of(3) {
            payload["file_path"] = format!("file {}", self.change % 7).into();
            payload["content"] = format!("ask box{}@example.com for more", self.change % 11).into();
        }
        payload
    }
}

/// What a document may be: absent (`None`) or with this content. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct States(pub(super) Vec<Option<Content>>);

impl States {
    fn change(&mut self, to: impl Fn(&Option<Content>) -> Option<Content>, acknowledged: bool) {
        let before = std::mem::take(&mut self.0);
        let mut states: Vec<Option<Content>> = before.iter().map(to).collect();
        if !acknowledged {
            states.extend(before);
        }
        for state in states {
            if !self.0.contains(&state) {
                self.0.push(state);
            }
        }
    }
}

/// A change of one document.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// It is inserted or replaced.
    Put(Content),
    /// Its vector or its payload is replaced where it exists.
    Update {
        /// The new vector.
        vector: Option<u64>,
        /// The new payload: the change and its length.
        payload: Option<(u64, usize)>,
    },
    /// It is deleted.
    Delete,
}

impl Change {
    fn apply(&self, before: &Option<Content>) -> Option<Content> {
        match self {
            Self::Put(content) => Some(content.clone()),
            Self::Delete => None,
            Self::Update { vector, payload } => before.clone().map(|mut content| {
                if let Some(vector) = vector {
                    content.vector = *vector;
                }
                if let Some((change, length)) = *payload {
                    content.change = change;
                    content.length = length;
                }
                content
            }),
        }
    }
}

/// What the answer said of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The change is done.
    Acknowledged,
    /// There is no such document.
    Absent,
    /// Nothing, or that it failed.
    Unknown,
}

/// A collection, as far as one writer knows it.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// What it may be called; `None`: it may be absent. More than one after a lost answer, and then nobody writes to it.
    pub(super) names: Vec<Option<String>>,
    /// Its metric.
    pub(super) metric: Metric,
    /// The writer's documents in it. What is not here is absent.
    pub(super) documents: BTreeMap<String, States>,
}

impl Slot {
    pub(super) fn new(name: &str, metric: Metric) -> Self {
        Self {
            names: vec![Some(name.to_owned())],
            metric,
            documents: BTreeMap::new(),
        }
    }

    /// Its name, where that is known.
    pub(super) fn name(&self) -> Option<&str> {
        match self.names.as_slice() {
            [Some(name)] => Some(name),
            _ => None,
        }
    }

    /// Notes a change. An error where the answer contradicts what is known.
    pub(super) fn note(&mut self, id: &str, change: &Change, outcome: Outcome) -> Result<(), String> {
        let states = self
            .documents
            .entry(id.to_owned())
            .or_insert_with(|| States(vec![None]));
        match outcome {
            Outcome::Acknowledged => states.change(|before| change.apply(before), true),
            Outcome::Unknown => states.change(|before| change.apply(before), false),
            Outcome::Absent if states.0.contains(&None) => states.0 = vec![None],
            Outcome::Absent => {
                return Err(format!(
                    "{:?}/{id}: said to be absent, it is {:?}",
                    self.names, states.0
                ));
            }
        }
        Ok(())
    }

    /// The ids of the documents that may be there.
    pub(super) fn present(&self) -> Vec<&String> {
        self.documents
            .iter()
            .filter(|(_, states)| states.0.iter().any(Option::is_some))
            .map(|(id, _)| id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Content = Content {
        vector: 1,
        change: 1,
        length: 5,
    };

    #[test]
    fn a_lost_answer_leaves_two_states_and_an_acknowledged_change_one() {
        let mut slot = Slot::new("c", Metric::Cosine);
        let states = |slot: &Slot| slot.documents["a"].0.clone();
        slot.note("a", &Change::Put(FIRST), Outcome::Acknowledged)
            .unwrap();
        assert_eq!(states(&slot), [Some(FIRST)]);
        let update = Change::Update {
            vector: Some(7),
            payload: None,
        };
        slot.note("a", &update, Outcome::Unknown).unwrap();
        let moved = Content { vector: 7, ..FIRST };
        assert_eq!(states(&slot), [Some(moved), Some(FIRST)]);
        slot.note("a", &update, Outcome::Acknowledged).unwrap();
        assert_eq!(states(&slot).len(), 1);
        slot.note("a", &Change::Delete, Outcome::Unknown).unwrap();
        slot.note("a", &Change::Delete, Outcome::Absent).unwrap();
        assert_eq!(states(&slot), [None]);
    }

    #[test]
    fn a_document_that_must_be_there_is_not_absent() {
        let mut slot = Slot::new("c", Metric::Cosine);
        slot.note("a", &Change::Put(FIRST), Outcome::Acknowledged)
            .unwrap();
        assert!(slot.note("a", &Change::Delete, Outcome::Absent).is_err());
    }
}
