//! The states of the breaker and what leads from one to the other, without a clock of its own.
//!
//! ```text
//! Closed --(threshold failures in a row, or the server says when to come back)--> Open
//! Open --(its time is over, somebody asks)--> HalfOpen, one probe under way
//! HalfOpen --(the probe succeeds)--> Closed      --(it fails)--> Open, for twice as long
//!          --(it ends without having learnt anything)--> Open, its time over
//! ```
//!
//! Invariants: in `HalfOpen` one probe is under way, and nothing else was let through since the breaker opened; what was let
//! through before that and ends later changes no state.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::nexus::LONGEST_PAUSE;

/// What the breaker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub threshold: u32,
    /// How long it stays open.
    pub open: Backoff,
}

/// Leave to go on, until the state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    era: u64,
    probe: bool,
}

/// An answer to who wants to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Granted(Ticket),
    /// Not before this time.
    After(Instant),
    /// Not before the probe under way came to its end.
    Probing,
}

/// What became of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It opened, for this time.
    Opened(Duration),
    Closed,
    /// Somebody else may be the probe now.
    Freed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen,
}

/// The name of a state, as it stands in the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Everything is let through.
    Closed,
    /// One batch is let through, to see whether it succeeds.
    HalfOpen,
    /// Nothing is let through.
    Open,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Machine {
    settings: BreakerSettings,
    state: State,
    /// Grows with each change of state: tickets of an earlier one say nothing of the present.
    era: u64,
    /// How often it opened since it was closed.
    openings: u32,
    /// How often it opened at all.
    opened: u64,
}

impl Machine {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed { failures: 0 },
            era: 0,
            openings: 0,
            opened: 0,
        }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if until > now => BreakerState::Open,
            State::Open { .. } | State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// Failures in a row since it was closed last; none while it is not.
    pub(super) fn failures(&self) -> u32 {
        match self.state {
            State::Closed { failures } => failures,
            State::Open { .. } | State::HalfOpen => 0,
        }
    }

    pub(super) fn openings(&self) -> u32 {
        self.openings
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// How long nothing is let through yet.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { until } if until > now => Some(until - now),
            _ => None,
        }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Granted(Ticket {
                era: self.era,
                probe: false,
            }),
            State::Open { until } if until > now => Admission::After(until),
            State::Open { .. } => {
                self.enter(State::HalfOpen);
                Admission::Granted(Ticket {
                    era: self.era,
                    probe: true,
                })
            }
            State::HalfOpen => Admission::Probing,
        }
    }

    /// The server did what it was asked. Where that closes the breaker, the ticket goes on with it.
    pub(super) fn succeeded(&mut self, ticket: &mut Ticket) -> Change {
        if ticket.era != self.era {
            return Change::None;
        }
        match self.state {
            State::Closed { .. } => {
                self.state = State::Closed { failures: 0 };
                Change::None
            }
            State::HalfOpen => {
                self.enter(State::Closed { failures: 0 });
                self.openings = 0;
                *ticket = Ticket {
                    era: self.era,
                    probe: false,
                };
                Change::Closed
            }
            State::Open { .. } => Change::None,
        }
    }

    /// The server did not. `asked` is its Retry-After; `chance` is uniform in `0.0..1.0`.
    pub(super) fn failed(
        &mut self,
        ticket: Ticket,
        now: Instant,
        asked: Option<Duration>,
        chance: f64,
    ) -> Change {
        let asked = asked.map(|asked| asked.min(LONGEST_PAUSE));
        match &mut self.state {
            State::Open { until } => {
                *until = (*until).max(now + asked.unwrap_or_default());
                return Change::None;
            }
            _ if ticket.era != self.era => return Change::None,
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < self.settings.threshold && asked.is_none() {
                    return Change::None;
                }
            }
            State::HalfOpen => {}
        }
        self.openings = self.openings.saturating_add(1);
        self.opened += 1;
        let wait = self
            .settings
            .open
            .wait(self.openings, chance)
            .max(asked.unwrap_or_default());
        self.enter(State::Open { until: now + wait });
        Change::Opened(wait)
    }

    /// Nothing was learnt of the server.
    pub(super) fn abandoned(&mut self, ticket: Ticket, now: Instant) -> Change {
        if ticket.era != self.era || !ticket.probe {
            return Change::None;
        }
        self.enter(State::Open { until: now });
        Change::Freed
    }

    /// It is another server now.
    pub(super) fn reset(&mut self) -> Change {
        let was_closed = matches!(self.state, State::Closed { .. });
        self.enter(State::Closed { failures: 0 });
        self.openings = 0;
        if was_closed { Change::None } else { Change::Closed }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
