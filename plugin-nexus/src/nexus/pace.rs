//! How fast Nexus is worked with: statements and documents a second.
//!
//! Everyone who sends a statement passes here first, in the order of their coming; so do lanes with their documents. Ceilings
//! may be configured; what a server answers with 429 or 503 lowers them for a while, see `throttle`. A server that says when
//! to come back is left alone until then, at most [`LONGEST_PAUSE`].
//!
//! A wait may be given up at any time: nothing is counted before it is let through. Where nothing is limited, passing costs one
//! uncontended lock, some ten nanoseconds: what passes is counted, so that an overload finds a rate to halve.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::throttle::{Bound, Throttle, TooSoon};

/// A server is left alone so long at most, whatever it asks for.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Statements that may come at once, in time of their rate.
const STATEMENT_BURST: Duration = Duration::from_millis(250);
/// Documents that may come at once, in time of their rate: a batch is no larger.
const DOCUMENT_BURST: Duration = Duration::from_secs(1);
/// Below these no overload brings the rates.
const LEAST_STATEMENTS: f64 = 1.0;
const LEAST_DOCUMENTS: f64 = 10.0;

/// Ceilings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Statements a second.
    pub statements: Option<u32>,
    /// Documents a second.
    pub documents: Option<u32>,
}

/// How fast Nexus is worked with now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceReport {
    /// Statements a second, `None` where there is no limit.
    pub statements_per_second: Option<f64>,
    /// Documents a second, `None` where there is no limit.
    pub documents_per_second: Option<f64>,
    /// How long Nexus is left alone, since it asked for that.
    pub paused_for: Option<Duration>,
    /// Waits since the start.
    pub waits: Waits,
}

/// Statements and batches that had to wait, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// For a configured ceiling.
    pub ceiling: u64,
    /// For what an overload left of the rate.
    pub overload: u64,
    /// Since Nexus said when to come back.
    pub retry_after: u64,
}

/// The pace at which Nexus is worked with; see `pace.rs`.
#[derive(Debug)]
pub struct Pace {
    core: Mutex<Core>,
    /// Who waits for a statement's turn, in order; the first of them watches the clock.
    statements: tokio::sync::Mutex<()>,
    documents: tokio::sync::Mutex<()>,
    waited: [AtomicU64; 3],
}

#[derive(Debug)]
struct Core {
    statements: Throttle,
    documents: Throttle,
    resume: Option<Instant>,
}

/// Why nothing passes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Rate(TooSoon),
    Pause(Duration),
}

impl Core {
    fn pause(&mut self, now: Instant) -> Option<Duration> {
        let left = self.resume?.saturating_duration_since(now);
        if left.is_zero() {
            self.resume = None;
            return None;
        }
        Some(left)
    }

    fn statement(&mut self, now: Instant) -> Result<(), Hold> {
        match self.pause(now) {
            Some(left) => Err(Hold::Pause(left)),
            None => self.statements.take(1.0, now).map_err(Hold::Rate),
        }
    }
}

impl Pace {
    /// A pace with these ceilings.
    pub fn new(ceilings: Ceilings) -> Self {
        let now = now();
        let throttle = |ceiling: Option<u32>, floor, burst| {
            Throttle::new(ceiling.map(|rate| f64::from(rate.max(1))), floor, burst, now)
        };
        Self {
            core: Mutex::new(Core {
                statements: throttle(ceilings.statements, LEAST_STATEMENTS, STATEMENT_BURST),
                documents: throttle(ceilings.documents, LEAST_DOCUMENTS, DOCUMENT_BURST),
                resume: None,
            }),
            statements: tokio::sync::Mutex::default(),
            documents: tokio::sync::Mutex::default(),
            waited: Default::default(),
        }
    }

    /// Other ceilings hold from now on.
    pub fn set_ceilings(&self, ceilings: Ceilings) {
        let now = now();
        let rate = |ceiling: Option<u32>| ceiling.map(|rate| f64::from(rate.max(1)));
        let mut core = self.core.lock();
        core.statements
            .set_ceiling(rate(ceilings.statements), LEAST_STATEMENTS, now);
        core.documents
            .set_ceiling(rate(ceilings.documents), LEAST_DOCUMENTS, now);
    }

    /// Waits for a statement's turn.
    ///
    /// # Errors
    /// How long Nexus is to be left alone yet, where that is more than `patience`.
    pub async fn statement(&self, patience: Duration) -> Result<(), Duration> {
        {
            let (mut core, now) = (self.core.lock(), now());
            if core.resume.is_none() && core.statements.limit(now).is_none() {
                // Nobody can be waiting.
                let _ = core.statement(now);
                return Ok(());
            }
        }
        let _turn = self.statements.lock().await;
        let mut first = true;
        loop {
            let held = self.core.lock().statement(now());
            let Err(hold) = held else { return Ok(()) };
            if std::mem::take(&mut first) {
                self.count(hold);
            }
            match hold {
                Hold::Pause(left) if left > patience => return Err(left),
                Hold::Pause(wait) | Hold::Rate(TooSoon { wait, .. }) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Waits for the turn of a batch of documents.
    pub async fn documents(&self, count: usize) {
        let count = count as f64;
        {
            let (mut core, now) = (self.core.lock(), now());
            if core.documents.limit(now).is_none() {
                let _ = core.documents.take(count, now);
                return;
            }
        }
        let _turn = self.documents.lock().await;
        let mut first = true;
        loop {
            let held = self.core.lock().documents.take(count, now());
            let Err(hold) = held else { return };
            if std::mem::take(&mut first) {
                self.count(Hold::Rate(hold));
            }
            tokio::time::sleep(hold.wait).await;
        }
    }

    /// How many documents a batch may have at the present rate, `wanted` at most.
    pub fn most_documents(&self, wanted: usize) -> usize {
        let most = self.core.lock().documents.most(now());
        most.map_or(wanted, |most| wanted.min(most as usize).max(1))
    }

    /// Nexus asks for less, perhaps for nothing for a while.
    pub fn overloaded(&self, asked: Option<Duration>) {
        let mut core = self.core.lock();
        let now = now();
        let resume = now + asked.unwrap_or_default().min(LONGEST_PAUSE);
        if asked.is_some() {
            core.resume = core.resume.max(Some(resume));
        }
        let resume = core.resume.unwrap_or(resume);
        let fell = core.statements.overloaded(now, resume);
        core.documents.overloaded(now, resume);
        if fell {
            let statements = core.statements.limit(now);
            drop(core);
            tracing::info!(
                statements_per_second = statements,
                asked_ms = asked.map(|asked| asked.as_millis() as u64),
                "Nexus is overloaded and gets fewer statements for a while"
            );
        }
    }

    /// Whether statements have to wait for each other.
    pub fn is_limited(&self) -> bool {
        let mut core = self.core.lock();
        core.resume.is_some() || core.statements.limit(now()).is_some()
    }

    /// How fast Nexus is worked with now.
    pub fn report(&self) -> PaceReport {
        let [ceiling, overload, retry_after] = &self.waited;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let waits = Waits {
            ceiling: count(ceiling),
            overload: count(overload),
            retry_after: count(retry_after),
        };
        let mut core = self.core.lock();
        let now = now();
        PaceReport {
            statements_per_second: core.statements.limit(now),
            documents_per_second: core.documents.limit(now),
            paused_for: core.pause(now),
            waits,
        }
    }

    fn count(&self, hold: Hold) {
        let counter = match hold {
            Hold::Rate(TooSoon {
                bound: Bound::Ceiling,
                ..
            }) => &self.waited[0],
            Hold::Rate(TooSoon {
                bound: Bound::Overload,
                ..
            }) => &self.waited[1],
            Hold::Pause(_) => &self.waited[2],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Now on tokio's clock, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
