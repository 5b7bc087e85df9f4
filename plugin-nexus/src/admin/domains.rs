//! Domains: which there are and what was learned from labelled documents, which one a document or a text belongs to, and documents
//! whose domain is known.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use vectorizer_plugin_api::FaultCode;
use vectorizer_plugin_api::model::{Document, Fields};

use super::{jobs, write_down};
use crate::api::{ApiError, BASE, Call, Endpoint, Parameter};
use crate::journal::DocumentId;
use crate::sync::jobs::{JobKind, Order};
use crate::sync::{Context, Lesson};

const PAGE: &[Parameter] = &[
    Parameter::required("collection", "The collection"),
    Parameter::text("after", "The `next` of the page before"),
    Parameter::count("limit", "Most of a page", 100, 1_000),
];
/// Labels that one request gives.
const MOST_GIVEN: usize = 10_000;
/// Longest collection's name or id of a document that is labelled, in bytes.
const LONGEST: usize = 1_024;
/// Longest text that is classified, in bytes.
const LONGEST_TEXT: usize = 256 * 1_024;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "GET",
            "/domains",
            "Which domains there are, and what was learned",
            show,
        ),
        Endpoint::new(
            "POST",
            "/domains/train",
            "Learn again from labelled documents",
            train,
        )
        .answers(202)
        .may_take::<Nothing>()
        .refuses(&[409]),
        Endpoint::new(
            "GET",
            "/domains/labels",
            "Labels that were given by request, by id",
            list,
        )
        .asks(PAGE),
        Endpoint::new(
            "POST",
            "/domains/labels",
            "Say which documents belong to which domains; they teach, too",
            label,
        )
        .answers(202)
        .takes::<LabelRequest>()
        .refuses(&[409]),
        Endpoint::new(
            "POST",
            "/domains/classify",
            "Which domains a document, or a text, belongs to by the present rules; nothing is changed",
            classify,
        )
        .takes::<ClassifyRequest>()
        .refuses(&[404, 409]),
        Endpoint::new(
            "POST",
            "/domains/reclassify",
            "Classify documents anew and write them again, whether or not they seem right",
            reclassify,
        )
        .answers(202)
        .takes::<ReclassifyRequest>()
        .refuses(&[404, 409]),
    ]
}

/// Nothing is to be said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Nothing")]
struct Nothing {}

/// The domains.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Domains")]
struct Shown {
    /// All of them, each with the one that holds it.
    domains: BTreeMap<String, Option<String>>,
    /// The payload's field that names a document's domain.
    label_field: Option<String>,
    /// Labels in the configuration.
    labels_configured: usize,
    /// What was learned last.
    lesson: Lesson,
}

/// A lesson was asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LessonAsked")]
struct Asked {
    state: &'static str,
}

/// A page of labels.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LabelPage")]
struct Listed {
    collection: String,
    labels: Vec<Label>,
    /// `after` of the next page; null: this is the last.
    next: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Label {
    id: String,
    domain: String,
}

/// Labels to be given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LabelRequest {
    #[schemars(length(min = 1, max = 10000))]
    labels: Vec<GivenLabel>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GivenLabel {
    #[schemars(length(min = 1, max = 1024))]
    collection: String,
    #[schemars(length(min = 1, max = 1024))]
    id: String,
    /// Null takes the label away.
    domain: Option<String>,
}

/// Labels were taken.
#[derive(Debug, Serialize, JsonSchema)]
struct Accepted {
    accepted: usize,
}

/// What is to be classified: a document of the store, or a text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClassifyRequest {
    /// The document's collection; with a text, the one whose settings count.
    collection: Option<String>,
    /// The document's id.
    id: Option<String>,
    /// A text.
    text: Option<String>,
    /// Its title.
    title: Option<String>,
}

/// Where it belongs to.
#[derive(Debug, Serialize, JsonSchema)]
struct Classified {
    /// The surest first.
    domains: Vec<Belongs>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Belongs {
    domain: String,
    /// From 0 to 1.
    confidence: f32,
}

/// What is to be classified anew; `{}`: all collections.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ReclassifyRequest {
    /// One collection.
    collection: Option<String>,
    /// Several.
    collections: Option<Vec<String>>,
}

fn show(call: &Call<'_>) -> Result<Shown, ApiError> {
    call.query()?;
    let context = call.context();
    let settings = &context.config().domains;
    Ok(Shown {
        domains: context.deriver().domain_tree(),
        label_field: settings.label_field.clone(),
        labels_configured: settings.labels.len(),
        lesson: context.learning.last(),
    })
}

fn check_enabled(context: &Context) -> Result<(), ApiError> {
    if context.config().domains.enabled {
        return Ok(());
    }
    let why = "documents are not classified: domains.enabled is false";
    Err(ApiError::Conflict(why.to_owned()))
}

fn train(call: &Call<'_>) -> Result<Asked, ApiError> {
    call.query()?;
    let Nothing {} = call.body_or_default()?;
    check_enabled(call.context())?;
    call.context().learning.ask();
    Ok(Asked { state: "asked" })
}

fn list(call: &Call<'_>) -> Result<Listed, ApiError> {
    let query = call.query()?;
    let collection = query.required("collection")?;
    let limit = query.count("limit")?;
    let mut given = call
        .context()
        .journal
        .labels_after(collection, query.text("after")?)?;
    let page = given.by_ref().take(limit).collect::<Result<Vec<_>, _>>()?;
    let next = given
        .next()
        .and_then(|_| page.last())
        .map(|(document, _)| document.id.to_string());
    let labels = page.into_iter().map(|(document, domain)| Label {
        id: document.id.to_string(),
        domain,
    });
    Ok(Listed {
        labels: labels.collect(),
        collection: collection.to_owned(),
        next,
    })
}

fn label(call: &Call<'_>) -> Result<Accepted, ApiError> {
    call.query()?;
    let context = call.context();
    check_enabled(context)?;
    let LabelRequest { labels } = call.body()?;
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
            && !context.deriver().knows_domain(domain)
        {
            let reason = format!("there is no domain '{domain}'; see GET {BASE}/domains");
            return Err(ApiError::field(&at("domain"), reason));
        }
        given.push((DocumentId::new(label.collection, label.id), label.domain));
    }
    context.journal.put_labels(&given)?;
    context.learning.ask();
    write_down(call, "domains.labelled", json!({"documents": given.len()}));
    Ok(Accepted {
        accepted: given.len(),
    })
}

fn classify(call: &Call<'_>) -> Result<Classified, ApiError> {
    call.query()?;
    let context = call.context();
    check_enabled(context)?;
    let (collection, document) = subject(context, call.body()?)?;
    let found = context.deriver().domains(&collection, &document).into_iter();
    let domains = found.map(|found| Belongs {
        domain: found.domain,
        confidence: found.confidence,
    });
    Ok(Classified {
        domains: domains.collect(),
    })
}

/// The document that is to be classified, and the collection whose settings count.
fn subject(context: &Context, request: ClassifyRequest) -> Result<(String, Document), ApiError> {
    match request {
        ClassifyRequest {
            collection: Some(collection),
            id: Some(id),
            text: None,
            title: None,
        } => {
            let found = match context.host.get(&collection, &[id.as_str()], Fields::ALL) {
                Ok(found) => found.into_iter().next(),
                Err(fault) if fault.code == FaultCode::NotFound => None,
                Err(fault) => return Err(ApiError::Store(fault)),
            };
            let document = found.ok_or(ApiError::NotFound("no such document"))?;
            Ok((collection, document))
        }
        ClassifyRequest {
            collection,
            id: None,
            text: Some(text),
            title,
        } => {
            if text.len() > LONGEST_TEXT {
                let reason = format!("must have {LONGEST_TEXT} bytes at most");
                return Err(ApiError::field("text", reason));
            }
            let payload = json!({"content": text, "title": title});
            let document = Document {
                id: String::new(),
                vector: Vec::new(),
                payload: payload.as_object().cloned(),
            };
            Ok((collection.unwrap_or_default(), document))
        }
        ClassifyRequest { .. } => Err(ApiError::field(
            "body",
            "must hold a collection and an id, or a text, with or without a title and a collection",
        )),
    }
}

fn reclassify(call: &Call<'_>) -> Result<jobs::Ordered, ApiError> {
    call.query()?;
    check_enabled(call.context())?;
    let wanted: ReclassifyRequest = call.body()?;
    let scope = jobs::scope(call.context(), wanted.collection, wanted.collections)?;
    call.context().learning.ask();
    let order = Order {
        collections: scope,
        force: true,
        ..Order::requested(JobKind::Backfill, call.correlation_id.to_owned())
    };
    jobs::ordered(call, order)
}
