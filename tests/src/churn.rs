//! Random changes to a set of documents with vectors, the same for the same seed.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// How much of its own direction a document keeps at most when its vector changes.
const KEEPS: f32 = 0.9;

/// A document to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Its vector, of unit length.
    pub vector: Vec<f32>,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
}

impl Item {
    /// As the host takes it.
    #[must_use]
    pub fn to_document(&self) -> (String, Vec<f32>, Value) {
        let payload = json!({"title": self.title, "content": self.text});
        (self.id.clone(), self.vector.clone(), payload)
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A document comes, also one that was there before and was deleted.
    Insert(Item),
    /// A document gets another vector and text.
    Move(Item),
    /// A document gets another text, and keeps its vector.
    Rewrite(Item),
    /// A document goes.
    Delete(String),
}

impl Change {
    /// Whether vectors change with it.
    #[must_use]
    pub fn concerns_vectors(&self) -> bool {
        !matches!(self, Self::Rewrite(_))
    }
}

/// Documents that come, change and go. What is there is [`Churn::living`].
#[derive(Debug)]
pub struct Churn {
    random: StdRng,
    living: BTreeMap<String, Item>,
    spare: Vec<Item>,
}

impl Churn {
    /// Of these documents, one in seven is kept back at first.
    #[must_use]
    pub fn new(mut items: Vec<Item>, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        items.shuffle(&mut random);
        let spare = items.split_off(items.len() - items.len() / 7);
        Self {
            random,
            living: items.into_iter().map(|item| (item.id.clone(), item)).collect(),
            spare,
        }
    }

    /// The documents that are there now, by id.
    #[must_use]
    pub fn living(&self) -> &BTreeMap<String, Item> {
        &self.living
    }

    /// The next change; it counts as made. Of ten, three insert, three move, two rewrite, and two delete.
    pub fn next_change(&mut self) -> Change {
        let ids: Vec<String> = self.living.keys().cloned().collect();
        let (one, other) = (ids.choose(&mut self.random), ids.choose(&mut self.random));
        let dice = self.random.random_range(0..10);
        let change = match (dice, one.cloned(), other.cloned()) {
            (0..=2, ..) | (_, None, _) | (_, _, None) if !self.spare.is_empty() => {
                let at = self.random.random_range(0..self.spare.len());
                Change::Insert(self.spare.swap_remove(at))
            }
            (3..=5, Some(one), Some(other)) => Change::Move(self.moved(&one, &other)),
            (6..=7, Some(one), Some(other)) => Change::Rewrite(Item {
                title: self.living[&other].title.clone(),
                text: self.living[&other].text.clone(),
                ..self.living[&one].clone()
            }),
            (_, Some(one), _) => Change::Delete(one),
            _ => Change::Delete(String::new()),
        };
        match &change {
            Change::Insert(item) | Change::Move(item) | Change::Rewrite(item) => {
                self.living.insert(item.id.clone(), item.clone());
            }
            Change::Delete(id) => self.spare.extend(self.living.remove(id)),
        }
        change
    }

    /// A document somewhere on its way to another one.
    fn moved(&mut self, one: &str, other: &str) -> Item {
        let keeps = self.random.random_range(0.0..KEEPS);
        let (one, other) = (&self.living[one], &self.living[other]);
        let raw: Vec<f32> = one
            .vector
            .iter()
            .zip(&other.vector)
            .map(|(a, b)| keeps * a + (1.0 - keeps) * b + self.random.random_range(-0.01..0.01))
            .collect();
        Item {
            vector: unit(&raw),
            text: other.text.clone(),
            ..one.clone()
        }
    }
}

/// Documents in groups of some twenty that lie close together, with texts that share words in a group.
#[must_use]
pub fn clustered(count: usize, dimension: usize, seed: u64) -> Vec<Item> {
    let mut random = StdRng::seed_from_u64(seed);
    let clusters = (count / 20).max(1);
    let mut direction = |spread: f32| -> Vec<f32> {
        (0..dimension)
            .map(|_| random.random_range(-spread..spread))
            .collect()
    };
    let centres: Vec<Vec<f32>> = (0..clusters).map(|_| direction(1.0)).collect();
    (0..count)
        .map(|n| {
            let centre = &centres[n % clusters];
            let raw: Vec<f32> = direction(0.6).iter().zip(centre).map(|(a, b)| a + b).collect();
            let words: Vec<String> = (0..12)
                .map(|word| format!("w{}", (n % clusters) * 7 + (n * (word + 3)) % 17))
                .collect();
            Item {
                id: format!("doc {n}"),
                vector: unit(&raw),
                title: format!("document {n}"),
                text: words.join(" "),
            }
        })
        .collect()
}

fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| x / length.max(f32::MIN_POSITIVE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_changes() {
        let run = || {
            let mut churn = Churn::new(clustered(100, 8, 1), 2);
            let changes: Vec<Change> = (0..200).map(|_| churn.next_change()).collect();
            (changes, churn.living().clone())
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn all_kinds_of_changes_come() {
        let mut churn = Churn::new(clustered(100, 8, 1), 2);
        let mut counts = [0; 4];
        for _ in 0..200 {
            counts[match churn.next_change() {
                Change::Insert(_) => 0,
                Change::Move(_) => 1,
                Change::Rewrite(_) => 2,
                Change::Delete(_) => 3,
            }] += 1;
        }
        assert!(counts.iter().all(|count| *count >= 15), "{counts:?}");
    }
}
