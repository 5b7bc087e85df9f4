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

use serde::Deserialize;
use serde_json::{Value, json};
use vectorizer_plugin_api::{Access, Request, Response, Route};

use super::registry::RegistryError;
use super::sender::{Answer, Letter};
use super::subscription::{Because, State, Subscription, SubscriptionId};
use crate::api::{self, ApiError, Query, Reply};
use crate::journal::{EventKind, Message, message_name, moment_of, unix_micros};
use crate::sync::Context;
use crate::webhooks::Secret;

const BASE: &str = "/api/v1/webhooks/nexus";
const PATHS: [(&str, &str); 12] = [
    ("POST", ""),
    ("GET", ""),
    ("GET", "/{id}"),
    ("DELETE", "/{id}"),
    ("POST", "/{id}/test"),
    ("POST", "/{id}/secret"),
    ("POST", "/{id}/enable"),
    ("POST", "/{id}/disable"),
    ("GET", "/{id}/deliveries"),
    ("GET", "/{id}/dead-letters"),
    ("POST", "/{id}/dead-letters/replay"),
    ("POST", "/{id}/dead-letters/purge"),
];

/// Names of collections in one filter at most.
const MOST_COLLECTIONS: usize = 1_000;
/// Bytes of a collection's name, and of a description, at most.
const LONGEST_TEXT: usize = 1_024;
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

type Answered = Result<(u16, Value), ApiError>;

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unknown => Self::NotFound("there is no such subscription"),
            RegistryError::Full(_) => Self::Conflict(error.to_string()),
            RegistryError::Write(_) | RegistryError::Unusable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

/// The routes to be registered.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    PATHS
        .iter()
        .map(|(method, path)| Route::new(method, &format!("{BASE}{path}"), Access::Admin))
}

/// Answers a request; `None` where it is for none of these routes. Blocks while files are written.
pub(crate) fn respond(context: &Arc<Context>, request: &Request) -> Option<Reply> {
    let rest = request.path.strip_prefix(BASE)?;
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    let answer = match (request.method.as_str(), segments.as_slice()) {
        ("POST", []) => subscribe(context, request),
        ("GET", []) => list(context),
        ("POST", [id, "test"]) => match find(context, id) {
            Ok(subscription) => return Some(Reply::Later(Box::pin(test(Arc::clone(context), subscription)))),
            Err(error) => Err(error),
        },
        (_, [id, action @ ..]) => {
            find(context, id).and_then(|subscription| act(context, request, &subscription, action))
        }
        _ => return None,
    };
    Some(Reply::Now(api::response(answer)))
}

/// Answers a request about one subscription.
fn act(context: &Context, request: &Request, subscription: &Subscription, action: &[&str]) -> Answered {
    match (request.method.as_str(), action) {
        ("GET", []) => Ok((200, show(context, subscription))),
        ("DELETE", []) => unsubscribe(context, request, subscription),
        ("POST", ["secret"]) => rotate(context, request, subscription),
        ("POST", ["enable"]) => stand(context, request, subscription, State::Active),
        ("POST", ["disable"]) => {
            let (because, since_micros) = (Because::Asked, unix_micros());
            let disabled = State::Disabled {
                because,
                since_micros,
            };
            stand(context, request, subscription, disabled)
        }
        ("GET", ["deliveries"]) => deliveries(context, subscription),
        ("GET", ["dead-letters"]) => dead_letters(context, subscription, &request.query),
        ("POST", ["dead-letters", "replay"]) => replay(context, request, subscription),
        ("POST", ["dead-letters", "purge"]) => purge(context, request, subscription),
        _ => Err(ApiError::NotFound("no such route")),
    }
}

fn find(context: &Context, id: &str) -> Result<Subscription, ApiError> {
    let unknown = || ApiError::from(RegistryError::Unknown);
    let id: SubscriptionId = id.parse().map_err(|_| unknown())?;
    if let Some(fault) = context.outbound.fault() {
        return Err(RegistryError::Unusable(fault.to_owned()).into());
    }
    context.outbound.registry.get(id).ok_or_else(unknown)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    url: String,
    #[serde(default)]
    events: Option<BTreeSet<EventKind>>,
    #[serde(default)]
    collections: Option<BTreeSet<String>>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    secret: Option<Secret>,
}

fn subscribe(context: &Context, request: &Request) -> Answered {
    let wanted: Wanted = api::body(&request.body)?;
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
    write_down(context, request, &subscription, "webhook.subscribed");
    Ok((201, with_secret(show(context, &subscription), &subscription)))
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

fn list(context: &Context) -> Answered {
    if let Some(fault) = context.outbound.fault() {
        return Err(RegistryError::Unusable(fault.to_owned()).into());
    }
    let all = context.outbound.registry.all();
    let shown: Vec<Value> = all
        .iter()
        .map(|subscription| show(context, subscription))
        .collect();
    Ok((200, json!({"webhooks": shown})))
}

/// A subscription without its secrets.
fn show(context: &Context, subscription: &Subscription) -> Value {
    let id = subscription.id;
    let mail = context.journal.mail_of(id.0);
    let (state, because, since) = match &subscription.standing {
        State::Active => ("active", None, None),
        State::Disabled {
            because,
            since_micros,
        } => ("disabled", Some(because), moment_of(*since_micros)),
    };
    json!({
        "id": id,
        "url": subscription.url,
        "events": subscription.events,
        "collections": subscription.collections,
        "description": subscription.description,
        "created_at": moment_of(subscription.created_micros),
        "state": state,
        "disabled_because": because,
        "disabled_since": since,
        "old_secret_until": subscription.replaced.as_ref().and_then(|old| moment_of(old.until_micros)),
        "failures_in_a_row": context.outbound.standings.failures(id),
        "waiting": mail.waiting,
        "dead_letters": mail.undeliverable,
        "missed": mail.missed,
    })
}

fn with_secret(mut shown: Value, subscription: &Subscription) -> Value {
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("secret".to_owned(), subscription.secret.reveal().into());
    }
    shown
}

fn unsubscribe(context: &Context, request: &Request, subscription: &Subscription) -> Answered {
    context.outbound.registry.remove(subscription.id)?;
    context.outbound.tell(&context.journal)?;
    context.outbound.standings.succeeded(subscription.id);
    write_down(context, request, subscription, "webhook.deleted");
    Ok((200, json!({"deleted": subscription.id})))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedSecret {
    #[serde(default)]
    secret: Option<Secret>,
}

fn rotate(context: &Context, request: &Request, subscription: &Subscription) -> Answered {
    let wanted: WantedSecret = match request.body.as_slice() {
        [] => WantedSecret::default(),
        body => api::body(body)?,
    };
    let secret = wanted.secret.unwrap_or_else(Secret::draw);
    let altered = context.outbound.registry.alter(subscription.id, |subscription| {
        subscription.rotate(secret, unix_micros());
    })?;
    write_down(context, request, &altered, "webhook.secret");
    Ok((200, with_secret(show(context, &altered), &altered)))
}

fn stand(context: &Context, request: &Request, subscription: &Subscription, state: State) -> Answered {
    let id = subscription.id;
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
    write_down(context, request, &altered, action);
    if altered.is_active() {
        context.outbound.standings.succeeded(id);
        context.journal.hasten_messages(id.0);
    }
    Ok((200, show(context, &altered)))
}

fn write_down(context: &Context, request: &Request, subscription: &Subscription, action: &str) {
    tracing::info!(subscription = %subscription.id, action, "subscriptions to webhooks");
    let details = json!({"id": subscription.id, "host": subscription.url.host_str()});
    context.audit_log.record(&request.caller.name, action, &details);
}

/// Sends a message to a subscription, disabled or not, and says what came of it. It is not tried again.
async fn test(context: Arc<Context>, subscription: Subscription) -> Response {
    let letter = Letter::test(&subscription);
    let message = letter.id.clone();
    let (answer, attempt) = context.outbound.sender.send(&subscription, letter).await;
    let body = json!({
        "delivered": answer == Answer::Taken,
        "message_id": message,
        "status": attempt.status,
        "error": attempt.error,
        "duration_ms": attempt.millis,
    });
    Response::json(200, &body)
}

fn deliveries(context: &Context, subscription: &Subscription) -> Answered {
    let log = context.journal.message_log(subscription.id.0)?;
    let shown: Vec<Value> = log
        .into_iter()
        .map(|entry| {
            json!({
                "message_id": message_name(entry.message),
                "event": entry.event,
                "collection": entry.document.collection,
                "id": entry.document.id,
                "at": moment_of(entry.attempt.at_micros),
                "duration_ms": entry.attempt.millis,
                "delivered": entry.attempt.error.is_none(),
                "status": entry.attempt.status,
                "error": entry.attempt.error,
            })
        })
        .collect();
    Ok((200, json!({"deliveries": shown})))
}

fn dead_letters(context: &Context, subscription: &Subscription, query: &str) -> Answered {
    let query = Query::parse(query, &["after", "limit"])?;
    let limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let after = match query.text("after")? {
        Some(text) => Some(
            text.parse()
                .map_err(|_| ApiError::field("after", "must be the `next` of another page"))?,
        ),
        None => None,
    };
    let page = context.journal.undeliverable(subscription.id.0, after, limit)?;
    let letters: Vec<Value> = page
        .letters
        .iter()
        .map(|letter| {
            let Message {
                number,
                id,
                document,
                event,
                at_micros,
                attempts,
                ..
            } = &letter.message;
            json!({
                "number": number,
                "message_id": message_name(*id),
                "event": event.kind(),
                "collection": document.collection,
                "id": document.id,
                "happened_at": moment_of(*at_micros),
                "attempts": attempts,
                "last_attempt_at": moment_of(letter.last.at_micros),
                "status": letter.last.status,
                "error": letter.last.error,
            })
        })
        .collect();
    Ok((
        200,
        json!({"dead_letters": letters, "total": page.total, "next": page.next.map(|next| next.to_string())}),
    ))
}

/// Which dead letters a request is for: these numbers, or all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    #[serde(default)]
    numbers: Option<Vec<u64>>,
}

fn replay(context: &Context, request: &Request, subscription: &Subscription) -> Answered {
    let Selection { numbers } = api::body(&request.body)?;
    let count = context
        .journal
        .resend_undeliverable(subscription.id.0, numbers.as_deref())?;
    write_down(context, request, subscription, "webhook.dead_letters_replayed");
    Ok((200, json!({"replayed": count})))
}

fn purge(context: &Context, request: &Request, subscription: &Subscription) -> Answered {
    let Selection { numbers } = api::body(&request.body)?;
    let count = context
        .journal
        .purge_undeliverable(subscription.id.0, numbers.as_deref())?;
    write_down(context, request, subscription, "webhook.dead_letters_purged");
    Ok((200, json!({"purged": count})))
}
