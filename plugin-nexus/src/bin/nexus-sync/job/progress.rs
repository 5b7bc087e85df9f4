//! What is shown while a job is followed: a bar on a terminal, else a line now and then, and nothing where nobody wants it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::pace::Pace;
use super::{Job, State};
use crate::figures;
use crate::output::Output;
use crate::terminal;

/// How often a line is written where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// What the bar counts to.
const WHOLE: f64 = 1_000.0;

/// What is shown.
#[derive(Debug)]
pub(super) struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    pace: Pace,
    phase: Option<String>,
    began: Instant,
    told: Option<Instant>,
}

impl Progress {
    /// Nothing yet.
    pub(super) fn new(output: Output) -> Self {
        let bar = output.is_watched().then(|| {
            let bar = ProgressBar::with_draw_target(Some(WHOLE as u64), ProgressDrawTarget::stderr());
            // No colours, so NO_COLOR has nothing to forbid. The template is known to be good.
            if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {percent:>3}% {wide_msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self {
            output,
            bar,
            pace: Pace::default(),
            phase: None,
            began: Instant::now(),
            told: None,
        }
    }

    /// Shows how a job is now.
    pub(super) fn show(&mut self, job: &Job) {
        let now = Instant::now();
        if job.phase != self.phase {
            // One phase is no measure of the next.
            self.phase.clone_from(&job.phase);
            self.pace = Pace::default();
        }
        self.pace
            .observe(now.duration_since(self.began), job.handled(), job.share());
        let text = described(job, &self.pace);
        if let Some(bar) = &self.bar {
            bar.set_position((job.share() * WHOLE) as u64);
            bar.set_message(text);
        } else if !self.output.is_quiet() && self.told.is_none_or(|told| now - told >= BETWEEN_LINES) {
            self.told = Some(now);
            let percent = (job.share() * 100.0).floor();
            self.output.note(&format!("job {}: {percent}% {text}", job.id));
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Where a job is, in one line. What matters most comes first: a narrow terminal cuts the rest off.
fn described(job: &Job, pace: &Pace) -> String {
    let mut parts = Vec::new();
    if job.state == State::Running {
        parts.extend(pace.rate().map(figures::rate));
        parts.extend(
            pace.left()
                .map(|left| format!("{} left", figures::duration(left))),
        );
    } else {
        parts.push(job.state.name().to_owned());
    }
    let failed = job.count("failed");
    if failed > 0 {
        parts.push(format!("failed {}", figures::count(failed)));
    }
    let (queued, compared) = (job.count("queued"), job.count("compared"));
    if queued > 0 {
        let settled = figures::count(job.count("settled"));
        parts.push(format!("settled {settled} of {}", figures::count(queued)));
    }
    match job.estimated_total {
        0 => parts.push(format!("compared {}", figures::count(compared))),
        total => parts.push(format!(
            "compared {} of {}",
            figures::count(compared),
            figures::count(total)
        )),
    }
    parts.extend(job.current_collection.as_deref().map(terminal::line));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_where_the_job_is_how_fast_and_how_long() {
        let job: Job = serde_json::from_value(json!({
            "kind": "backfill", "state": "running", "current_collection": "c\u{1b}[2J", "estimated_total": 5_000,
            "counts": {"compared": 2_000, "queued": 1_800, "settled": 1_500, "failed": 2},
        }))
        .unwrap();
        let mut pace = Pace::default();
        pace.observe(Duration::ZERO, 500, 0.2);
        pace.observe(Duration::from_secs(10), 1_500, 0.6);
        assert_eq!(
            described(&job, &pace),
            "100/s, 10 s left, failed 2, settled 1,500 of 1,800, compared 2,000 of 5,000, c\\u{1b}[2J"
        );
        let paused = Job {
            state: State::Paused,
            ..Job::default()
        };
        assert_eq!(described(&paused, &pace), "paused, compared 0");
    }
}
