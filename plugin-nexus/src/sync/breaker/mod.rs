//! The circuit breaker: a server that is there and does not do its work is asked seldom, and by one at a time.
//!
//! Whoever sends statements holds a [`Permit`] and says what it met. Failures are what passes and is nobody's fault: overload,
//! faults of the server, no answer. How it goes together with the link: the link says whether a server is there and may be
//! written to, and the supervisor's look at `/health` finds that out; the breaker says whether its work gets done, and one batch
//! finds that out. A server that cannot be reached is the link's matter alone; one that was reached and gave no answer is both's: the
//! supervisor looks, and if `/health` answers, the breaker still knows that statements do not.
//!
//! Invariants: a permit that is dropped without a word, as with a task that is cancelled, frees the probe; nothing is charged to
//! documents for what the breaker counts.

mod machine;

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use machine::{Admission, Change, Machine, Ticket};
pub use machine::{BreakerSettings, BreakerState};

use super::fault::StageFault;
use crate::nexus::FaultClass;

/// The breaker now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerReport {
    /// Its state.
    pub state: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// How often it opened since it was closed.
    pub openings: u32,
    /// How often it opened since the start.
    pub opened: u64,
    /// How long nothing is let through yet.
    pub left: Option<Duration>,
    /// The last failure, where it is not closed or counts failures.
    pub reason: Option<String>,
}

/// Whether a server that is there does its work. Whoever sends statements holds a permit of it.
#[derive(Debug)]
pub struct Breaker {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    reason: Option<String>,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            inner: Mutex::new(Inner {
                machine: Machine::new(settings),
                reason: None,
            }),
            changed: Notify::new(),
        }
    }

    /// Waits for leave to send statements.
    pub(super) async fn permit(&self) -> Permit<'_> {
        loop {
            // From here on no change is missed.
            let changed = self.changed.notified();
            let admission = self.inner.lock().machine.admit(now());
            match admission {
                Admission::Granted(ticket) => return self.granted(ticket),
                Admission::Probing => changed.await,
                Admission::After(until) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(until.into()) => {}
                    }
                }
            }
        }
    }

    /// Leave to send statements, if there is any now.
    pub(super) fn try_permit(&self) -> Option<Permit<'_>> {
        let admission = self.inner.lock().machine.admit(now());
        match admission {
            Admission::Granted(ticket) => Some(self.granted(ticket)),
            Admission::After(_) | Admission::Probing => None,
        }
    }

    fn granted(&self, ticket: Ticket) -> Permit<'_> {
        Permit {
            breaker: self,
            ticket,
        }
    }

    /// Waits until everything is let through.
    pub(super) async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.state() == BreakerState::Closed {
                return;
            }
            changed.await;
        }
    }

    /// The state now.
    pub fn state(&self) -> BreakerState {
        self.inner.lock().machine.state(now())
    }

    /// The server is another one, of which nothing is known.
    pub(super) fn reset(&self) {
        let mut inner = self.inner.lock();
        let change = inner.machine.reset();
        inner.reason = None;
        drop(inner);
        self.tell(change, "");
    }

    /// The breaker now.
    pub fn report(&self) -> BreakerReport {
        let inner = self.inner.lock();
        let now = now();
        let machine = &inner.machine;
        BreakerReport {
            state: machine.state(now),
            failures: machine.failures(),
            openings: machine.openings(),
            opened: machine.opened(),
            left: machine.left(now),
            reason: inner.reason.clone(),
        }
    }

    fn tell(&self, change: Change, reason: &str) {
        match change {
            Change::None => return,
            Change::Opened(wait) => tracing::warn!(
                reason,
                wait_ms = wait.as_millis() as u64,
                "Nexus does not do its work and is left alone for a while; changes are journaled"
            ),
            Change::Closed => tracing::info!("Nexus does its work again"),
            Change::Freed => {}
        }
        self.changed.notify_waiters();
    }
}

/// Leave to send statements. Who has it says what came of it; dropped without a word, it says that nothing was learnt.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    ticket: Ticket,
}

impl Permit<'_> {
    /// The server did what it was asked, or had good reason not to.
    pub(super) fn succeeded(&mut self) {
        let mut inner = self.breaker.inner.lock();
        let change = inner.machine.succeeded(&mut self.ticket);
        if inner.machine.failures() == 0 && inner.machine.state(now()) == BreakerState::Closed {
            inner.reason = None;
        }
        drop(inner);
        self.breaker.tell(change, "");
    }

    /// Says what a fault tells of the server.
    pub(super) fn met(&mut self, fault: &StageFault) {
        match fault {
            StageFault::Link(error) => match error.class() {
                // The link's matter.
                FaultClass::Unreachable => {}
                FaultClass::Overloaded { retry_after } => self.failed(retry_after, &error.to_string()),
                _ => self.failed(None, &error.to_string()),
            },
            // It answers; whether that can be trusted is for the link to say.
            StageFault::Server(_) | StageFault::Rejected(_) | StageFault::Repeat => self.succeeded(),
            StageFault::Host(_) | StageFault::Journal(_) | StageFault::Task(_) => {}
        }
    }

    fn failed(&mut self, asked: Option<Duration>, reason: &str) {
        let mut inner = self.breaker.inner.lock();
        let chance = rand::random::<f64>();
        let change = inner.machine.failed(self.ticket, now(), asked, chance);
        if inner.machine.failures() > 0 || matches!(change, Change::Opened(_)) {
            inner.reason = Some(reason.to_owned());
        }
        drop(inner);
        self.breaker.tell(change, reason);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let change = self.breaker.inner.lock().machine.abandoned(self.ticket, now());
        self.breaker.tell(change, "");
    }
}

/// Now on tokio's clock, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
