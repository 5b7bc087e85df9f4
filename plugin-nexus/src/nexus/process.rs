//! One process of Nexus, as `/health` shows it, and the proof that a later answer is of the same one.
//!
//! `/health` has a version and whole seconds of uptime, nothing that names a process. So a process is known by when it
//! started: an interval on the monotonic clock, `[sent - uptime - 1 s, received - uptime]`, widened by what two clocks
//! may differ in rate. Every sighting that is proved to be of the same process narrows it.
//!
//! # The proof
//!
//! A successor starts after the last moment at which its predecessor answered. So a later sighting is of the same
//! process when it says that it started *before* our process was last seen ([`Process::is_same`]), and then only if the
//! versions are equal and both intervals meet. What is not proved counts as another process: to take a successor for
//! its predecessor destroys data, the opposite only costs a comparison.
//!
//! Nothing is proved from a sighting in the first seconds of a process: with an uptime of 0 it may have started at the
//! very moment of the answer, and so may its successor. Callers wait for a sighting that [`Process::is_settled`].
//!
//! # Assumptions
//!
//! One process at a time listens on the address, and starts counting its uptime not before its predecessor stopped
//! listening. Clocks differ in rate by at most 1 in 2000. A machine that slept breaks this; it is noticed by the wall
//! clock and counts as a restart.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// What `/health` rounds its uptime down to.
const RESOLUTION: Duration = Duration::from_secs(1);
/// What clocks may be off for other reasons than their rate.
const SLACK: Duration = Duration::from_millis(250);
/// The most that two clocks differ in rate is one part in this many.
const DRIFT: u32 = 2_000;
/// How long a process must have lived for certain, so that looks of up to `SETTLED - RESOLUTION - SLACK`, half a
/// second, recognise it. Later looks may take longer: the bound grows with the time for which it was seen.
const SETTLED: Duration = Duration::from_millis(1_750);
/// The most by which wall clock and monotonic clock may come apart between two sightings.
const CLOCK_JUMP: Duration = Duration::from_secs(5);

/// One process of Nexus, known by its version and by when it started: an interval that every look at it narrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    version: String,
    /// It did not start before.
    earliest: Instant,
    /// It did not start after.
    latest: Instant,
    /// When the request of the last sighting was sent: it lived then or later.
    last_seen: Instant,
    /// When the last answer had come, on both clocks.
    received: Instant,
    received_at: Timestamp,
}

impl Process {
    /// The process that answered `uptime_seconds` to a request sent at `sent`, whose answer was complete at `received`
    /// and, by the wall clock, at `received_at`. `None` when the uptime is no time that a clock can hold.
    pub(super) fn sighted(
        version: String,
        uptime_seconds: u64,
        sent: Instant,
        received: Instant,
        received_at: Timestamp,
    ) -> Option<Self> {
        let uptime = Duration::from_secs(uptime_seconds);
        let at_most = uptime.checked_add(RESOLUTION)?;
        Some(Self {
            version,
            earliest: sent.checked_sub(at_most.checked_add(at_most / DRIFT)?)?,
            latest: received.checked_sub(uptime - uptime / DRIFT)?,
            last_seen: sent,
            received,
            received_at,
        })
    }

    /// Nexus's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// When it started by the wall clock, as exactly as is known: half a second or so.
    pub fn started_at(&self) -> Timestamp {
        let middle = self.earliest + self.latest.saturating_duration_since(self.earliest) / 2;
        let age = SignedDuration::try_from(self.received.saturating_duration_since(middle))
            .unwrap_or(SignedDuration::MAX);
        self.received_at.checked_sub(age).unwrap_or(Timestamp::MIN)
    }

    /// Whether a restart after this sighting is told apart from slowness, so that work may rely on it. True from an
    /// uptime of two seconds on when `/health` answers within a quarter of a second.
    pub fn is_settled(&self) -> bool {
        self.last_seen.saturating_duration_since(self.latest) >= SETTLED
    }

    /// Whether `later`, a sighting whose request was sent after this process was seen first, is proved to be of the same
    /// process.
    ///
    /// Never true of a successor, however long requests take. True of the same process when this one is settled and
    /// `later` took no longer than half a second, or than the time for which this one was seen to live, less 1.25 s.
    pub fn is_same(&self, later: &Self) -> bool {
        self.version == later.version
            && later.earliest <= self.latest + SLACK
            && self.earliest <= later.latest + SLACK
            && later.latest + SLACK <= self.last_seen
            && !self.clocks_came_apart(later)
    }

    /// What is known of this process together with `later`, a sighting of the same process: the intersection, last seen
    /// when the last of both was.
    #[must_use]
    pub fn narrowed(&self, later: &Self) -> Self {
        let mut interval = (self.earliest.max(later.earliest), self.latest.min(later.latest));
        if interval.0 > interval.1 {
            // Within the slack they may just miss each other.
            interval = (later.earliest, later.latest);
        }
        let newest = if self.received > later.received {
            self
        } else {
            later
        };
        Self {
            version: self.version.clone(),
            earliest: interval.0,
            latest: interval.1,
            last_seen: self.last_seen.max(later.last_seen),
            received: newest.received,
            received_at: newest.received_at,
        }
    }

    /// Whether this process may be one that started at `started_at`, as an earlier process of ours remembered from
    /// [`Process::started_at`].
    ///
    /// A successor is told apart when the remembered process was seen to live for longer than `tolerance` and both
    /// estimates' errors, about a second. So `tolerance` should be a second or two, and what is remembered settled. Wall
    /// clocks may be set: a false answer of `false` costs a comparison.
    pub fn matches_wall_clock(&self, started_at: Timestamp, tolerance: Duration) -> bool {
        self.started_at().duration_since(started_at).unsigned_abs() <= tolerance
    }

    /// Whether a machine slept or a clock was set since: then nothing that the monotonic clock says is a proof.
    fn clocks_came_apart(&self, later: &Self) -> bool {
        let (forward, backward) = (
            later.received.saturating_duration_since(self.received),
            self.received.saturating_duration_since(later.received),
        );
        let by_wall = later.received_at.duration_since(self.received_at);
        let expected = SignedDuration::try_from(forward)
            .and_then(|forward| SignedDuration::try_from(backward).map(|backward| forward - backward));
        expected.map_or(true, |expected| {
            by_wall.saturating_sub(expected).unsigned_abs() > CLOCK_JUMP + (forward + backward) / DRIFT
        })
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
