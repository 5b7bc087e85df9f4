//! Comparisons and backfills, to be ordered, looked at and steered.
//!
//! A request that orders one is answered with 202 and the job's id; its correlation id is taken from the header
//! `x-correlation-id` or `x-request-id` where that is sane, and stands in every log line of what comes of it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use vectorizer_plugin_api::{FaultCode, Request};

use crate::api::{self, ApiError, Query};
use crate::sync::Context;
use crate::sync::jobs::{Finding, GraphScope, Job, JobError, JobKind, Order, Trigger, correlation};

const RECONCILE: &str = "/admin/sync/reconcile";
const BACKFILL: &str = "/admin/sync/backfill";
const LIST: &str = "/admin/sync/jobs";
const ITEM: &str = "/admin/sync/jobs/item";
const PAUSE: &str = "/admin/sync/jobs/pause";
const RESUME: &str = "/admin/sync/jobs/resume";
const CANCEL: &str = "/admin/sync/jobs/cancel";

pub(super) const ROUTES: [(&str, &str); 7] = [
    ("POST", RECONCILE),
    ("POST", BACKFILL),
    ("GET", LIST),
    ("GET", ITEM),
    ("POST", PAUSE),
    ("POST", RESUME),
    ("POST", CANCEL),
];

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1_000;

type Answer = Result<(u16, Value), ApiError>;

pub(super) fn respond(context: &Context, request: &Request) -> Option<Answer> {
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("POST", RECONCILE) => reconcile(context, request),
        ("POST", BACKFILL) => backfill(context, request),
        ("GET", LIST) => list(context, &request.query),
        ("GET", ITEM) => item(context, &request.query),
        ("POST", PAUSE) => steer(&request.body, |number| {
            context.jobs.pause(&context.journal, number)
        }),
        ("POST", RESUME) => steer(&request.body, |number| {
            context.jobs.resume(&context.journal, number)
        }),
        ("POST", CANCEL) => steer(&request.body, |number| {
            let job = context.jobs.cancel(&context.journal, number)?;
            if job.order.kind == JobKind::Reconcile {
                context
                    .metrics
                    .jobs
                    .ended(job.order.trigger, job.state, job.seconds());
            }
            Ok(job)
        }),
        _ => return None,
    })
}

/// `POST /admin/sync/reconcile`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReconcileRequest {
    collection: Option<String>,
    collections: Option<Vec<String>>,
    #[serde(default)]
    dry_run: bool,
    graph: Option<bool>,
}

/// `POST /admin/sync/backfill`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackfillRequest {
    collection: Option<String>,
    collections: Option<Vec<String>>,
    #[serde(default)]
    force: bool,
}

fn reconcile(context: &Context, request: &Request) -> Answer {
    let wanted: ReconcileRequest = api::body(&request.body)?;
    let graph = if wanted.graph.unwrap_or(true) {
        GraphScope::Full
    } else {
        GraphScope::None
    };
    let scope = scope(context, wanted.collection, wanted.collections)?;
    submit(
        context,
        request,
        Order {
            kind: JobKind::Reconcile,
            trigger: Trigger::Request,
            collections: scope,
            dry_run: wanted.dry_run,
            graph,
            force: false,
            correlation_id: String::new(),
            estimated_total: 0,
        },
    )
}

fn backfill(context: &Context, request: &Request) -> Answer {
    let wanted: BackfillRequest = api::body(&request.body)?;
    let scope = scope(context, wanted.collection, wanted.collections)?;
    submit(
        context,
        request,
        Order {
            kind: JobKind::Backfill,
            trigger: Trigger::Request,
            collections: scope,
            dry_run: false,
            graph: GraphScope::None,
            force: wanted.force,
            correlation_id: String::new(),
            estimated_total: 0,
        },
    )
}

/// The collections that are asked for; `None`: all.
fn scope(
    context: &Context,
    one: Option<String>,
    several: Option<Vec<String>>,
) -> Result<Option<BTreeSet<String>>, ApiError> {
    let (field, names) = match (one, several) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(ApiError::field(
                "collections",
                "must not stand beside `collection`",
            ));
        }
        (Some(name), None) => ("collection", vec![name]),
        (None, Some(names)) => ("collections", names),
    };
    if names.is_empty() {
        return Err(ApiError::field(field, "must not be empty"));
    }
    for name in &names {
        if name.is_empty() {
            return Err(ApiError::field(field, "must not be empty"));
        }
        if !context.config.syncs(name) {
            let reason = format!("'{name}' is not synced: see `sync_all_collections` and `collections`");
            return Err(ApiError::field(field, reason));
        }
        if !is_known(context, name)? {
            return Err(ApiError::NotFound("no such collection"));
        }
    }
    Ok(Some(names.into_iter().collect()))
}

/// Whether the store has the collection, or the journal remembers documents of it.
fn is_known(context: &Context, name: &str) -> Result<bool, ApiError> {
    match context.host.collection(name) {
        // The name of a renamed collection is the other one's.
        Ok(found) if found.name == name => return Ok(true),
        Ok(_) => {}
        Err(fault) if fault.code == FaultCode::NotFound => {}
        Err(fault) => return Err(ApiError::Store(fault)),
    }
    Ok(context.journal.ids_after(name, None)?.next().is_some()
        || context.journal.dead_letter_counts().contains_key(name))
}

fn submit(context: &Context, request: &Request, order: Order) -> Answer {
    if !context.config.enabled {
        return Err(ApiError::Conflict("the sync is switched off".to_owned()));
    }
    let given = ["x-correlation-id", "x-request-id"]
        .into_iter()
        .filter_map(|name| request.header(name))
        .find(|id| correlation::is_sane(id));
    let order = Order {
        correlation_id: given.map_or_else(correlation::drawn, str::to_owned),
        estimated_total: estimate(context, order.collections.as_ref())?,
        ..order
    };
    let (number, job) = context.jobs.submit(&context.journal, order)?;
    let what = match job.order.kind {
        JobKind::Reconcile => "the comparison is queued",
        JobKind::Backfill => "the backfill is queued",
    };
    let body = json!({
        "success": true,
        "message": what,
        "job_id": number.to_string(),
        "correlation_id": job.order.correlation_id,
        "estimated_total": job.order.estimated_total,
    });
    Ok((202, body))
}

fn estimate(context: &Context, wanted: Option<&BTreeSet<String>>) -> Result<u64, ApiError> {
    let collections = context.host.collections().map_err(ApiError::Store)?;
    let in_scope = collections.iter().filter(|collection| {
        context.config.syncs(&collection.name)
            && wanted.is_none_or(|wanted| wanted.contains(&collection.name))
    });
    Ok(in_scope.map(|collection| collection.count).sum())
}

fn list(context: &Context, query: &str) -> Answer {
    let query = Query::parse(query, &["limit"])?;
    let limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let jobs = context.jobs.list();
    let shown = jobs.iter().take(limit).map(|(number, job)| show(*number, job));
    Ok((
        200,
        json!({"jobs": shown.collect::<Vec<_>>(), "total": jobs.len()}),
    ))
}

fn item(context: &Context, query: &str) -> Answer {
    let query = Query::parse(query, &["id"])?;
    let number = number(query.required("id")?)?;
    let job = context
        .jobs
        .get(number)
        .ok_or(ApiError::NotFound("no such job"))?;
    let mut shown = show(number, &job);
    shown["samples"] = json!(job.findings.samples);
    Ok((200, shown))
}

/// Which job a request is for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobRequest {
    id: String,
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse()
        .map_err(|_| ApiError::field("id", "must be the `job_id` of a job"))
}

fn steer(request: &[u8], change: impl FnOnce(u64) -> Result<Job, JobError>) -> Answer {
    let request: JobRequest = api::body(request)?;
    let number = number(&request.id)?;
    match change(number) {
        Ok(job) => Ok((200, show(number, &job))),
        Err(JobError::Unknown) => Err(ApiError::NotFound("no such job")),
        Err(error @ JobError::State(_)) => Err(ApiError::Conflict(error.to_string())),
        Err(JobError::Journal(error)) => Err(error.into()),
    }
}

fn show(number: u64, job: &Job) -> Value {
    let order = &job.order;
    let findings = &job.findings;
    let mut counts = json!({
        "compared": findings.compared,
        "nodes": findings.nodes,
        "queued": job.effects.queued,
        "settled": job.effects.settled,
        "synced": job.effects.synced,
        "unchanged": job.effects.unchanged,
        "deleted": job.effects.deleted,
        "failed": job.effects.failed,
    });
    for finding in Finding::ALL {
        counts[finding.name()] = json!(findings.count(finding));
    }
    json!({
        "id": number.to_string(),
        "kind": order.kind,
        "trigger": order.trigger,
        "state": job.state,
        "phase": job.cursor.phase,
        "current_collection": job.cursor.collection,
        "collections": order.collections,
        "dry_run": order.dry_run,
        "graph": order.graph,
        "force": order.force,
        "correlation_id": order.correlation_id,
        "estimated_total": order.estimated_total,
        "progress": (job.progress() * 1e3).round() / 1e3,
        "counts": counts,
        "notes": job.notes,
        "error": job.error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    })
}
