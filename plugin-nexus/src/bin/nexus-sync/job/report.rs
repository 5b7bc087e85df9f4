//! What came of a job, when it ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::causes::{Cause, Causes};
use super::{FINDINGS, Job, Sample, State};
use crate::dead_letters;
use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::page::{Page, Tone};
use crate::session::Session;

/// What is told of what came of a job.
const TOTALS: [&str; 5] = ["compared", "synced", "unchanged", "deleted", "failed"];
/// Documents of each finding that are shown to people.
const SHOWN_SAMPLES: usize = 5;

/// The report.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    job_id: String,
    kind: String,
    state: State,
    scope: String,
    dry_run: bool,
    correlation_id: String,
    totals: BTreeMap<&'static str, u64>,
    findings: BTreeMap<&'static str, u64>,
    samples: BTreeMap<String, Vec<Sample>>,
    /// Why documents failed; null: not known.
    errors: Option<Vec<Cause>>,
    seconds: Option<f64>,
    documents_per_second: Option<f64>,
    notes: Vec<String>,
    error: Option<String>,
}

impl Report {
    /// Of a job that ended.
    pub(crate) async fn of(session: &Session, job: &Job) -> Self {
        let errors = match job.count("failed") {
            0 => Some(Vec::new()),
            _ => match errors(session, job).await {
                Ok(errors) => Some(errors),
                Err(error) => {
                    session
                        .output
                        .note(&format!("why documents failed is not known: {error}"));
                    None
                }
            },
        };
        Self::new(job, errors)
    }

    fn new(job: &Job, errors: Option<Vec<Cause>>) -> Self {
        let seconds = span(job);
        let done = match job.count("queued") {
            0 => job.count("compared"),
            _ => job.count("settled"),
        };
        Self {
            job_id: job.id.clone(),
            kind: job.kind.clone(),
            state: job.state,
            scope: job.scope(),
            dry_run: job.dry_run,
            correlation_id: job.correlation_id.clone(),
            totals: TOTALS.map(|name| (name, job.count(name))).into(),
            findings: FINDINGS.map(|(name, _)| (name, job.count(name))).into(),
            samples: job.samples.clone(),
            errors,
            seconds,
            documents_per_second: seconds
                .filter(|seconds| *seconds > 0.0)
                .map(|seconds| (done as f64 / seconds * 10.0).round() / 10.0),
            notes: job.notes.clone(),
            error: job.error.clone(),
        }
    }

    /// Whether all is well. A comparison that only counts is well where it found nothing.
    pub(crate) fn code(&self) -> Code {
        let failed = self.totals.get("failed").copied().unwrap_or_default();
        let found = self.findings.values().any(|count| *count > 0);
        Code::of(self.state == State::Done && failed == 0 && !(self.dry_run && found))
    }

    /// The report beside the job itself.
    pub(crate) fn value(&self, job: &Value) -> Value {
        json!({"report": self, "job": job})
    }

    /// The report for people.
    pub(crate) fn write(&self, page: &mut Page) {
        let tone = match self.code() {
            Code::Fine => Tone::Good,
            _ if self.state == State::Done => Tone::Doubtful,
            _ => Tone::Bad,
        };
        let dry = if self.dry_run { " (dry run)" } else { "" };
        page.toned(
            tone,
            self.state.name(),
            &format!(": {} {}{dry} of {}", self.kind, self.job_id, self.scope),
        );
        if let Some(error) = &self.error {
            page.line(format!("  {error}"));
        }
        for note in &self.notes {
            page.line(format!("  note: {note}"));
        }
        page.gap();
        let mut fields: Vec<(&str, String)> = TOTALS
            .iter()
            .map(|name| {
                (
                    *name,
                    figures::count(self.totals.get(name).copied().unwrap_or_default()),
                )
            })
            .collect();
        if let Some(seconds) = self.seconds {
            fields.push(("duration", figures::seconds(seconds)));
        }
        if let Some(rate) = self.documents_per_second {
            fields.push(("throughput", figures::rate(rate)));
        }
        fields.push(("correlation id", self.correlation_id.clone()));
        page.fields(&fields);
        self.write_findings(page);
        match self.errors.as_deref() {
            None | Some([]) => {}
            Some(errors) => {
                page.gap();
                page.line("why documents failed");
                for Cause { cause, documents } in errors {
                    page.line(format!("  {:>8}  {cause}", figures::count(*documents)));
                }
                page.line("  see: nexus-sync dead-letters list");
            }
        }
    }

    fn write_findings(&self, page: &mut Page) {
        let found: Vec<(&str, &str, u64)> = FINDINGS
            .iter()
            .map(|(name, meaning)| {
                (
                    *name,
                    *meaning,
                    self.findings.get(name).copied().unwrap_or_default(),
                )
            })
            .filter(|(_, _, count)| *count > 0)
            .collect();
        if found.is_empty() {
            if self.kind == "reconcile" && self.state == State::Done {
                page.gap();
                page.line("nothing differs");
            }
            return;
        }
        page.gap();
        page.line("what differs");
        for (name, meaning, count) in found {
            page.line(format!("  {:>8}  {name} ({meaning})", figures::count(count)));
            let samples = self.samples.get(name).map_or(&[][..], Vec::as_slice);
            for Sample { collection, id } in samples.iter().take(SHOWN_SAMPLES) {
                page.line(format!("            {collection} / {id}"));
            }
        }
    }
}

/// How long a job took by the host's clock.
fn span(job: &Job) -> Option<f64> {
    let moment = |text: &Option<String>| text.as_deref()?.parse::<Timestamp>().ok();
    let (from, to) = (moment(&job.started_at)?, moment(&job.ended_at)?);
    let seconds = to.duration_since(from).as_secs_f64();
    (seconds >= 0.0).then_some(seconds)
}

/// Why documents failed since the job began, by the dead letters of its collections.
async fn errors(session: &Session, job: &Job) -> Result<Vec<Cause>, Error> {
    let began: Option<Timestamp> = job.started_at.as_deref().and_then(|text| text.parse().ok());
    let mut causes = Causes::default();
    let scopes: Vec<Option<&str>> = match &job.collections {
        None => vec![None],
        Some(names) => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    for scope in scopes {
        let letters = dead_letters::all(session, scope, dead_letters::MOST).await?;
        for letter in letters.letters.iter().filter(|letter| {
            let failed: Option<Timestamp> = letter
                .last_failed_at
                .as_deref()
                .and_then(|text| text.parse().ok());
            began.zip(failed).is_none_or(|(began, failed)| failed >= began)
        }) {
            causes.add(&letter.cause);
        }
    }
    Ok(causes.ranked())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    fn job(change: Value) -> Job {
        let mut value = json!({
            "id": "7", "kind": "backfill", "state": "done", "collections": ["c"], "correlation_id": "abc",
            "counts": {"compared": 1_500, "queued": 1_200, "settled": 1_200, "synced": 1_190, "unchanged": 4, "failed": 0},
            "started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:12Z",
        });
        for (name, new) in change.as_object().unwrap() {
            value[name] = new.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    fn text(report: &Report) -> String {
        let mut page = Page::new(false);
        report.write(&mut page);
        page.into_text()
    }

    #[test]
    fn totals_throughput_and_duration_are_told() {
        let report = Report::new(&job(json!({})), Some(Vec::new()));
        assert_eq!(report.code(), Code::Fine);
        assert_eq!(report.documents_per_second, Some(100.0));
        assert_eq!(
            text(&report),
            "done: backfill 7 of c\n\n\
             compared        1,500\nsynced          1,190\nunchanged       4\ndeleted         0\nfailed          0\n\
             duration        12 s\nthroughput      100/s\ncorrelation id  abc\n"
        );
    }

    #[test]
    fn whether_all_is_well_depends_on_the_end_on_failures_and_on_what_a_dry_run_found() {
        let code = |change| Report::new(&job(change), None).code();
        let found = json!({"missing": 3});
        assert_eq!(code(json!({"state": "cancelled"})), Code::Wrong);
        assert_eq!(code(json!({"state": "failed"})), Code::Wrong);
        assert_eq!(code(json!({"counts": {"failed": 1}})), Code::Wrong);
        assert_eq!(code(json!({"kind": "reconcile", "counts": found})), Code::Fine);
        assert_eq!(
            code(json!({"kind": "reconcile", "counts": found, "dry_run": true})),
            Code::Wrong
        );
    }

    #[test]
    fn what_differs_is_shown_with_samples_and_a_clock_that_goes_back_gives_no_duration() {
        let report = Report::new(
            &job(json!({
                "kind": "reconcile", "dry_run": true, "counts": {"missing": 2}, "ended_at": "2025-01-01T00:00:00Z",
                "samples": {"missing": [{"collection": "c", "id": "a\u{1b}"}, {"collection": "c", "id": "b"}]},
            })),
            None,
        );
        assert_eq!(report.seconds, None);
        let text = text(&report);
        assert!(
            text.contains("2  missing (in the store, not in the graph)\n            c / a\\u{1b}\n"),
            "{text}"
        );
        let clean = Report::new(&job(json!({"kind": "reconcile", "counts": {}})), None);
        assert!(super::tests::text(&clean).contains("nothing differs"));
    }

    #[tokio::test]
    async fn failures_are_told_by_their_cause_and_only_those_of_this_job() {
        let letter = |id: &str, cause: &str, at: &str| json!({"collection": "c", "id": id, "cause": cause, "last_failed_at": at});
        let page = json!({"dead_letters": [
            letter("1", "refused row 17", "2026-01-01T00:00:03Z"),
            letter("2", "refused row 4", "2026-01-01T00:00:04Z"),
            letter("3", "long ago", "2025-01-01T00:00:00Z"),
        ], "total": 3, "next": null});
        let host = StandIn::of(&[("GET /api/v1/sync/nexus/dead-letters", Reply::Json(200, page))]);
        let session = Session::quiet(host.client());
        let report = Report::of(&session, &job(json!({"counts": {"failed": 2}}))).await;
        assert_eq!(
            report.errors,
            Some(vec![Cause {
                cause: "refused row #".to_owned(),
                documents: 2
            }])
        );
        assert!(host.asked()[0].line.contains("collection=c"));
        // Where they cannot be read, the report still comes.
        let session = Session::quiet(StandIn::of(&[]).client());
        assert_eq!(
            Report::of(&session, &job(json!({"counts": {"failed": 2}})))
                .await
                .errors,
            None
        );
    }
}
