//! `/api/v1/webhooks/nexus`: subscriptions, for administrators, since the ids of all documents leave by them.
//!
//! | | |
//! | --- | --- |
//! | `POST /` | subscribe; the answer, and no other, holds the secret |
//! | `GET /`, `GET /{id}` | look at them |
//! | `DELETE /{id}` | unsubscribe; what waits is dropped |
//! | `POST /{id}/test` | send a message now, and say what came of it |
//! | `POST /{id}/secret` | draw another secret; messages are signed with both for a day |
//! | `POST /{id}/enable`, `/disable` | send again; send no more, and keep what waits |
//! | `GET /{id}/deliveries` | the last attempts |
//! | `GET /{id}/dead-letters` | what is not tried any more |
//! | `POST /{id}/dead-letters/replay`, `/purge` | send it again; throw it away |

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use vectorizer_plugin_api::Access;

use super::form::{
    DeadLetter, DeadLetters, Deleted, Deliveries, Delivery, Listed, Purged, Replayed, Selection, Shown,
    Tested, Wanted, WantedSecret,
};
use super::registry::RegistryError;
use super::sender::{Answer, Letter};
use super::subscription::{Because, State, Subscription, SubscriptionId};
use crate::api::{ApiError, Awaited, Call, Endpoint, Parameter};
use crate::journal::{EventKind, Message, message_name, moment_of, unix_micros};
use crate::sync::Context;
use crate::webhooks::Secret;

const PAGE: &[Parameter] = &[
    Parameter::text("after", "The `next` of the page before"),
    Parameter::count("limit", "Most of a page", 100, 1_000),
];

/// Names of collections in one filter at most.
const MOST_COLLECTIONS: usize = 1_000;
/// Bytes of a collection's name, and of a description, at most.
const LONGEST_TEXT: usize = 1_024;
impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unknown => Self::NotFound("there is no such subscription"),
            RegistryError::Full(_) => Self::Conflict(error.to_string()),
            RegistryError::Write(_) | RegistryError::Unusable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

/// What can be asked for.
pub(crate) fn endpoints() -> impl Iterator<Item = Endpoint> {
    let at = |path: &str| format!("/api/v1/webhooks/nexus{path}");
    let all = [
        Endpoint::new(
            "POST",
            &at(""),
            "Subscribe to changes of documents; the answer alone holds the secret",
            subscribe,
        )
        .answers(201)
        .takes::<Wanted>()
        .refuses(&[409]),
        Endpoint::new("GET", &at(""), "Who subscribed", list),
        Endpoint::new(
            "GET",
            &at("/{id}"),
            "One subscription, with what waits for it",
            |call| Ok(show(call.context(), &find(call)?)),
        ),
        Endpoint::new(
            "DELETE",
            &at("/{id}"),
            "Unsubscribe; what waits is dropped",
            unsubscribe,
        ),
        Endpoint::awaited(
            "POST",
            &at("/{id}/test"),
            "Send a message now, and say what came of it",
            test,
        ),
        Endpoint::new(
            "POST",
            &at("/{id}/secret"),
            "Draw another secret; messages are signed with both for a day",
            rotate,
        )
        .may_take::<WantedSecret>(),
        Endpoint::new("POST", &at("/{id}/enable"), "Send again", |call| {
            stand(call, State::Active)
        }),
        Endpoint::new(
            "POST",
            &at("/{id}/disable"),
            "Send no more, and keep what waits",
            |call| {
                let (because, since_micros) = (Because::Asked, unix_micros());
                stand(
                    call,
                    State::Disabled {
                        because,
                        since_micros,
                    },
                )
            },
        ),
        Endpoint::new("GET", &at("/{id}/deliveries"), "The last attempts", deliveries),
        Endpoint::new(
            "GET",
            &at("/{id}/dead-letters"),
            "Messages that are not tried again",
            dead_letters,
        )
        .asks(PAGE),
        Endpoint::new(
            "POST",
            &at("/{id}/dead-letters/replay"),
            "Send them again",
            replay,
        )
        .takes::<Selection>(),
        Endpoint::new("POST", &at("/{id}/dead-letters/purge"), "Throw them away", purge).takes::<Selection>(),
    ];
    // The ids of all documents leave by them.
    all.into_iter().map(|endpoint| {
        let is_of_one = endpoint.has_place();
        let endpoint = endpoint.for_whom(Access::Admin);
        match is_of_one {
            true => endpoint.refuses(&[404]),
            false => endpoint,
        }
    })
}

/// The subscription that the path names. Routes without parameters of the query have none.
fn find(call: &Call<'_>) -> Result<Subscription, ApiError> {
    call.query()?;
    let context = call.context();
    let unknown = || ApiError::from(RegistryError::Unknown);
    let id: SubscriptionId = call.place(0).parse().map_err(|_| unknown())?;
    if let Some(fault) = context.outbound.fault() {
        return Err(RegistryError::Unusable(fault.to_owned()).into());
    }
    context.outbound.registry.get(id).ok_or_else(unknown)
}

fn subscribe(call: &Call<'_>) -> Result<Shown, ApiError> {
    call.query()?;
    let context = call.context();
    let wanted: Wanted = call.body()?;
    let outbound = &context.outbound;
    let url = outbound
        .guard
        .parse(&wanted.url)
        .map_err(|refused| ApiError::field("url", refused.to_string()))?;
    let events = wanted.events.unwrap_or_else(|| EventKind::ALL.into());
    if events.is_empty() {
        return Err(ApiError::field("events", "must not be empty"));
    }
    if let Some(names) = &wanted.collections {
        check_names(names)?;
    }
    if wanted.description.len() > LONGEST_TEXT {
        return Err(ApiError::field("description", "must have 1024 bytes at most"));
    }
    let subscription = Subscription {
        id: SubscriptionId(rand::random()),
        url,
        events,
        collections: wanted.collections,
        description: wanted.description,
        created_micros: unix_micros(),
        standing: State::Active,
        secret: wanted.secret.unwrap_or_else(Secret::draw),
        replaced: None,
    };
    outbound.registry.add(subscription.clone())?;
    outbound.tell(&context.journal)?;
    write_down(call, &subscription, "webhook.subscribed");
    Ok(with_secret(show(context, &subscription), &subscription))
}

fn check_names(names: &BTreeSet<String>) -> Result<(), ApiError> {
    let refused = |reason| Err(ApiError::field("collections", reason));
    if names.is_empty() {
        return refused("must not be empty; leave it out for all");
    }
    if names.len() > MOST_COLLECTIONS {
        return refused("must be 1000 names at most");
    }
    if names
        .iter()
        .any(|name| name.is_empty() || name.len() > LONGEST_TEXT)
    {
        return refused("must be names of 1 to 1024 bytes");
    }
    Ok(())
}

fn list(call: &Call<'_>) -> Result<Listed, ApiError> {
    call.query()?;
    let context = call.context();
    if let Some(fault) = context.outbound.fault() {
        return Err(RegistryError::Unusable(fault.to_owned()).into());
    }
    let all = context.outbound.registry.all();
    let shown = all.iter().map(|subscription| show(context, subscription));
    Ok(Listed {
        webhooks: shown.collect(),
    })
}

/// A subscription without its secrets.
fn show(context: &Context, subscription: &Subscription) -> Shown {
    let id = subscription.id;
    let mail = context.journal.mail_of(id.0);
    let (state, because, since) = match &subscription.standing {
        State::Active => ("active", None, None),
        State::Disabled {
            because,
            since_micros,
        } => ("disabled", Some(*because), moment_of(*since_micros)),
    };
    Shown {
        id: id.to_string(),
        url: subscription.url.to_string(),
        events: subscription.events.clone(),
        collections: subscription.collections.clone(),
        description: subscription.description.clone(),
        created_at: moment_of(subscription.created_micros),
        state,
        disabled_because: because,
        disabled_since: since,
        old_secret_until: subscription
            .replaced
            .as_ref()
            .and_then(|old| moment_of(old.until_micros)),
        failures_in_a_row: context.outbound.standings.failures(id),
        waiting: mail.waiting,
        dead_letters: mail.undeliverable,
        missed: mail.missed,
        secret: None,
    }
}

fn with_secret(shown: Shown, subscription: &Subscription) -> Shown {
    Shown {
        secret: Some(subscription.secret.reveal()),
        ..shown
    }
}

fn unsubscribe(call: &Call<'_>) -> Result<Deleted, ApiError> {
    let (context, subscription) = (call.context(), find(call)?);
    context.outbound.registry.remove(subscription.id)?;
    context.outbound.tell(&context.journal)?;
    context.outbound.standings.succeeded(subscription.id);
    write_down(call, &subscription, "webhook.deleted");
    Ok(Deleted {
        deleted: subscription.id.to_string(),
    })
}

fn rotate(call: &Call<'_>) -> Result<Shown, ApiError> {
    let (context, subscription) = (call.context(), find(call)?);
    let wanted: WantedSecret = call.body_or_default()?;
    let secret = wanted.secret.unwrap_or_else(Secret::draw);
    let altered = context.outbound.registry.alter(subscription.id, |subscription| {
        subscription.rotate(secret, unix_micros());
    })?;
    write_down(call, &altered, "webhook.secret");
    Ok(with_secret(show(context, &altered), &altered))
}

fn stand(call: &Call<'_>, state: State) -> Result<Shown, ApiError> {
    let context = call.context();
    let id = find(call)?.id;
    let altered = context
        .outbound
        .registry
        .alter(id, |subscription| subscription.standing = state)?;
    context.outbound.tell(&context.journal)?;
    let action = if altered.is_active() {
        "webhook.enabled"
    } else {
        "webhook.disabled"
    };
    write_down(call, &altered, action);
    if altered.is_active() {
        context.outbound.standings.succeeded(id);
        context.journal.hasten_messages(id.0);
    }
    Ok(show(context, &altered))
}

fn write_down(call: &Call<'_>, subscription: &Subscription, action: &str) {
    tracing::info!(subscription = %subscription.id, action, "subscriptions to webhooks");
    let details = json!({"id": subscription.id, "host": subscription.url.host_str()});
    let by = &call.request.caller.name;
    call.context().audit_log.record(by, action, &details);
}

/// Sends a message to a subscription, disabled or not, and says what came of it. It is not tried again.
fn test(call: &Call<'_>) -> Result<Awaited<Tested>, ApiError> {
    let (context, subscription) = (Arc::clone(call.context()), find(call)?);
    Ok(Box::pin(async move {
        let letter = Letter::test(&subscription);
        let message_id = letter.id.clone();
        let (answer, attempt) = context.outbound.sender.send(&subscription, letter).await;
        Ok(Tested {
            delivered: answer == Answer::Taken,
            message_id,
            status: attempt.status,
            error: attempt.error,
            duration_ms: attempt.millis.into(),
        })
    }))
}

fn deliveries(call: &Call<'_>) -> Result<Deliveries, ApiError> {
    let log = call.context().journal.message_log(find(call)?.id.0)?;
    let shown = log.into_iter().map(|entry| Delivery {
        message_id: message_name(entry.message),
        event: entry.event,
        collection: entry.document.collection,
        id: entry.document.id,
        at: moment_of(entry.attempt.at_micros),
        duration_ms: entry.attempt.millis.into(),
        delivered: entry.attempt.error.is_none(),
        status: entry.attempt.status,
        error: entry.attempt.error,
    });
    Ok(Deliveries {
        deliveries: shown.collect(),
    })
}

fn dead_letters(call: &Call<'_>) -> Result<DeadLetters, ApiError> {
    let (subscription, query) = (find(call)?, call.query()?);
    let limit = query.count("limit")?;
    let after = match query.text("after")? {
        Some(text) => Some(
            text.parse()
                .map_err(|_| ApiError::field("after", "must be the `next` of another page"))?,
        ),
        None => None,
    };
    let page = call
        .context()
        .journal
        .undeliverable(subscription.id.0, after, limit)?;
    let letters = page.letters.into_iter().map(|letter| {
        let Message {
            number,
            id,
            document,
            event,
            at_micros,
            attempts,
            ..
        } = letter.message;
        DeadLetter {
            number,
            message_id: message_name(id),
            event: event.kind(),
            collection: document.collection,
            id: document.id,
            happened_at: moment_of(at_micros),
            attempts,
            last_attempt_at: moment_of(letter.last.at_micros),
            status: letter.last.status,
            error: letter.last.error,
        }
    });
    Ok(DeadLetters {
        dead_letters: letters.collect(),
        total: page.total,
        next: page.next.map(|next| next.to_string()),
    })
}

fn replay(call: &Call<'_>) -> Result<Replayed, ApiError> {
    let (subscription, Selection { numbers }) = (find(call)?, call.body()?);
    let journal = &call.context().journal;
    let replayed = journal.resend_undeliverable(subscription.id.0, numbers.as_deref())?;
    write_down(call, &subscription, "webhook.dead_letters_replayed");
    Ok(Replayed { replayed })
}

fn purge(call: &Call<'_>) -> Result<Purged, ApiError> {
    let (subscription, Selection { numbers }) = (find(call)?, call.body()?);
    let journal = &call.context().journal;
    let purged = journal.purge_undeliverable(subscription.id.0, numbers.as_deref())?;
    write_down(call, &subscription, "webhook.dead_letters_purged");
    Ok(Purged { purged })
}
