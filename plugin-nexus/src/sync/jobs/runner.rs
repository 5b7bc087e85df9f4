//! Runs the jobs, a page at a time, and orders those that nobody asks for.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::breaker::BreakerState;
use super::super::connection::Connection;
use super::super::context::Context;
use super::super::fault::StageFault;
use super::super::link::LinkState;
use super::graph::Shelf;
use super::page::{Page, Turn};
use super::record::{GraphScope, Job, JobKind, JobState, Order, Phase, Trigger};
use super::{Conditions, graph, store};
use crate::correlation;
use crate::journal::DocumentId;

/// Documents a page.
const PAGE: usize = 500;
/// How long nothing happens at the most: then it is looked whether the time has come for something.
const TICK: Duration = Duration::from_millis(500);
/// Wait before a page that failed is repeated.
const AGAIN: Duration = Duration::from_secs(1);
/// Attempts at a page of a requested job. Others are repeated until they succeed.
const ATTEMPTS: u32 = 30;
/// How often documents are looked for whose hints were dropped.
const SWEEP: Duration = Duration::from_secs(2);

/// Runs jobs until `stop` says true.
pub(in super::super) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let mut runner = Runner::begin(&context);
    loop {
        let rest = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            rest = runner.turn() => rest,
        };
        let Some(rest) = rest else { break };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            () = context.jobs.wake.notified(), if rest.is_idle() => {}
            () = context.journal.dirt(), if rest.is_idle() => {}
            () = tokio::time::sleep(rest.time()) => {}
        }
    }
    runner.save();
}

/// How long the runner rests.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// Until something happens, at most so long.
    Idle(Duration),
    /// So long, whatever happens.
    Pace(Duration),
}

impl Rest {
    fn time(self) -> Duration {
        match self {
            Self::Idle(time) | Self::Pace(time) => time,
        }
    }

    fn is_idle(self) -> bool {
        matches!(self, Self::Idle(_))
    }
}

/// Spreads documents evenly over time.
#[derive(Debug)]
struct Pace {
    per_second: u64,
    next: Instant,
}

impl Pace {
    /// How long to rest after so many documents.
    fn after(&mut self, documents: usize, now: Instant) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        let worth = Duration::from_secs_f64(documents as f64 / self.per_second as f64);
        // Time that was not used is not saved up.
        self.next = self.next.max(now) + worth;
        self.next.saturating_duration_since(now)
    }

    fn page(&self) -> usize {
        match self.per_second {
            0 => PAGE,
            rate => usize::try_from(rate).unwrap_or(PAGE).clamp(1, PAGE),
        }
    }
}

/// What is kept in memory for the job at work.
#[derive(Debug)]
struct Bench {
    number: u64,
    names: Arc<BTreeSet<String>>,
    shelf: Option<Shelf>,
    /// Attempts at the present page that failed.
    failures: u32,
}

struct Runner<'a> {
    context: &'a Arc<Context>,
    bench: Option<Bench>,
    pace: Pace,
    /// When everything is compared by the clock.
    due: Option<Instant>,
    /// The interval that this was reckoned by.
    scheduled: u64,
    swept: Instant,
    /// Documents that were not pending when it was last looked.
    suspects: HashSet<DocumentId>,
    saved: Instant,
}

impl<'a> Runner<'a> {
    fn begin(context: &'a Arc<Context>) -> Self {
        let now = Instant::now();
        let interrupted = context.jobs.take_up(&context.journal);
        let mut runner = Self {
            context,
            bench: None,
            pace: Pace {
                per_second: context.config().reconcile.documents_per_second,
                next: now,
            },
            due: None,
            scheduled: 0,
            swept: now,
            suspects: HashSet::new(),
            saved: now,
        };
        // After a clean end the journal is right about the graph, or the check of a restarted Nexus says so.
        let graph = if interrupted || !context.journal.began_clean() {
            GraphScope::Full
        } else {
            GraphScope::None
        };
        runner.order(Trigger::Start, None, graph);
        runner.schedule();
        runner
    }

    /// One page, or a rest; `None`: the store has closed.
    async fn turn(&mut self) -> Option<Rest> {
        self.tend();
        let conditions = Conditions {
            link: matches!(self.context.link.state(), LinkState::Ready(_))
                && self.context.breaker.state() == BreakerState::Closed,
            // Hints that do not fit would only make the collection dirty again.
            room: self.context.journal.waiting() <= self.context.config().sync.max_queue_size / 2,
        };
        let Some((number, job)) = self.context.jobs.pick(conditions) else {
            self.save();
            return Some(Rest::Idle(TICK));
        };
        let most = self.pace.page();
        let turn = Turn {
            number,
            most: job.order.batch_size.map_or(most, |size| size.min(most)),
            job,
        };
        let result = self.page(&turn).await;
        match result {
            Ok(page) => {
                if let Some(bench) = &mut self.bench {
                    bench.failures = 0;
                }
                let looked_at = page.looked_at;
                self.take_in(&turn, page);
                Some(Rest::Pace(self.pace.after(looked_at, Instant::now())))
            }
            Err(fault) if fault.is_closed() => None,
            Err(fault) => {
                self.failed(&turn, &fault);
                Some(Rest::Pace(AGAIN))
            }
        }
    }

    async fn page(&mut self, turn: &Turn) -> Result<Page, StageFault> {
        let context = self.context;
        let bench = match self.bench.take().filter(|bench| bench.number == turn.number) {
            Some(bench) => bench,
            None => {
                let wanted = turn.job.order.collections.clone();
                let names = context
                    .blocking(move |context| store::collections(context, wanted.as_ref()))
                    .await?;
                self.compare_texts(turn, &names);
                Bench {
                    number: turn.number,
                    names: Arc::new(names),
                    shelf: None,
                    failures: 0,
                }
            }
        };
        let bench = self.bench.insert(bench);
        match turn.job.cursor.phase {
            Phase::Store | Phase::Journal => {
                let (turn, names) = (turn.clone(), Arc::clone(&bench.names));
                context
                    .blocking(move |context| store::step(context, &turn, &names))
                    .await
            }
            Phase::Census | Phase::Graph | Phase::Draining => {
                let (LinkState::Ready(connection), Some(mut permit)) =
                    (context.link.state(), context.breaker.try_permit())
                else {
                    // It was lost a moment ago; the next turn waits for it.
                    return Ok(turn.page());
                };
                let read = if turn.job.cursor.phase == Phase::Census {
                    graph::census(context, &connection.graph, turn, &bench.names).await
                } else {
                    graph::step(context, &connection.graph, turn, &mut bench.shelf).await
                };
                match &read {
                    Ok(_) => permit.succeeded(),
                    Err(fault) => {
                        bench.shelf = None;
                        permit.met(fault);
                        report(context, &connection, fault);
                    }
                }
                read
            }
        }
    }

    /// What store and graph are compared for, the text index is compared with the store for, too. At the start it is by itself.
    fn compare_texts(&self, turn: &Turn, names: &BTreeSet<String>) {
        let order = &turn.job.order;
        if let Some(lexical) = &self.context.lexical
            && !order.dry_run
            && order.trigger != Trigger::Start
        {
            for name in names {
                lexical.compare(name);
            }
        }
    }

    fn take_in(&self, turn: &Turn, page: Page) {
        let context = self.context;
        for (finding, count) in &page.findings.counts {
            context.metrics.jobs.found(*finding, *count);
        }
        context.metrics.jobs.compared(page.findings.compared);
        if page.compared_all && !turn.job.order.dry_run {
            context.metrics.jobs.store_compared();
        }
        if let Err(error) = context.jobs.advance(&context.journal, turn.number, page) {
            tracing::warn!(job = turn.number, %error, "the record of a job could not be written");
        }
    }

    fn failed(&mut self, turn: &Turn, fault: &StageFault) {
        let failures = match &mut self.bench {
            Some(bench) => {
                bench.failures += 1;
                bench.failures
            }
            None => 1,
        };
        let end = turn.job.order.trigger == Trigger::Request && failures >= ATTEMPTS;
        tracing::warn!(
            correlation_id = turn.job.order.correlation_id,
            job = turn.number,
            %fault,
            "a page of a job failed; it is repeated"
        );
        self.context.jobs.fail(turn.number, &fault.to_string(), end);
        if end && let Some(job) = self.context.jobs.get(turn.number) {
            self.ended(turn.number, &job);
        }
    }

    /// What is to be done beside the pages.
    fn tend(&mut self) {
        if self.context.journal.take_all_dirty() {
            self.order(Trigger::Dirty, None, GraphScope::Full);
        }
        let dirty = self.context.journal.take_dirty();
        if !dirty.is_empty() {
            self.order(Trigger::Dirty, Some(dirty), GraphScope::None);
        }
        let now = Instant::now();
        let config = self.context.config();
        self.pace.per_second = config.reconcile.documents_per_second;
        if self.scheduled != config.reconcile.interval_seconds {
            self.schedule();
        }
        if self.due.is_some_and(|due| due <= now) {
            self.order(Trigger::Schedule, None, GraphScope::Full);
            self.due = self.interval().map(|interval| now + interval);
        }
        if now.saturating_duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.sweep();
        }
        for (number, job) in self.context.jobs.end_drained() {
            self.ended(number, &job);
        }
        if now.saturating_duration_since(self.saved) >= AGAIN {
            self.save();
        }
    }

    /// Lets documents go that are neither pending nor were a while ago.
    fn sweep(&mut self) {
        let tracked = self.context.jobs.on_their_way();
        let idle: HashSet<DocumentId> = self
            .context
            .journal
            .idle_among(tracked.iter())
            .into_iter()
            .collect();
        let lost: Vec<DocumentId> = idle.intersection(&self.suspects).cloned().collect();
        self.context.jobs.let_go(&lost);
        self.suspects = idle;
    }

    fn ended(&self, number: u64, job: &Job) {
        if job.order.kind == JobKind::Reconcile {
            self.context
                .metrics
                .jobs
                .ended(job.order.trigger, job.state, job.seconds());
        }
        let of_everything = job.order.graph == GraphScope::Full && job.order.collections.is_none();
        if of_everything && !job.order.dry_run && job.state == JobState::Done {
            self.context.orphans.ask();
        }
        tracing::info!(
            correlation_id = job.order.correlation_id,
            job = number,
            trigger = job.order.trigger.name(),
            state = job.state.name(),
            compared = job.findings.compared,
            nodes = job.findings.nodes,
            differences = job.findings.differences(),
            queued = job.effects.queued,
            synced = job.effects.synced,
            deleted = job.effects.deleted,
            failed = job.effects.failed,
            seconds = job.seconds(),
            "a job has ended"
        );
    }

    fn save(&mut self) {
        self.saved = Instant::now();
        if let Err(error) = self.context.jobs.save(&self.context.journal) {
            tracing::warn!(%error, "the records of jobs could not be written");
        }
    }

    fn order(&self, trigger: Trigger, collections: Option<BTreeSet<String>>, graph: GraphScope) {
        order(self.context, trigger, collections, graph);
    }

    fn interval(&self) -> Option<Duration> {
        self.context.config().reconcile.interval(rand::random())
    }

    /// The comparison by the clock is due an interval after the last one of everything, across restarts.
    fn schedule(&mut self) {
        self.scheduled = self.context.config().reconcile.interval_seconds;
        let since = self
            .context
            .jobs
            .last_of_everything()
            .map_or(Duration::ZERO, |last| {
                Timestamp::now()
                    .duration_since(last)
                    .try_into()
                    .unwrap_or(Duration::ZERO)
            });
        self.due = self
            .interval()
            .map(|interval| Instant::now() + interval.saturating_sub(since));
    }
}

/// Orders a comparison that nobody asked for.
pub(in super::super) fn order(
    context: &Context,
    trigger: Trigger,
    collections: Option<BTreeSet<String>>,
    graph: GraphScope,
) {
    let order = Order {
        trigger,
        collections,
        graph,
        ..Order::requested(JobKind::Reconcile, correlation::drawn())
    };
    if let Err(error) = context.jobs.submit(&context.journal, order) {
        tracing::error!(trigger = trigger.name(), %error, "a comparison could not be ordered");
    }
}

/// Tells the link what a read met.
fn report(context: &Context, connection: &Connection, fault: &StageFault) {
    match fault {
        StageFault::Link(error) if fault.is_of_the_way() => context.link.lost(&error.to_string()),
        StageFault::Server(error) => context.link.trip(connection, &error.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_spread_evenly_and_idle_time_is_not_saved_up() {
        let start = Instant::now();
        let mut pace = Pace {
            per_second: 100,
            next: start,
        };
        assert_eq!(pace.page(), 100);
        assert_eq!(pace.after(50, start), Duration::from_millis(500));
        // A page that took a while itself is followed by a shorter rest.
        let later = start + Duration::from_millis(600);
        assert_eq!(pace.after(50, later), Duration::from_millis(500));
        assert_eq!(
            pace.after(100, later + Duration::from_millis(400)),
            Duration::from_millis(1_100)
        );
        assert_eq!(
            pace.after(10, later + Duration::from_secs(60)),
            Duration::from_millis(100)
        );
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let now = Instant::now();
        let mut pace = Pace {
            per_second: 0,
            next: now,
        };
        assert_eq!((pace.page(), pace.after(1_000_000, now)), (PAGE, Duration::ZERO));
    }
}
