//! `POST /webhooks/nexus`, `/webhooks/nexus/relationship`, `/webhooks/nexus/node`: deliveries from Nexus, or whoever watches it.
//!
//! | answer | |
//! | --- | --- |
//! | 202 | taken, and on disk |
//! | 200 | taken before |
//! | 400 | genuine, and not understood: the field is named |
//! | 401 | not genuine: the header is named |
//! | 404 | no secret is configured, or documents are not synced |
//! | 413, 415 | too long; not JSON |
//! | 503 | no room or no disk at present: come again |

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use vectorizer_plugin_api::model::JsonMap;
use vectorizer_plugin_api::{Access, Request, Response};

use super::event::{EventError, GraphEvent, Touched};
use super::signature::Forgery;
use crate::api::{Call, Endpoint, respond};
use crate::journal::{DocumentId, JournalError, Receipt, Work, unix_micros};
use crate::kill_point::kill_point;
use crate::sync::{ACTOR, Context};

const ANY: &str = "/webhooks/nexus";
const RELATIONSHIP: &str = "/webhooks/nexus/relationship";
const NODE: &str = "/webhooks/nexus/node";

/// Seconds after which a sender should come again.
const COME_AGAIN: &str = "5";

/// Why a delivery is not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no webhooks are taken: webhooks.inbound has no secrets")]
    Off,
    #[error("body: has more than {0} bytes")]
    TooLong(usize),
    #[error("content-type: must be application/json")]
    ContentType,
    #[error(transparent)]
    Forged(#[from] Forgery),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("event_type: is not one of this route")]
    Elsewhere,
    #[error("there is no room for it at present")]
    NoRoom,
    #[error("it cannot be written down at present: {0}")]
    Journal(#[from] JournalError),
}

impl Refusal {
    fn response(&self) -> Response {
        let (status, error_type) = match self {
            Self::Off => (404, "not_found"),
            Self::TooLong(_) => (413, "payload_too_large"),
            Self::ContentType => (415, "unsupported_media_type"),
            Self::Forged(_) => (401, "unauthorized"),
            Self::Event(_) | Self::Elsewhere => (400, "validation_error"),
            Self::NoRoom | Self::Journal(_) => (503, "unavailable"),
        };
        let mut response = Response::json_error(status, error_type, &self.to_string());
        if status == 503 {
            response.headers.push(("retry-after".into(), COME_AGAIN.into()));
        }
        response
    }

    /// The reason, for a metric.
    fn label(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::TooLong(_) => "too_long",
            Self::ContentType => "content_type",
            Self::Forged(forgery) => forgery.label(),
            Self::Event(_) | Self::Elsewhere => "invalid",
            Self::NoRoom => "no_room",
            Self::Journal(_) => "journal",
        }
    }
}

pub(crate) fn endpoints() -> impl Iterator<Item = Endpoint> {
    [
        (ANY, "Tell of a change in the graph"),
        (
            RELATIONSHIP,
            "Tell of a relationship that was made, changed or deleted",
        ),
        (NODE, "Tell of a node that was changed"),
    ]
    .into_iter()
    .map(|(path, summary)| {
        Endpoint::raw::<Taken>("POST", path, summary, receive)
            .for_whom(Access::Public)
            .takes::<JsonMap>()
            .also_answers(202)
            .refuses(&[401, 404, 415])
    })
}

/// A delivery was taken (202), or was taken before (200).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeliveryTaken")]
struct Taken {
    /// `taken` or `known`.
    state: &'static str,
    /// Documents that are looked at for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<usize>,
}

/// Answers a delivery. Blocks while the journal is written out.
fn receive(call: &Call<'_>) -> Response {
    let context = call.context();
    let taken = take(context, call.request);
    let label = match &taken {
        Ok((Receipt::Known, _)) => "duplicate",
        Ok(_) => "taken",
        Err(refusal) => refusal.label(),
    };
    context.metrics.enrichment.webhook_received(label);
    match taken {
        Ok((Receipt::Known, _)) => respond(
            200,
            Ok(Taken {
                state: "known",
                documents: None,
            }),
        ),
        Ok((_, documents)) => respond(
            202,
            Ok(Taken {
                state: "taken",
                documents: Some(documents),
            }),
        ),
        Err(refusal) => {
            if let Refusal::Forged(forgery) = &refusal {
                let log = &context.audit_log;
                log.record_repeated(
                    ACTOR,
                    "webhook.refused",
                    forgery.label(),
                    &json!({"path": call.request.path}),
                );
            }
            refusal.response()
        }
    }
}

/// Takes a delivery; answers how many documents it makes look at.
fn take(context: &Context, request: &Request) -> Result<(Receipt, usize), Refusal> {
    let config = context.config();
    let settings = &config.webhooks.inbound;
    if !settings.is_on() || !config.enabled {
        return Err(Refusal::Off);
    }
    if request.body.len() > settings.max_body_bytes {
        return Err(Refusal::TooLong(settings.max_body_bytes));
    }
    let now = unix_micros() / 1_000_000;
    let name = settings.keyring().verify(&request.headers, &request.body, now)?;
    if !is_json(request.header("content-type")) {
        return Err(Refusal::ContentType);
    }
    let event = GraphEvent::parse(&request.body)?;
    let is_node = event.touched == Touched::Node;
    if request.path == RELATIONSHIP && is_node || request.path == NODE && !is_node {
        return Err(Refusal::Elsewhere);
    }
    let work = work_of(context, event.touched);
    let work: Vec<(DocumentId, Work)> = event
        .documents
        .into_iter()
        .filter(|(collection, _)| context.config().syncs(collection) && !work.is_none())
        .map(|(collection, id)| (DocumentId::new(collection, id), work))
        .collect();
    // A delivery is genuine until its time, which may lie ahead by the tolerance, is past by the tolerance.
    let end = now + 2 * settings.tolerance_seconds;
    let receipt = context.journal.receive(name.0, now, end, &work)?;
    if receipt == Receipt::NoRoom {
        return Err(Refusal::NoRoom);
    }
    kill_point("received");
    // One that was taken before may not be on disk yet.
    context.journal.flush()?;
    if let Some(failure) = context.journal.condition().failure {
        tracing::warn!(failure, "a webhook could not be written down");
        return Err(Refusal::NoRoom);
    }
    kill_point("receipted");
    Ok((receipt, work.len()))
}

/// What there is to do about the documents.
fn work_of(context: &Context, touched: Touched) -> Work {
    context.enrichment().and(match touched {
        Touched::Node => Work::NODE.and(Work::LOOK),
        Touched::OwnEdge => Work::EDGES.and(Work::RELATIONS).and(Work::LOOK),
        Touched::ForeignEdge => Work::NONE,
    })
}

fn is_json(content_type: Option<&str>) -> bool {
    let kind = content_type.and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_type_whatever_its_parameters() {
        assert!(is_json(Some("application/json")) && is_json(Some("Application/JSON; charset=utf-8")));
        for other in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/json-seq"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert!(!is_json(other), "{other:?}");
        }
    }
}
