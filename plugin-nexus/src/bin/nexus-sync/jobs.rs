//! `jobs`: comparisons and backfills, to be looked at and steered.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;
use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::job::{self, FINDINGS, Job};
use crate::page::Page;
use crate::route::Route;
use crate::session::Session;
use crate::sync;

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// List the newest ones.
    List {
        /// So many at most.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        limit: u64,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        job: Chosen,
        /// Watch it until it ends, and report what came of it.
        #[arg(long)]
        follow: bool,
    },
    /// Have one wait until it is resumed.
    Pause(Chosen),
    /// Have a paused one go on.
    Resume(Chosen),
    /// End one.
    Cancel(Chosen),
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The job's id.
    #[arg(value_name = "JOB")]
    id: String,
}

/// Does it.
pub(crate) async fn run(session: &Session, action: &Action) -> Result<Code, Error> {
    match action {
        Action::List { limit } => list(session, *limit).await,
        Action::Show { job, follow: true } => sync::finish(session, &job.id).await,
        Action::Show { job, follow: false } => {
            let (value, job) = job::get(session, &job.id).await?;
            session.output.result(&value, |page| write_one(page, &job))?;
            Ok(Code::Fine)
        }
        Action::Pause(job) => steer(session, "pause", job).await,
        Action::Resume(job) => steer(session, "resume", job).await,
        Action::Cancel(job) => steer(session, "cancel", job).await,
    }
}

async fn list(session: &Session, limit: u64) -> Result<Code, Error> {
    #[derive(Deserialize)]
    struct List {
        jobs: Vec<Job>,
        total: u64,
    }
    let route = Route::sync("jobs").with("limit", &limit.to_string());
    let value = session.client.get(&route).await?;
    let List { jobs, total } = answer::read(&value, route.path())?;
    session.output.result(&value, |page| {
        if jobs.is_empty() {
            page.line("no jobs");
            return;
        }
        write_list(page, &jobs);
        if (jobs.len() as u64) < total {
            page.gap();
            page.line(format!("{} of {} jobs", jobs.len(), figures::count(total)));
        }
    })?;
    Ok(Code::Fine)
}

async fn steer(session: &Session, action: &str, job: &Chosen) -> Result<Code, Error> {
    let route = Route::sync("jobs").then(action);
    let value = session.client.post(&route, &json!({"id": job.id})).await?;
    let job: Job = answer::read(&value, route.path())?;
    session.output.result(&value, |page| {
        page.line(format!("job {} is {}", job.id, job.state.name()));
    })?;
    Ok(Code::Fine)
}

/// Jobs in a table.
pub(crate) fn write_list(page: &mut Page, jobs: &[Job]) {
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let dry = if job.dry_run { " (dry run)" } else { "" };
            vec![
                job.id.clone(),
                format!("{}{dry}", job.kind),
                job.trigger.clone(),
                job.state.name().to_owned(),
                format!("{:.0}%", job.share() * 100.0),
                figures::count(job.count("compared")),
                figures::count(job.count("synced")),
                figures::count(job.count("failed")),
                job.created_at.clone().unwrap_or_default(),
                job.scope(),
            ]
        })
        .collect();
    let head = [
        "JOB",
        "KIND",
        "TRIGGER",
        "STATE",
        "DONE",
        "COMPARED",
        "SYNCED",
        "FAILED",
        "ORDERED",
        "COLLECTIONS",
    ];
    page.table(&head, &rows);
}

fn write_one(page: &mut Page, job: &Job) {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let dry = if job.dry_run { " (dry run)" } else { "" };
    page.fields(&[
        ("job", job.id.clone()),
        ("kind", format!("{}{dry}", job.kind)),
        ("trigger", job.trigger.clone()),
        ("state", job.state.name().to_owned()),
        ("done", format!("{:.1}%", job.share() * 100.0)),
        ("phase", text(&job.phase)),
        ("collections", job.scope()),
        ("at", text(&job.current_collection)),
        ("documents", figures::count(job.estimated_total)),
        ("ordered", text(&job.created_at)),
        ("began", text(&job.started_at)),
        ("ended", text(&job.ended_at)),
        ("correlation id", job.correlation_id.clone()),
    ]);
    if let Some(error) = &job.error {
        page.line(format!("error: {error}"));
    }
    for note in &job.notes {
        page.line(format!("note: {note}"));
    }
    page.gap();
    for (name, count) in &job.counts {
        page.line(format!("{:>12}  {name}", figures::count(*count)));
    }
    for (name, meaning) in FINDINGS {
        for sample in job.samples.get(name).into_iter().flatten() {
            page.line(format!(
                "{name} ({meaning}): {} / {}",
                sample.collection, sample.id
            ));
        }
    }
}

/// The jobs of an answer, for a report.
pub(crate) fn of(value: &Value) -> Vec<Job> {
    serde_json::from_value(value["jobs"].clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    #[tokio::test]
    async fn jobs_are_steered_by_their_id() {
        let reply = Reply::Json(200, json!({"id": "3", "state": "paused"}));
        let host = StandIn::start(move |_| reply.clone());
        let session = Session::quiet(host.client());
        let chosen = || Chosen { id: "3".to_owned() };
        for (action, line) in [
            (Action::Pause(chosen()), "POST /api/v1/sync/nexus/jobs/pause"),
            (Action::Resume(chosen()), "POST /api/v1/sync/nexus/jobs/resume"),
            (Action::Cancel(chosen()), "POST /api/v1/sync/nexus/jobs/cancel"),
        ] {
            assert_eq!(run(&session, &action).await.unwrap(), Code::Fine);
            let last = host.asked().pop().unwrap();
            assert_eq!((last.line.as_str(), last.body.as_str()), (line, "{\"id\":\"3\"}"));
        }
    }

    #[test]
    fn a_job_is_shown_with_its_counts_and_samples() {
        let job: Job = serde_json::from_value(json!({
            "id": "3", "kind": "reconcile", "state": "failed", "progress": 0.5, "error": "the store is away",
            "notes": ["a note"], "counts": {"compared": 1_000}, "samples": {"gone": [{"collection": "c", "id": "1"}]},
        }))
        .unwrap();
        let mut page = Page::new(false);
        write_one(&mut page, &job);
        write_list(&mut page, &[job]);
        let text = page.into_text();
        for part in [
            "state           failed\n",
            "done            50.0%\n",
            "error: the store is away\n",
            "note: a note\n",
            "1,000  compared\n",
            "gone (no longer in the store): c / 1\n",
            "3    reconcile",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
