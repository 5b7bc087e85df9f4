//! `/admin/sync/domains`: which domains there are and what was learned from labelled documents; `.../train`: learn again;
//! `.../labels`: documents whose domain is known.

use serde::Deserialize;
use serde_json::{Value, json};
use vectorizer_plugin_api::Request;

use crate::api::{self, ApiError, Query};
use crate::journal::DocumentId;
use crate::sync::Context;

const SHOW: &str = "/admin/sync/domains";
const TRAIN: &str = "/admin/sync/domains/train";
const LABELS: &str = "/admin/sync/domains/labels";

pub(super) const ROUTES: [(&str, &str); 4] =
    [("GET", SHOW), ("POST", TRAIN), ("GET", LABELS), ("POST", LABELS)];

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// Labels that one request gives.
const MOST_GIVEN: usize = 10_000;
/// Longest collection's name or id of a document that is labelled, in bytes.
const LONGEST: usize = 1_024;

type Answer = Result<(u16, Value), ApiError>;

pub(super) fn respond(context: &Context, request: &Request) -> Option<Answer> {
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("GET", SHOW) => Ok((200, show(context))),
        ("POST", TRAIN) => train(context),
        ("GET", LABELS) => list(context, &request.query),
        ("POST", LABELS) => label(context, &request.body),
        _ => return None,
    })
}

fn show(context: &Context) -> Value {
    json!({
        "domains": context.deriver.domain_tree(),
        "label_field": context.config.domains.label_field,
        "labels_configured": context.config.domains.labels.len(),
        "lesson": context.learning.last(),
    })
}

fn check_enabled(context: &Context) -> Result<(), ApiError> {
    if context.config.domains.enabled {
        return Ok(());
    }
    let why = "documents are not classified: domains.enabled is false";
    Err(ApiError::Conflict(why.to_owned()))
}

fn train(context: &Context) -> Answer {
    check_enabled(context)?;
    context.learning.ask();
    Ok((202, json!({"state": "asked"})))
}

/// `GET /admin/sync/domains/labels?collection=&after=&limit=`: the labels that were given by request, in the order of ids.
fn list(context: &Context, query: &str) -> Answer {
    let query = Query::parse(query, &["collection", "after", "limit"])?;
    let collection = query.required("collection")?;
    let limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let mut given = context.journal.labels_after(collection, query.text("after")?)?;
    let page = given.by_ref().take(limit).collect::<Result<Vec<_>, _>>()?;
    let next = given
        .next()
        .and_then(|_| page.last())
        .map(|(document, _)| document.id.to_string());
    let labels: Vec<Value> = page
        .iter()
        .map(|(document, domain)| json!({"id": document.id.as_ref() as &str, "domain": domain}))
        .collect();
    Ok((
        200,
        json!({"collection": collection, "labels": labels, "next": next}),
    ))
}

/// `POST /admin/sync/domains/labels`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelRequest {
    labels: Vec<GivenLabel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenLabel {
    collection: String,
    id: String,
    /// Null takes the label away.
    domain: Option<String>,
}

fn label(context: &Context, request: &[u8]) -> Answer {
    check_enabled(context)?;
    let LabelRequest { labels } = api::body(request)?;
    if labels.is_empty() || labels.len() > MOST_GIVEN {
        let reason = format!("must have 1 to {MOST_GIVEN} entries");
        return Err(ApiError::field("labels", reason));
    }
    let mut given = Vec::with_capacity(labels.len());
    for (index, label) in labels.into_iter().enumerate() {
        let at = |name: &str| format!("labels[{index}].{name}");
        for (name, value) in [("collection", &label.collection), ("id", &label.id)] {
            if !(1..=LONGEST).contains(&value.len()) {
                return Err(ApiError::field(
                    &at(name),
                    format!("must have 1 to {LONGEST} bytes"),
                ));
            }
        }
        if let Some(domain) = &label.domain
            && !context.deriver.knows_domain(domain)
        {
            let reason = format!("there is no domain '{domain}'; see GET {SHOW}");
            return Err(ApiError::field(&at("domain"), reason));
        }
        given.push((DocumentId::new(label.collection, label.id), label.domain));
    }
    context.journal.put_labels(&given)?;
    context.learning.ask();
    Ok((202, json!({"accepted": given.len()})))
}
