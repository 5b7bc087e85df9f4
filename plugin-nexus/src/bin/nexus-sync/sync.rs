//! `sync` and `reconcile`: have documents brought into the graph, or store and graph compared, and watch that.

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer;
use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::job::{Follow, Followed, Job, Report, State};
use crate::route::Route;
use crate::session::Session;

/// Jobs that are looked through for one to go on with.
const JOBS: &str = "1000";

/// `sync`.
#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// The collections to bring into the graph.
    #[arg(value_name = "COLLECTION", required_unless_present = "all")]
    collections: Vec<String>,
    /// All collections that are synced.
    #[arg(long, conflicts_with = "collections")]
    all: bool,
    /// Documents that are worked on at once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch_size: Option<u64>,
    /// Write documents again that seem right.
    #[arg(long)]
    force: bool,
    /// Go on with a paused backfill of these collections, or follow one that runs, instead of ordering another.
    #[arg(long, conflicts_with_all = ["batch_size", "force"])]
    resume: bool,
    /// Do not wait for the end.
    #[arg(long)]
    detach: bool,
}

/// `reconcile`.
#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// The collections to compare; none: all.
    #[arg(value_name = "COLLECTION")]
    collections: Vec<String>,
    /// Only tell what differs.
    #[arg(long)]
    dry_run: bool,
    /// Do not wait for the end.
    #[arg(long)]
    detach: bool,
}

#[derive(Debug, Deserialize)]
struct Ordered {
    job_id: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    correlation_id: String,
    #[serde(default)]
    estimated_total: u64,
}

/// Brings documents into the graph.
pub(crate) async fn sync(session: &Session, options: &Sync) -> Result<Code, Error> {
    if options.resume {
        return resume(session, options).await;
    }
    let mut body = scope(&options.collections);
    if let Some(size) = options.batch_size {
        body.insert("batch_size".to_owned(), json!(size));
    }
    if options.force {
        body.insert("force_resync".to_owned(), json!(true));
    }
    order(session, "trigger", body, options.detach).await
}

/// Compares store and graph.
pub(crate) async fn reconcile(session: &Session, options: &Reconcile) -> Result<Code, Error> {
    let mut body = scope(&options.collections);
    if options.dry_run {
        body.insert("dry_run".to_owned(), json!(true));
    }
    order(session, "reconcile", body, options.detach).await
}

/// The collections of an order; nothing: all.
fn scope(collections: &[String]) -> Map<String, Value> {
    let mut body = Map::new();
    if !collections.is_empty() {
        body.insert("collections".to_owned(), json!(collections));
    }
    body
}

async fn order(
    session: &Session,
    action: &str,
    body: Map<String, Value>,
    detach: bool,
) -> Result<Code, Error> {
    let route = Route::sync(action);
    let value = session.client.post(&route, &Value::Object(body)).await?;
    let ordered: Ordered = answer::read(&value, route.path())?;
    let id = &ordered.job_id;
    if detach {
        session.output.result(&value, |page| {
            page.line(&ordered.message);
            page.fields(&[
                ("job", id.clone()),
                ("correlation id", ordered.correlation_id.clone()),
                ("documents", figures::count(ordered.estimated_total)),
            ]);
            page.line(format!("follow it: nexus-sync jobs show {id} --follow"));
        })?;
        return Ok(Code::Fine);
    }
    let total = figures::counted(ordered.estimated_total, "document", "documents");
    session
        .output
        .note(&format!("job {id}: {} ({total})", ordered.message));
    finish(session, id).await
}

/// Watches a job until it ends, and reports.
pub(crate) async fn finish(session: &Session, id: &str) -> Result<Code, Error> {
    match Follow::default().job(session, id).await? {
        Followed::Ended(value, job) => {
            let report = Report::of(session, &job).await;
            session
                .output
                .result(&report.value(&value), |page| report.write(page))?;
            Ok(report.code())
        }
        Followed::Interrupted(seen) => {
            let value = json!({"interrupted": true, "job_id": id, "job": seen});
            session.output.result(&value, |_| {})?;
            Ok(Code::Interrupted)
        }
    }
}

/// Goes on with a backfill that is there.
async fn resume(session: &Session, options: &Sync) -> Result<Code, Error> {
    let route = Route::sync("jobs").with("limit", JOBS);
    let value = session.client.get(&route).await?;
    let wanted = (!options.all).then_some(options.collections.as_slice());
    let Some(job) = unfinished(&value, &route, wanted)? else {
        session.output.tell(
            "no backfill of exactly these collections is paused, queued or running; leave --resume out to order one",
        );
        session.output.result(&json!({"job": null}), |_| {})?;
        return Ok(Code::Wrong);
    };
    let id = &job.id;
    if job.state == State::Paused {
        session
            .client
            .post(&Route::sync("jobs/resume"), &json!({"id": id}))
            .await?;
        session.output.note(&format!("job {id} was paused and goes on"));
    } else {
        session.output.note(&format!("job {id} is {}", job.state.name()));
    }
    if options.detach {
        let (value, _) = crate::job::get(session, id).await?;
        session.output.result(&json!({"job": value}), |page| {
            page.line(format!("follow it: nexus-sync jobs show {id} --follow"));
        })?;
        return Ok(Code::Fine);
    }
    finish(session, id).await
}

/// The newest backfill of exactly these collections that has not ended.
fn unfinished(value: &Value, route: &Route, wanted: Option<&[String]>) -> Result<Option<Job>, Error> {
    #[derive(Deserialize)]
    struct List {
        jobs: Vec<Job>,
    }
    let List { jobs } = answer::read(value, route.path())?;
    let mut found: Vec<Job> = jobs
        .into_iter()
        .filter(|job| {
            let goes_on = matches!(job.state, State::Queued | State::Running | State::Paused);
            job.kind == "backfill" && goes_on && job.is_for(wanted)
        })
        .collect();
    // Ids are numbers; whatever is none comes first.
    found.sort_by_key(|job| job.id.parse::<u64>().ok());
    Ok(found.pop())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    fn options(names: &[&str]) -> Sync {
        Sync {
            collections: names.iter().map(|name| (*name).to_owned()).collect(),
            all: names.is_empty(),
            batch_size: None,
            force: false,
            resume: false,
            detach: false,
        }
    }

    fn ended(id: &str) -> Value {
        json!({"id": id, "kind": "backfill", "state": "done", "counts": {}})
    }

    #[tokio::test]
    async fn a_job_is_ordered_watched_and_reported() {
        let ordered = json!({"success": true, "job_id": "7", "message": "queued", "estimated_total": 5});
        let host = StandIn::of(&[
            ("POST /api/v1/sync/nexus/trigger", Reply::Json(202, ordered)),
            ("GET /api/v1/sync/nexus/jobs/item", Reply::Json(200, ended("7"))),
        ]);
        let session = Session::quiet(host.client());
        let wanted = Sync {
            batch_size: Some(50),
            force: true,
            ..options(&["a", "b"])
        };
        assert_eq!(sync(&session, &wanted).await.unwrap(), Code::Fine);
        let body: Value = serde_json::from_str(&host.asked()[0].body).unwrap();
        assert_eq!(
            body,
            json!({"collections": ["a", "b"], "batch_size": 50, "force_resync": true})
        );
        let wanted = Sync {
            detach: true,
            ..options(&[])
        };
        assert_eq!(sync(&session, &wanted).await.unwrap(), Code::Fine);
        assert_eq!(host.asked()[2].body, "{}");
        assert_eq!(host.asked().len(), 3);
    }

    #[tokio::test]
    async fn a_paused_backfill_is_gone_on_with_and_another_is_not_ordered() {
        let jobs = json!({"jobs": [
            {"id": "9", "kind": "backfill", "state": "running", "collections": ["other"]},
            {"id": "10", "kind": "backfill", "state": "paused", "collections": ["b", "a"]},
            {"id": "8", "kind": "backfill", "state": "paused", "collections": ["a", "b"]},
            {"id": "7", "kind": "reconcile", "state": "running", "collections": ["a", "b"]},
            {"id": "11", "kind": "backfill", "state": "done", "collections": ["a", "b"]},
        ], "total": 5});
        let host = StandIn::of(&[
            ("GET /api/v1/sync/nexus/jobs", Reply::Json(200, jobs)),
            ("POST /api/v1/sync/nexus/jobs/resume", Reply::Json(200, json!({}))),
            ("GET /api/v1/sync/nexus/jobs/item", Reply::Json(200, ended("10"))),
        ]);
        let session = Session::quiet(host.client());
        let resumed = |names: &[&str]| Sync {
            resume: true,
            ..options(names)
        };
        assert_eq!(sync(&session, &resumed(&["a", "b"])).await.unwrap(), Code::Fine);
        let asked = host.asked();
        assert_eq!(
            (asked[1].line.as_str(), asked[1].body.as_str()),
            ("POST /api/v1/sync/nexus/jobs/resume", "{\"id\":\"10\"}")
        );
        for names in [&["a"][..], &[]] {
            assert_eq!(sync(&session, &resumed(names)).await.unwrap(), Code::Wrong);
        }
        assert_eq!(host.asked().len(), asked.len() + 2);
    }
}
