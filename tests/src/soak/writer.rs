//! A writer: random operations over HTTP on documents and collections that nobody else changes, noted in its model.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::model::{Change, Content, Outcome, Slot};
use super::{DIMENSION, Metric};
use crate::vectorizer::Vectorizer;

/// Ids of a writer in each collection.
const IDS: usize = 70;
/// Most collections that a writer makes, drops and renames.
const OWN: usize = 2;

/// What a round's writers share.
pub(super) struct Round<'a> {
    pub(super) host: &'a str,
    /// Acknowledged changes that each writer is to make at least.
    pub(super) changes: u64,
    /// Set when the round's faults are over.
    pub(super) faults_over: &'a AtomicBool,
    /// Set when the round is to be given up.
    pub(super) stop: &'a AtomicBool,
}

/// How many acknowledged changes there were, by kind.
pub(super) type Tally = BTreeMap<&'static str, u64>;

/// A writer with what it knows.
pub(super) struct Writer {
    name: String,
    random: StdRng,
    /// The last number that it gave to a payload or a name: no two are the same, other writers' included.
    change: u64,
    /// Collections that other writers write to as well.
    pub(super) shared: Vec<Slot>,
    /// Collections of its own, with documents; empty where it has none.
    pub(super) own: Vec<Slot>,
    /// Whether it makes, drops and renames collections.
    lifecycle: bool,
    /// Names of collections that it dropped.
    dropped: Vec<String>,
    /// What it contradicted the model in.
    pub(super) findings: Vec<String>,
    /// Acknowledged changes.
    pub(super) tally: Tally,
    /// Requests without a good answer.
    pub(super) lost: u64,
}

impl Writer {
    pub(super) fn new(number: usize, seed: u64, shared: Vec<Slot>, lifecycle: bool) -> Self {
        Self {
            name: format!("w{number}"),
            random: StdRng::seed_from_u64(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            change: (number as u64 + 1) * 1_000_000_000,
            shared,
            own: Vec::new(),
            lifecycle,
            dropped: Vec::new(),
            findings: Vec::new(),
            tally: Tally::new(),
            lost: 0,
        }
    }

    /// Writes until enough is acknowledged and the faults are over.
    pub(super) fn run(&mut self, round: &Round<'_>) {
        let client = Vectorizer::new(round.host);
        let begun: u64 = self.tally.values().sum();
        while !round.stop.load(Ordering::Relaxed) && self.findings.is_empty() {
            let enough = self.tally.values().sum::<u64>() - begun >= round.changes;
            if enough && round.faults_over.load(Ordering::Relaxed) {
                return;
            }
            let lost = self.lost;
            if self.lifecycle && self.random.random_bool(0.2) {
                self.change_collections(&client);
            } else {
                self.change_documents(&client);
            }
            // While the host is away, and when only the faults are waited for, there is no hurry.
            let pause = if self.lost > lost {
                50
            } else if enough {
                self.random.random_range(5..40)
            } else {
                self.random.random_range(0..4)
            };
            thread::sleep(Duration::from_millis(pause));
        }
    }

    fn slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.shared
            .iter_mut()
            .chain(&mut self.own)
            .filter(|slot| slot.name().is_some())
    }

    fn next(&mut self) -> u64 {
        self.change += 1;
        self.change
    }

    fn content(&mut self) -> Content {
        Content {
            vector: self.random.random_range(0..400),
            change: self.next(),
            length: self.random.random_range(0..300),
        }
    }

    fn change_documents(&mut self, client: &Vectorizer) {
        let count = self.slots().count();
        if count == 0 {
            return;
        }
        let slot = self.random.random_range(0..count);
        let mut ids: Vec<String> = (0..IDS)
            .map(|n| format!("{}-{n}/ä'\\\"{{}}", self.name))
            .collect();
        ids.shuffle(&mut self.random);
        let kind = self.random.random_range(0..100);
        let few = self.random.random_range(1..4);
        let bulk = self.random.random_range(50..=IDS);
        let present: Vec<String> = {
            let slot = self.slots().nth(slot);
            slot.map(|slot| slot.present().into_iter().cloned().collect())
                .unwrap_or_default()
        };
        let random = &mut self.random;
        let mut there = |n: usize| -> Vec<String> { present.choose_multiple(random, n).cloned().collect() };
        let (kind, ids) = match kind {
            0..30 => ("insert", ids[..few].to_vec()),
            30..50 => ("payload", there(few)),
            50..65 => ("vector", there(few)),
            65..82 => ("delete", there(few)),
            82..95 => ("bulk insert", ids[..bulk].to_vec()),
            _ => ("bulk delete", there(bulk)),
        };
        if ids.is_empty() {
            return;
        }
        let changes: Vec<(String, Change)> = ids
            .into_iter()
            .map(|id| {
                let content = self.content();
                let change = match kind {
                    "insert" | "bulk insert" => Change::Put(content),
                    "payload" => Change::Update {
                        vector: None,
                        payload: Some((content.change, content.length)),
                    },
                    "vector" => Change::Update {
                        vector: Some(content.vector),
                        payload: None,
                    },
                    _ => Change::Delete,
                };
                (id, change)
            })
            .collect();
        let Some(slot) = self.slots().nth(slot) else {
            return;
        };
        let outcomes = send(client, slot.name().unwrap_or_default(), &changes);
        let mut wrong = Vec::new();
        let mut acknowledged = 0;
        for ((id, change), outcome) in changes.iter().zip(&outcomes) {
            acknowledged += u64::from(*outcome == Outcome::Acknowledged);
            wrong.extend(slot.note(id, change, *outcome).err());
        }
        *self.tally.entry(kind).or_default() += acknowledged;
        self.lost += u64::from(outcomes.contains(&Outcome::Unknown));
        self.findings.extend(wrong);
    }

    /// Makes, drops or renames a collection of its own.
    fn change_collections(&mut self, client: &Vectorizer) {
        let known: Vec<usize> = (0..self.own.len())
            .filter(|&n| self.own[n].name().is_some())
            .collect();
        let Some(&chosen) = known.choose(&mut self.random).filter(|_| known.len() >= OWN) else {
            return self.make(client);
        };
        let name = self.own[chosen].name().unwrap_or_default().to_owned();
        if self.random.random_bool(0.5) {
            let documents = self.own[chosen].present().len() as u64;
            match client.send("DELETE", &format!("/collections/{name}"), None) {
                Ok((200, _)) => {
                    self.own.remove(chosen);
                    self.dropped.push(name);
                    *self.tally.entry("drop").or_default() += documents;
                }
                _ => self.unsure(chosen, None),
            }
        } else {
            let to = self.fresh();
            let body = json!({"new_name": to});
            match client.send("POST", &format!("/collections/{name}/rename"), Some(&body)) {
                Ok((200, _)) => {
                    self.own[chosen].names = vec![Some(to)];
                    let documents = self.own[chosen].present().len() as u64;
                    *self.tally.entry("rename").or_default() += documents;
                }
                _ => self.unsure(chosen, Some(to)),
            }
        }
    }

    fn make(&mut self, client: &Vectorizer) {
        // A name that was used before must not bring anything back.
        let name = match self.dropped.pop() {
            Some(name) if self.random.random_bool(0.6) => name,
            _ => self.fresh(),
        };
        let metric = *[Metric::Cosine, Metric::Euclidean]
            .choose(&mut self.random)
            .unwrap_or(&Metric::Cosine);
        self.own.push(Slot::new(&name, metric));
        if client.create(&name, DIMENSION, metric.name()).is_err() {
            self.unsure(self.own.len() - 1, None);
        }
    }

    fn unsure(&mut self, slot: usize, or: Option<String>) {
        self.own[slot].names.push(or);
        self.lost += 1;
    }

    fn fresh(&mut self) -> String {
        let number = self.next();
        format!("own-{}-{number}", self.name)
    }
}

/// Sends changes of one kind; what became of each.
fn send(client: &Vectorizer, collection: &str, changes: &[(String, Change)]) -> Vec<Outcome> {
    let entries: Vec<Value> = changes
        .iter()
        .map(|(id, change)| match change {
            Change::Put(content) => {
                json!({"id": id, "embedding": content.vector(), "payload": content.payload()})
            }
            Change::Update { vector, payload } => {
                let mut entry = json!({"id": id});
                let content = Content {
                    vector: vector.unwrap_or_default(),
                    change: payload.map(|(change, _)| change).unwrap_or_default(),
                    length: payload.map(|(_, length)| length).unwrap_or_default(),
                };
                if vector.is_some() {
                    entry["vector"] = json!(content.vector());
                }
                if payload.is_some() {
                    entry["payload"] = content.payload();
                }
                entry
            }
            Change::Delete => json!(id),
        })
        .collect();
    let (path, field) = match changes.first() {
        Some((_, Change::Put(_))) => ("/insert_vectors", "vectors"),
        Some((_, Change::Update { .. })) => ("/batch_update", "updates"),
        _ => ("/batch_delete", "ids"),
    };
    let body = json!({"collection": collection, field: entries});
    let answer = match client.send("POST", path, Some(&body)) {
        Ok((200, answer)) => answer,
        _ => Value::Null,
    };
    (0..changes.len())
        .map(|n| {
            let result = &answer["results"][n];
            let error = result["error"].to_string().to_lowercase();
            if result["status"] == "ok" {
                Outcome::Acknowledged
            } else if error.contains("not found") {
                Outcome::Absent
            } else {
                Outcome::Unknown
            }
        })
        .collect()
}
