//! The scrape: what is read off the journal, the link, the breaker and the pace when somebody asks, and all metrics as text.

use prometheus::{IntCounter, TextEncoder};

use super::Metrics;
use crate::lexical::Lexical;
use crate::nexus::Waits;
use crate::sync::{BreakerState, Context, LinkState};

impl Metrics {
    /// All metrics in the Prometheus text format.
    ///
    /// # Errors
    /// An inconsistent family: a programming error.
    pub fn text(&self, context: &Context) -> prometheus::Result<String> {
        let depth = context.journal.depth();
        self.queue_depth
            .with_label_values(&["nodes"])
            .set(gauge(depth.nodes));
        self.queue_depth
            .with_label_values(&["edges"])
            .set(gauge(depth.edges));
        self.queue_depth
            .with_label_values(&["enrichment"])
            .set(gauge(depth.enrichment));
        self.queue_oldest.set(depth.oldest.as_secs_f64());
        self.dead_letters.set(gauge(context.journal.dead_letter_count()));
        let condition = context.journal.condition();
        self.journal_bytes
            .set(i64::try_from(condition.bytes).unwrap_or(i64::MAX));
        self.journal_up.set(i64::from(condition.failure.is_none()));
        self.journal_rebuilds.set(condition.rebuilt.into());
        self.webhooks_waiting
            .set(gauge(context.journal.messages_waiting()));
        grow(&self.audit_unwritten, context.audit_log.unwritten());
        self.jobs.look_at(&context.jobs);
        let lexical = context.lexical.as_deref().map(Lexical::report);
        self.search.lexical(lexical.as_ref());
        let state = context.link.state();
        self.up.set(i64::from(matches!(state, LinkState::Ready(_))));
        self.degraded
            .set(i64::from(matches!(state, LinkState::Degraded { .. })));
        if let Some(capabilities) = context.link.capabilities() {
            self.capability.reset();
            for row in &capabilities.operations {
                self.capability
                    .with_label_values(&[row.operation.name(), row.form.unwrap_or("none")])
                    .set(1);
            }
        }
        self.breaker_and_pace(context);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    fn breaker_and_pace(&self, context: &Context) {
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

/// A total that somebody else keeps.
pub(crate) fn grow(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// A count as a gauge shows it.
pub(super) fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
