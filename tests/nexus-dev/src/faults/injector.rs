//! Decides which requests are hit.
//!
//! Invariant: one lock covers rules, counters and the random numbers, and each request draws for the rules it matches
//! in list order. So the decisions are a function of seed, rules and the order of requests.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::{FaultEffect, FaultError, FaultRule};
use crate::statement::JsonParams;

/// What a request is to the rules.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    /// A statement with its text and its parameters.
    Statement(&'a str, &'a JsonParams),
    /// `GET /health` or `GET /stats`.
    Probe,
}

/// What is done to a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) delay: Duration,
    pub(crate) effect: Option<FaultEffect>,
}

/// How often faults struck since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FaultCounts {
    /// Requests that were delayed.
    pub delayed: u64,
    /// Answers with an HTTP error status.
    pub statuses: u64,
    /// Answers with an injected `error`.
    pub errors: u64,
    /// Answers that all went well where nothing was done.
    pub pretended: u64,
    /// Connections closed before executing.
    pub dropped_before: u64,
    /// Connections closed after executing.
    pub dropped_after: u64,
    /// Statements of which a part was carried out.
    pub partial: u64,
}

/// Changes the faults of a running server; clones share the same rules.
#[derive(Debug, Clone)]
pub struct FaultHandle {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rules: Vec<FaultRule>,
    random: StdRng,
    counts: FaultCounts,
}

impl FaultHandle {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            rules: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            counts: FaultCounts::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Replaces all rules.
    ///
    /// # Errors
    /// [`FaultError`] for the first rule that makes no sense; the rules then stay as they were.
    pub fn set(&self, rules: Vec<FaultRule>) -> Result<(), FaultError> {
        rules.iter().try_for_each(FaultRule::validate)?;
        self.state.lock().rules = rules;
        Ok(())
    }

    /// Adds a rule behind the others.
    ///
    /// # Errors
    /// [`FaultError`] when the rule makes no sense.
    pub fn add(&self, rule: FaultRule) -> Result<(), FaultError> {
        rule.validate()?;
        self.state.lock().rules.push(rule);
        Ok(())
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.state.lock().rules.clear();
    }

    /// Starts the random numbers again from `seed`.
    pub fn reseed(&self, seed: u64) {
        self.state.lock().random = StdRng::seed_from_u64(seed);
    }

    /// The rules as they stand, with what is left of `times`.
    pub fn rules(&self) -> Vec<FaultRule> {
        self.state.lock().rules.clone()
    }

    /// How often faults struck so far.
    pub fn counts(&self) -> FaultCounts {
        self.state.lock().counts
    }

    /// Decides for one request and counts what was decided.
    pub(crate) fn decide(&self, request: Request<'_>) -> Decision {
        let mut state = self.state.lock();
        let State {
            rules,
            random,
            counts,
        } = &mut *state;
        let mut decision = Decision::default();
        for rule in rules.iter_mut().filter(|rule| rule.concerns(request)) {
            let decided = decision.effect.is_some() && rule.effect.is_some();
            if decided || !rule.strikes(random) {
                continue;
            }
            let jitter = if rule.jitter_ms > 0 {
                random.random_range(0..=rule.jitter_ms)
            } else {
                0
            };
            let delay = Duration::from_millis(rule.latency_ms.saturating_add(jitter));
            decision.delay = decision.delay.saturating_add(delay);
            if decision.effect.is_none() {
                decision.effect.clone_from(&rule.effect);
            }
        }
        counts.delayed += u64::from(!decision.delay.is_zero());
        match &decision.effect {
            None => {}
            Some(FaultEffect::Status { .. }) => counts.statuses += 1,
            Some(FaultEffect::Error { .. }) => counts.errors += 1,
            Some(FaultEffect::Pretend {}) => counts.pretended += 1,
            Some(FaultEffect::Drop { executed: false }) => counts.dropped_before += 1,
            Some(FaultEffect::Drop { executed: true }) => counts.dropped_after += 1,
            Some(FaultEffect::Partial { .. }) => counts.partial += 1,
        }
        decision
    }
}

impl FaultRule {
    fn concerns(&self, request: Request<'_>) -> bool {
        match request {
            Request::Probe => self.probes,
            Request::Statement(text, params) => {
                self.matching.as_ref().is_none_or(|part| text.contains(part))
                    && self.matching_row.as_ref().is_none_or(|part| {
                        params
                            .values()
                            .any(|value| value.to_string().contains(part.as_str()))
                    })
            }
        }
    }

    /// Whether this matching request is hit; uses up one of `times` if so.
    fn strikes(&mut self, random: &mut StdRng) -> bool {
        if self.times == Some(0) || self.fraction.is_some_and(|share| random.random::<f64>() >= share) {
            return false;
        }
        if let Some(left) = &mut self.times {
            *left -= 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(handle: &FaultHandle, requests: usize) -> Vec<bool> {
        (0..requests)
            .map(|_| {
                handle
                    .decide(Request::Statement("RETURN 1", &JsonParams::new()))
                    .effect
                    .is_some()
            })
            .collect()
    }

    #[test]
    fn the_same_seed_hits_the_same_requests() {
        let run = |seed| {
            let handle = FaultHandle::new(seed);
            handle.set(vec![FaultRule::drop_before().fraction(0.3)]).unwrap();
            hits(&handle, 400)
        };
        let first = run(7);
        assert_eq!(first, run(7));
        assert_ne!(first, run(8));
        let share = first.iter().filter(|hit| **hit).count();
        assert!((80..=160).contains(&share), "{share} of 400 at 0.3");
    }

    #[test]
    fn times_counts_matching_requests_only() {
        let handle = FaultHandle::new(0);
        handle
            .add(FaultRule::status(500).matching("MERGE").times(2))
            .unwrap();
        assert_eq!(hits(&handle, 3), [false, false, false]);
        let merges: Vec<_> = (0..3)
            .map(|_| {
                handle
                    .decide(Request::Statement("MERGE (n)", &JsonParams::new()))
                    .effect
                    .is_some()
            })
            .collect();
        assert_eq!(merges, [true, true, false]);
        assert_eq!(handle.counts().statuses, 2);
    }

    #[test]
    fn a_rule_may_ask_for_a_text_in_the_parameters() {
        let handle = FaultHandle::new(0);
        handle
            .add(FaultRule::status(500).matching("MERGE").matching_row("poison"))
            .unwrap();
        let hit = |text, title: &str| {
            let params = serde_json::json!({"rows": [{"title": title}]});
            let request = Request::Statement(text, params.as_object().unwrap());
            handle.decide(request).effect.is_some()
        };
        assert!(hit("MERGE (n)", "a poisoned title"));
        assert!(!hit("MERGE (n)", "a title") && !hit("RETURN 1", "a poisoned title"));
    }

    #[test]
    fn delays_add_up_and_the_first_effect_wins() {
        let handle = FaultHandle::new(0);
        let rules = vec![
            FaultRule::latency(10, 0),
            FaultRule::status(500),
            FaultRule::latency(5, 3).with_probes(),
        ];
        handle.set(rules).unwrap();
        handle.add(FaultRule::drop_after()).unwrap();
        let decision = handle.decide(Request::Statement("RETURN 1", &JsonParams::new()));
        assert!(
            (15..=18).contains(&decision.delay.as_millis()),
            "{:?}",
            decision.delay
        );
        assert_eq!(decision.effect, FaultRule::status(500).effect);
        let probe = handle.decide(Request::Probe);
        assert!((5..=8).contains(&probe.delay.as_millis()) && probe.effect.is_none());
    }

    #[test]
    fn a_rule_behind_the_deciding_one_keeps_its_times() {
        let handle = FaultHandle::new(0);
        handle
            .set(vec![
                FaultRule::status(429).times(1),
                FaultRule::status(500).times(1),
            ])
            .unwrap();
        let effects: Vec<_> = (0..3)
            .map(|_| {
                handle
                    .decide(Request::Statement("RETURN 1", &JsonParams::new()))
                    .effect
            })
            .collect();
        assert_eq!(
            effects,
            [FaultRule::status(429).effect, FaultRule::status(500).effect, None]
        );
    }

    #[test]
    fn a_bad_list_changes_nothing() {
        let handle = FaultHandle::new(0);
        handle.add(FaultRule::status(503)).unwrap();
        assert!(
            handle
                .set(vec![FaultRule::drop_before(), FaultRule::status(99)])
                .is_err()
        );
        assert_eq!(handle.rules(), [FaultRule::status(503)]);
    }
}
