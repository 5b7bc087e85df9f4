//! Comparisons and backfills, to be ordered, looked at and steered.
//!
//! A request that orders one is answered with 202 and the job's id; its correlation id is taken from the header
//! `x-correlation-id` or `x-request-id` where that is sane, and stands in every log line of what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use vectorizer_plugin_api::FaultCode;

use super::write_down;
use crate::api::{ApiError, Call, Endpoint, Parameter};
use crate::sync::Context;
use crate::sync::jobs::{
    Finding, GraphScope, Job, JobError, JobKind, JobState, Order, Phase, Sample, Trigger,
};

const LIMIT: &[Parameter] = &[Parameter::count("limit", "Most jobs of the answer", 20, 1_000)];
const ID: &[Parameter] = &[Parameter::required("id", "The job's id")];
/// Most documents that a backfill reads at a time.
const MOST_BATCH: usize = 5_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "POST",
            "/trigger",
            "Bring the documents of the store into the graph",
            trigger,
        )
        .answers(202)
        .takes::<TriggerRequest>()
        .refuses(&[404, 409]),
        Endpoint::new(
            "POST",
            "/reconcile",
            "Compare store, journal and graph, and put right what differs",
            reconcile,
        )
        .answers(202)
        .takes::<ReconcileRequest>()
        .refuses(&[404, 409]),
        Endpoint::new(
            "GET",
            "/jobs",
            "Comparisons and backfills, the newest first",
            list,
        )
        .asks(LIMIT),
        Endpoint::new(
            "GET",
            "/jobs/item",
            "One of them, with some of the documents that it found",
            item,
        )
        .asks(ID)
        .refuses(&[404]),
        Endpoint::new("POST", "/jobs/pause", "Let a job wait", |call| {
            steer(call, "job.paused", |context, number| {
                context.jobs.pause(&context.journal, number)
            })
        })
        .takes::<JobRequest>()
        .refuses(&[404, 409]),
        Endpoint::new("POST", "/jobs/resume", "Let a job that waits go on", |call| {
            steer(call, "job.resumed", |context, number| {
                context.jobs.resume(&context.journal, number)
            })
        })
        .takes::<JobRequest>()
        .refuses(&[404, 409]),
        Endpoint::new(
            "POST",
            "/jobs/cancel",
            "End a job; what it hinted is done all the same",
            |call| steer(call, "job.cancelled", cancel),
        )
        .takes::<JobRequest>()
        .refuses(&[404, 409]),
    ]
}

/// What is to be brought into the graph; `{}`: all collections.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TriggerRequest {
    /// One collection.
    collection: Option<String>,
    /// Several.
    collections: Option<Vec<String>>,
    /// Documents that are read at a time; left out: what the rate of comparisons allows.
    #[schemars(range(min = 1, max = 5000))]
    batch_size: Option<usize>,
    /// Whether documents that seem right are written again.
    force_resync: bool,
}

/// What is to be compared; `{}`: all collections.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ReconcileRequest {
    /// One collection.
    collection: Option<String>,
    /// Several.
    collections: Option<Vec<String>>,
    /// Whether it only counts.
    dry_run: bool,
    /// Whether the graph is read, too; left out: yes.
    graph: Option<bool>,
}

/// Which job a request is for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JobRequest {
    /// The job's id.
    id: String,
}

/// A job was ordered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobOrdered")]
pub(super) struct Ordered {
    pub(super) success: bool,
    pub(super) message: String,
    /// Documents that are read at a time; null: what the rate of comparisons allows.
    pub(super) batch_size: Option<usize>,
    /// Documents in its collections now.
    pub(super) estimated_total: u64,
    pub(super) job_id: String,
    /// Stands in every log line of what comes of it.
    pub(super) correlation_id: String,
}

/// Jobs.
#[derive(Debug, Serialize, JsonSchema)]
struct JobList {
    jobs: Vec<Shown>,
    /// How many there are.
    total: usize,
}

/// A job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
struct Shown {
    id: String,
    kind: JobKind,
    /// Why it came to be.
    trigger: Trigger,
    state: JobState,
    /// What it looks at.
    phase: Phase,
    current_collection: Option<String>,
    /// For which collections it is; null: all.
    collections: Option<BTreeSet<String>>,
    /// Whether it only counts.
    dry_run: bool,
    graph: GraphScope,
    /// Whether documents that seem right are written again.
    force: bool,
    batch_size: Option<usize>,
    correlation_id: String,
    /// Documents in its collections when it was ordered.
    estimated_total: u64,
    /// From 0 to 1.
    progress: f64,
    counts: Counts,
    /// What is remarkable about it.
    notes: BTreeSet<String>,
    /// Why it does not go on, or did not come to its end.
    error: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// Some documents of each finding; only where one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<BTreeMap<Finding, Vec<Sample>>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobCounts")]
struct Counts {
    /// Documents of the store that were looked at.
    compared: u64,
    /// Nodes of the graph that were looked at.
    nodes: u64,
    /// Documents that were hinted.
    queued: u64,
    /// Those of them whose work is done, one way or another.
    settled: u64,
    /// Nodes written.
    synced: u64,
    /// Nodes that were right.
    unchanged: u64,
    /// Nodes deleted.
    deleted: u64,
    /// Documents that became dead letters.
    failed: u64,
    /// In the store, not in the graph.
    missing: u64,
    /// The graph shows another version than was written.
    stale: u64,
    /// The store has another version than was written.
    changed: u64,
    /// No longer in the store.
    gone: u64,
    /// Nodes of ours that neither store nor journal knows.
    orphan: u64,
}

fn trigger(call: &Call<'_>) -> Result<Ordered, ApiError> {
    call.query()?;
    let wanted: TriggerRequest = call.body()?;
    if wanted
        .batch_size
        .is_some_and(|size| !(1..=MOST_BATCH).contains(&size))
    {
        let reason = format!("must be a whole number from 1 to {MOST_BATCH}");
        return Err(ApiError::field("batch_size", reason));
    }
    let scope = scope(call.context(), wanted.collection, wanted.collections)?;
    let order = Order {
        collections: scope,
        force: wanted.force_resync,
        batch_size: wanted.batch_size,
        ..Order::requested(JobKind::Backfill, call.correlation_id.to_owned())
    };
    ordered(call, order)
}

fn reconcile(call: &Call<'_>) -> Result<Ordered, ApiError> {
    call.query()?;
    let wanted: ReconcileRequest = call.body()?;
    let graph = if wanted.graph.unwrap_or(true) {
        GraphScope::Full
    } else {
        GraphScope::None
    };
    let scope = scope(call.context(), wanted.collection, wanted.collections)?;
    let order = Order {
        collections: scope,
        dry_run: wanted.dry_run,
        graph,
        ..Order::requested(JobKind::Reconcile, call.correlation_id.to_owned())
    };
    ordered(call, order)
}

/// The collections that are asked for; `None`: all.
pub(super) fn scope(
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
    let config = context.config();
    for name in &names {
        if name.is_empty() {
            return Err(ApiError::field(field, "must not be empty"));
        }
        if !config.syncs(name) {
            let reason = format!(
                "'{name}' is not synced: see `sync_all_collections` and `collections`, or POST {}/enable",
                crate::api::BASE
            );
            return Err(ApiError::field(field, reason));
        }
        if !is_known(context, name)? {
            return Err(ApiError::NotFound("no such collection"));
        }
    }
    Ok(Some(names.into_iter().collect()))
}

/// Whether the store has the collection.
pub(super) fn is_in_store(context: &Context, name: &str) -> Result<bool, ApiError> {
    match context.host.collection(name) {
        // The name of a renamed collection is the other one's.
        Ok(found) => Ok(found.name == name),
        Err(fault) if fault.code == FaultCode::NotFound => Ok(false),
        Err(fault) => Err(ApiError::Store(fault)),
    }
}

/// Whether the store has the collection, or the journal remembers documents of it.
fn is_known(context: &Context, name: &str) -> Result<bool, ApiError> {
    Ok(is_in_store(context, name)?
        || context.journal.ids_after(name, None)?.next().is_some()
        || context.journal.dead_letter_counts().contains_key(name))
}

/// Takes an order, and writes down who gave it.
pub(super) fn ordered(call: &Call<'_>, order: Order) -> Result<Ordered, ApiError> {
    let (number, job) = submit(call.context(), order)?;
    let order = job.order;
    let what = match order.kind {
        JobKind::Reconcile => "the comparison is queued",
        JobKind::Backfill => "the backfill is queued",
    };
    let details = json!({
        "job": number.to_string(), "kind": order.kind, "collections": order.collections, "dry_run": order.dry_run,
        "force": order.force,
    });
    write_down(call, "job.ordered", details);
    Ok(Ordered {
        success: true,
        message: what.to_owned(),
        batch_size: order.batch_size,
        estimated_total: order.estimated_total,
        job_id: number.to_string(),
        correlation_id: order.correlation_id,
    })
}

/// Takes an order.
pub(super) fn submit(context: &Context, order: Order) -> Result<(u64, Job), ApiError> {
    if !context.config().enabled {
        return Err(ApiError::Conflict("the sync is switched off".to_owned()));
    }
    let order = Order {
        estimated_total: estimate(context, order.collections.as_ref())?,
        ..order
    };
    Ok(context.jobs.submit(&context.journal, order)?)
}

fn estimate(context: &Context, wanted: Option<&BTreeSet<String>>) -> Result<u64, ApiError> {
    let collections = context.host.collections().map_err(ApiError::Store)?;
    let config = context.config();
    let in_scope = collections.iter().filter(|collection| {
        config.syncs(&collection.name) && wanted.is_none_or(|wanted| wanted.contains(&collection.name))
    });
    Ok(in_scope.map(|collection| collection.count).sum())
}

fn list(call: &Call<'_>) -> Result<JobList, ApiError> {
    let limit = call.query()?.count("limit")?;
    let jobs = call.context().jobs.list();
    let shown = jobs.iter().take(limit).map(|(number, job)| show(*number, job));
    Ok(JobList {
        jobs: shown.collect(),
        total: jobs.len(),
    })
}

fn item(call: &Call<'_>) -> Result<Shown, ApiError> {
    let number = number(call.query()?.required("id")?)?;
    let found = call.context().jobs.get(number);
    let job = found.ok_or(ApiError::NotFound("no such job"))?;
    Ok(Shown {
        samples: Some(job.findings.samples.clone()),
        ..show(number, &job)
    })
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse()
        .map_err(|_| ApiError::field("id", "must be the `job_id` of a job"))
}

fn steer(
    call: &Call<'_>,
    action: &'static str,
    change: impl FnOnce(&Context, u64) -> Result<Job, JobError>,
) -> Result<Shown, ApiError> {
    call.query()?;
    let request: JobRequest = call.body()?;
    let number = number(&request.id)?;
    match change(call.context(), number) {
        Ok(job) => {
            write_down(call, action, json!({"job": request.id}));
            Ok(show(number, &job))
        }
        Err(JobError::Unknown) => Err(ApiError::NotFound("no such job")),
        Err(error @ JobError::State(_)) => Err(ApiError::Conflict(error.to_string())),
        Err(JobError::Journal(error)) => Err(error.into()),
    }
}

fn cancel(context: &Context, number: u64) -> Result<Job, JobError> {
    let job = context.jobs.cancel(&context.journal, number)?;
    if job.order.kind == JobKind::Reconcile {
        let ended = &context.metrics.jobs;
        ended.ended(job.order.trigger, job.state, job.seconds());
    }
    Ok(job)
}

fn show(number: u64, job: &Job) -> Shown {
    let (order, findings, effects) = (&job.order, &job.findings, &job.effects);
    Shown {
        id: number.to_string(),
        kind: order.kind,
        trigger: order.trigger,
        state: job.state,
        phase: job.cursor.phase,
        current_collection: job.cursor.collection.clone(),
        collections: order.collections.clone(),
        dry_run: order.dry_run,
        graph: order.graph,
        force: order.force,
        batch_size: order.batch_size,
        correlation_id: order.correlation_id.clone(),
        estimated_total: order.estimated_total,
        progress: (job.progress() * 1e3).round() / 1e3,
        counts: Counts {
            compared: findings.compared,
            nodes: findings.nodes,
            queued: effects.queued,
            settled: effects.settled,
            synced: effects.synced,
            unchanged: effects.unchanged,
            deleted: effects.deleted,
            failed: effects.failed,
            missing: findings.count(Finding::Missing),
            stale: findings.count(Finding::Stale),
            changed: findings.count(Finding::Changed),
            gone: findings.count(Finding::Gone),
            orphan: findings.count(Finding::Orphan),
        },
        notes: job.notes.clone(),
        error: job.error.clone(),
        created_at: job.created_at,
        started_at: job.started_at,
        ended_at: job.ended_at,
        samples: None,
    }
}

/// Does something that blocks beside the rest.
pub(super) async fn blocking<T: Send + 'static>(
    context: &Arc<Context>,
    call: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    context.blocking(move |_| Ok(call())).await?
}
