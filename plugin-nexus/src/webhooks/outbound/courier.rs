//! The courier: takes messages that are due out of the journal, and brings them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::Outbound;
use super::schedule;
use super::sender::{Answer, Letter};
use super::subscription::{Because, State, SubscriptionId};
use crate::journal::{Message, Retry, message_name, unix_micros};
use crate::kill_point::kill_point;
use crate::sync::Context;
use crate::telemetry;

/// How long the courier sleeps at most.
const IDLE: Duration = Duration::from_secs(60);
/// How long deliveries under way are waited for at the end.
const GRACE: Duration = Duration::from_secs(1);
/// A receiver that asks to be let alone is, for a day at most.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Delivers until `stop` says true; then what is under way has a moment to end.
pub(crate) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    while !*stop.borrow_and_update() {
        let now = Instant::now();
        for message in context
            .journal
            .take_messages(|subscription, at_work| context.outbound.room(subscription, at_work, now))
        {
            let context = Arc::clone(&context);
            let change = message.change(&context.changes);
            let span = tracing::info_span!(
                "delivery",
                correlation_id = %change,
                message = message_name(message.id),
                subscription = %SubscriptionId(message.subscription),
            );
            telemetry::trace_change(&span, change);
            under_way.spawn(async move { deliver(&context, message).await }.instrument(span));
        }
        let next = context.outbound.next(context.journal.messages_due(), now);
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
            () = context.journal.mail() => {}
            () = tokio::time::sleep(next) => {}
        }
    }
    // A receiver that takes its time does not hold up the end: what is not acknowledged by then is sent again after the next start.
    let _ = tokio::time::timeout(GRACE, async { while under_way.join_next().await.is_some() {} }).await;
}

impl Outbound {
    fn room(&self, subscription: u64, at_work: usize, now: Instant) -> usize {
        let id = SubscriptionId(subscription);
        match self.registry.is_active(id) {
            true => self.standings.room(id, at_work, self.settings.parallel, now),
            false => 0,
        }
    }

    /// How long there is nothing to do, unless something comes or is done.
    fn next(&self, due: Vec<(u64, Instant)>, now: Instant) -> Duration {
        let waits = due.into_iter().filter_map(|(subscription, due)| {
            let id = SubscriptionId(subscription);
            // What is due and has no room gets some when another message is done.
            let rest = self.standings.rests_until(id).filter(|until| *until > now);
            let at = rest.map_or(due, |until| until.max(due));
            (at > now && self.registry.is_active(id)).then(|| at - now)
        });
        waits.min().unwrap_or(IDLE).min(IDLE)
    }
}

async fn deliver(context: &Arc<Context>, message: Message) {
    let outbound = &context.outbound;
    let id = SubscriptionId(message.subscription);
    // One that is gone meanwhile took its messages with it.
    let Some(subscription) = outbound.registry.get(id) else {
        return;
    };
    kill_point("deliver");
    let (answer, attempt) = outbound
        .sender
        .send(&subscription, Letter::of(&message, &context.changes))
        .await;
    kill_point("delivered");
    tracing::debug!(
        status = attempt.status,
        error = attempt.error,
        took_ms = attempt.millis,
        "a message was sent"
    );
    let journal = &context.journal;
    let written = match answer {
        Answer::Taken => {
            let age = unix_micros().saturating_sub(message.at_micros);
            context
                .metrics
                .enrichment
                .webhook_sent("delivered", Some(Duration::from_micros(age)));
            if outbound.standings.succeeded(id) {
                journal.hasten_messages(id.0);
            }
            journal.message_sent(&message, &attempt)
        }
        Answer::Gone => {
            context.metrics.enrichment.webhook_sent("gone", None);
            disable(context, id);
            journal.message_failed(&message, &attempt, Retry::After(Duration::ZERO))
        }
        Answer::Failed(again) => {
            outbound.standings.failed(id, Instant::now(), rand::random());
            let retry = outbound.retry(&message, again, rand::random());
            let result = match retry {
                Retry::After(_) => "failed",
                Retry::Never => "undeliverable",
            };
            context.metrics.enrichment.webhook_sent(result, None);
            journal.message_failed(&message, &attempt, retry)
        }
    };
    if let Err(error) = written {
        tracing::warn!(%error, subscription = %id, "what came of a webhook could not be written down; it may be sent again");
    }
}

impl Outbound {
    fn retry(&self, message: &Message, again: Option<Duration>, chance: f64) -> Retry {
        let schedule = &self.settings.retry_seconds;
        let age = Duration::from_micros(unix_micros().saturating_sub(message.at_micros));
        match schedule::wait(schedule, message.attempts.saturating_add(1), chance) {
            Some(wait) if age < schedule::lifetime(schedule).max(LONGEST_WAIT) => {
                let asked = again.unwrap_or_default().min(LONGEST_WAIT);
                Retry::After(wait.max(asked))
            }
            _ => Retry::Never,
        }
    }
}

/// A receiver that answers 410 gets no more.
fn disable(context: &Context, id: SubscriptionId) {
    let disabled = State::Disabled {
        because: Because::Gone,
        since_micros: unix_micros(),
    };
    let altered = context
        .outbound
        .registry
        .alter(id, |subscription| subscription.standing = disabled);
    match altered {
        Ok(_) => tracing::warn!(subscription = %id, "a receiver of webhooks answered 410 and gets no more"),
        Err(error) => tracing::warn!(%error, subscription = %id, "a subscription could not be disabled"),
    }
    if let Err(error) = context.outbound.tell(&context.journal) {
        tracing::warn!(%error, "the journal could not be told of a subscription");
    }
}
