//! The bare loop: statements that were recorded, posted again as they were, by as many threads as the plugin had requests under
//! way.
//!
//! A statement is not sent before all those are answered that had been answered when the plugin sent it. So the graph goes
//! through what it went through, and the loop is as free as the plugin was.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::proxy::Sent;

/// Statements in the order of sending, and how they may overlap.
pub(crate) struct Script {
    bodies: Vec<Vec<u8>>,
    /// For each, the earlier ones that were still under way when it was sent.
    beside: Vec<Vec<usize>>,
    /// The most that were under way at once.
    pub(crate) threads: usize,
}

impl Script {
    /// The script of some statements, in order of their beginning.
    pub(crate) fn of(sent: &[Sent]) -> Self {
        let beside: Vec<Vec<usize>> = sent
            .iter()
            .enumerate()
            .map(|(at, now)| {
                (0..at)
                    .filter(|&earlier| sent[earlier].ended > now.begun)
                    .collect()
            })
            .collect();
        Self {
            threads: beside.iter().map(Vec::len).max().unwrap_or_default() + 1,
            bodies: sent.iter().map(|sent| sent.body.to_vec()).collect(),
            beside,
        }
    }

    /// How many statements there are.
    pub(crate) fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Posts them all; answers how long that took.
    pub(crate) fn run(&self, url: &str) -> Duration {
        let url = format!("{url}/cypher");
        let desk = Mutex::new(Desk {
            next: 0,
            low: 0,
            done: vec![false; self.bodies.len()],
        });
        let progress = Condvar::new();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    let agent = agent();
                    while let Some(at) = self.take(&desk, &progress) {
                        post(&agent, &url, &self.bodies[at]);
                        desk.lock().unwrap().finish(at);
                        progress.notify_all();
                    }
                });
            }
        });
        begun.elapsed()
    }

    /// The next statement, once it may be sent.
    fn take(&self, desk: &Mutex<Desk>, progress: &Condvar) -> Option<usize> {
        let mut desk = desk.lock().unwrap();
        let at = desk.next;
        let beside = self.beside.get(at)?;
        desk.next += 1;
        while !(desk.low..at).all(|earlier| desk.done[earlier] || beside.contains(&earlier)) {
            desk = progress.wait(desk).unwrap();
        }
        Some(at)
    }
}

struct Desk {
    next: usize,
    /// All before it are done.
    low: usize,
    done: Vec<bool>,
}

impl Desk {
    fn finish(&mut self, at: usize) {
        self.done[at] = true;
        while self.done.get(self.low) == Some(&true) {
            self.low += 1;
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(120)))
        .http_status_as_error(false)
        .build()
        .into()
}

/// What any client does at the least: send, and read the answer to its end. The plugin had no error answered, so the loop has
/// none.
fn post(agent: &Agent, url: &str, body: &[u8]) {
    let mut answer = agent
        .post(url)
        .header("content-type", "application/json")
        .send(body)
        .unwrap();
    let text = answer
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_vec()
        .unwrap();
    assert!(answer.status().is_success(), "{}", String::from_utf8_lossy(&text));
}
