//! How Nexus does: whether it may be written to, how it answers, and how hard it is worked with.

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Result};

use super::catalogue::{Catalogue, decades, grow, whole};
use crate::nexus::{StatementFigures, Waits};
use crate::sync::{AuditReport, BreakerState, Context, LinkState};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct NexusMetrics {
    statements: StatementFigures,
    up: IntGauge,
    degraded: IntGauge,
    paused: IntGauge,
    capability: IntGaugeVec,
    checks: IntCounterVec,
    lost: IntGauge,
    breaker_state: IntGauge,
    breaker_opened: IntCounter,
    throttled: IntCounterVec,
    rate_limit: GaugeVec,
}

impl NexusMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Result<Self> {
        Ok(Self {
            statements: StatementFigures {
                seconds: catalogue.histograms(
                    "statement_duration_seconds",
                    &["statement"],
                    decades(1e-3, 5),
                    "Time for one attempt at a statement, from sending to the whole answer",
                )?,
                results: catalogue.counters(
                    "statements_total",
                    &["statement", "result"],
                    "Attempts at statements, by what came of them",
                )?,
            },
            up: catalogue.gauge("up", "1 while Nexus is in reach and may be written to")?,
            degraded: catalogue.gauge(
                "degraded",
                "1 while Nexus answers and is not written to: no right form, damage, or answers that are not so",
            )?,
            paused: catalogue.gauge("paused", "1 while an administrator has paused the sync")?,
            capability: catalogue.gauges(
                "capability",
                &["operation", "form"],
                "1 for the form of each operation that is in use on this Nexus, none where there is no right one",
            )?,
            checks: catalogue.counters(
                "checks_total",
                &["result"],
                "Checks of what Nexus holds, after it was another process",
            )?,
            lost: catalogue.gauge(
                "missing_documents",
                "Documents that the last check did not find in Nexus",
            )?,
            breaker_state: catalogue.gauge(
                "breaker_state",
                "Whether Nexus does its work: 0 closed (all is sent), 1 half-open (one batch is), 2 open (nothing is)",
            )?,
            breaker_opened: catalogue.counter(
                "breaker_opened_total",
                "How often Nexus was left alone for a while, since it did not do its work",
            )?,
            throttled: catalogue.counters(
                "throttled_total",
                &["reason"],
                "Statements and batches that had to wait: for a configured ceiling, after an overload, or since Nexus said when to come back",
            )?,
            rate_limit: catalogue.measures(
                "rate_limit",
                &["unit"],
                "Statements and documents a second that are sent at most; absent where there is no limit",
            )?,
        })
    }

    /// Where the client counts its statements.
    pub(crate) fn statements(&self) -> StatementFigures {
        self.statements.clone()
    }

    /// Counts a check of what Nexus holds.
    pub(crate) fn audited(&self, report: &AuditReport) {
        let result = if report.damage.is_some() {
            "damaged"
        } else {
            "sound"
        };
        self.checks.with_label_values(&[result]).inc();
        self.lost.set(whole(report.missing));
    }

    pub(super) fn look(&self, context: &Context) {
        let state = context.link.state();
        self.up.set(i64::from(matches!(state, LinkState::Ready(_))));
        self.degraded
            .set(i64::from(matches!(state, LinkState::Degraded { .. })));
        self.paused.set(i64::from(context.gate.is_paused()));
        self.capability.reset();
        if let Some(capabilities) = context.link.capabilities() {
            for row in &capabilities.operations {
                self.capability
                    .with_label_values(&[row.operation.name(), row.form.unwrap_or("none")])
                    .set(1);
            }
        }
        let breaker = context.breaker.report();
        self.breaker_state.set(match breaker.state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        });
        grow(&self.breaker_opened, breaker.opened);
        let pace = context.client.pace().report();
        let Waits {
            ceiling,
            overload,
            retry_after,
        } = pace.waits;
        for (reason, total) in [
            ("ceiling", ceiling),
            ("overload", overload),
            ("retry_after", retry_after),
        ] {
            grow(&self.throttled.with_label_values(&[reason]), total);
        }
        self.rate_limit.reset();
        for (unit, limit) in [
            ("statements", pace.statements_per_second),
            ("documents", pace.documents_per_second),
        ] {
            if let Some(limit) = limit {
                self.rate_limit.with_label_values(&[unit]).set(limit);
            }
        }
    }
}
