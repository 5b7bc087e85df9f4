//! Brings the link up, and keeps watch over it.
//!
//! One look at `/health` a second. Another process than the one known is met in this order, and nothing is written before
//! its turn: check what is there ([`audit`]), find out what the server can do ([`probe`]), make the indexes, move the canary,
//! begin a new epoch of the journal and hint what the check found; then lanes may go on. A process that must not be written to is
//! looked at again after a while ([`CoolDown`]); one whose file is damaged stays so until it is another. A Nexus that answers
//! `/health` and not the statements of the check or the probe is left to the [breaker](super::breaker) like one that does not
//! take batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::audit::{audit, repair};
use super::breaker::BreakerState;
use super::connection::Connection;
use super::context::Context;
use super::cool_down::CoolDown;
use super::fault::StageFault;
use super::jobs::{self, GraphScope, Trigger};
use super::link::LinkState;
use crate::graph::canary::{Canary, CanaryState};
use crate::graph::probe::{ProbeSettings, ServerFacts, probe};
use crate::graph::{Capabilities, Graph, GraphError};
use crate::journal::CheckedServer;
use crate::nexus::{FaultClass, LONGEST_PAUSE, Process, Session};

/// How often a Nexus that answers is looked at.
const WATCH: Duration = Duration::from_secs(1);
/// First wait after a failed attempt to reach it.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The canary is moved at most so often: each time adds its record to the server's file.
const CANARY_INTERVAL: Duration = Duration::from_secs(30);
/// Statements of a probe, about: where their rate is limited, it is given the time for them.
const PROBE_STATEMENTS: f64 = 150.0;
/// How exactly the start of a process is known from wall clocks.
const START_TOLERANCE: Duration = Duration::from_secs(2);

/// Watches until `stop` says true.
pub(super) async fn supervise(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let cap = Duration::from_millis(context.config().sync.max_retry_delay_ms);
    let mut supervisor = Supervisor::new(&context);
    let mut wait = FIRST_WAIT;
    while !*stop.borrow_and_update() {
        let pause = tokio::select! {
            biased;
            _ = stop.changed() => continue,
            seen = context.client.look() => match seen {
                Ok(process) => {
                    wait = FIRST_WAIT;
                    supervisor.meet(process).await
                }
                Err(error) => {
                    supervisor.out_of_reach(&error.to_string());
                    // Fifty to a hundred percent, so that several plugins do not come back at once.
                    let jittered = wait.mul_f64(rand::random_range(0.5..=1.0));
                    wait = (wait * 2).min(cap);
                    match error.class() {
                        FaultClass::Overloaded { retry_after: Some(asked) } => jittered.max(asked.min(LONGEST_PAUSE)),
                        _ => jittered,
                    }
                }
            },
        };
        let up = matches!(context.link.state(), LinkState::Ready(_));
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(pause) => {}
            () = context.link.left(), if up => tokio::time::sleep(FIRST_WAIT).await,
        }
    }
}

struct Supervisor<'a> {
    context: &'a Arc<Context>,
    /// The process seen last, as exactly as its start is known.
    process: Option<Process>,
    /// Whether another process was seen since this host started.
    changed: bool,
    connection: Option<Arc<Connection>>,
    /// Why the present process must not be written to, whatever it may answer.
    damage: Option<String>,
    /// Why the present process must not be written to for now, and when it is looked at again.
    refused: Option<(String, Instant)>,
    cool_down: CoolDown,
    canary_moved: Instant,
}

impl<'a> Supervisor<'a> {
    fn new(context: &'a Arc<Context>) -> Self {
        Self {
            context,
            process: None,
            changed: false,
            connection: None,
            damage: None,
            refused: None,
            cool_down: CoolDown::new(),
            canary_moved: Instant::now(),
        }
    }

    fn out_of_reach(&mut self, reason: &str) {
        match &self.damage {
            Some(damage) => self
                .context
                .link
                .degrade(&format!("{damage} (now out of reach: {reason})")),
            None => self.context.link.out_of_reach(reason),
        }
    }

    /// Takes a look at `/health` in; answers when to look again.
    async fn meet(&mut self, seen: Process) -> Duration {
        if !seen.is_settled() {
            // Too young to be told from a process that starts after it.
            self.forget();
            self.context.link.set_down("Nexus has just started");
            return FIRST_WAIT;
        }
        match &self.process {
            Some(known) if known.is_same(&seen) => {
                if let Some(connection) = &self.connection {
                    connection.graph.session().observe(&seen);
                }
                self.process = Some(known.narrowed(&seen));
            }
            known => {
                if known.is_some() {
                    tracing::warn!(
                        version = seen.version(),
                        "Nexus is another process; what it holds is checked before anything is written"
                    );
                }
                self.forget();
                self.process = Some(seen);
            }
        }
        let result = self.proceed().await;
        self.conclude(result)
    }

    /// What is known holds for another process.
    fn forget(&mut self) {
        if self.process.take().is_some() {
            self.changed = true;
        }
        if let Some(connection) = self.connection.take() {
            connection.graph.session().end();
            self.context.link.lost("Nexus was restarted");
        }
        self.damage = None;
        self.refused = None;
        self.cool_down = CoolDown::new();
        self.context.breaker.reset();
    }

    async fn proceed(&mut self) -> Result<(), StageFault> {
        if let Some(damage) = &self.damage {
            self.context.link.degrade(damage);
            return Ok(());
        }
        if let Some(connection) = self.connection.clone() {
            if !connection.graph.session().is_ended() {
                if !matches!(self.context.link.state(), LinkState::Ready(_)) {
                    self.context.link.set_ready(Arc::clone(&connection));
                }
                return match self.context.gate.is_paused() {
                    true => Ok(()),
                    false => self.tend_canary(&connection).await,
                };
            }
            // A lane ended it, for what Nexus did.
            let reason = self.context.link.state().reason().unwrap_or_default().to_owned();
            self.refuse(reason);
        }
        if let Some((reason, again)) = &self.refused
            && Instant::now() < *again
        {
            self.context.link.degrade(reason);
            return Ok(());
        }
        match self.process.clone() {
            // To find out what it can do, something has to be written.
            Some(process) if !self.context.gate.is_paused() => self.try_to_establish(process).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Establishes a connection, where the breaker lets it.
    async fn try_to_establish(&mut self, process: Process) -> Result<(), StageFault> {
        let Some(mut permit) = self.context.breaker.try_permit() else {
            return Ok(());
        };
        let result = self.establish(process).await;
        match &result {
            Ok(()) => permit.succeeded(),
            Err(fault) => permit.met(fault),
        }
        result
    }

    fn conclude(&mut self, result: Result<(), StageFault>) -> Duration {
        match result {
            Ok(()) => WATCH,
            Err(fault @ StageFault::Link(_)) => {
                // One that is there and fails has its connection still; the breaker sees to it.
                if fault.is_of_the_way() || self.connection.is_none() {
                    self.context.link.lost(&fault.to_string());
                }
                if fault.is_of_the_way() { FIRST_WAIT } else { WATCH }
            }
            Err(StageFault::Server(error) | StageFault::Rejected(error)) => {
                self.refuse(error.to_string());
                WATCH
            }
            Err(fault) => {
                tracing::error!(%fault, "Nexus cannot be checked");
                self.context.link.lost(&fault.to_string());
                WATCH
            }
        }
    }

    /// The process must not be written to for now.
    fn refuse(&mut self, reason: String) {
        if let Some(connection) = self.connection.take() {
            connection.graph.session().end();
        }
        self.context.link.degrade(&reason);
        self.refused = Some((reason, self.cool_down.refused(Instant::now())));
    }

    async fn establish(&mut self, process: Process) -> Result<(), StageFault> {
        let context = self.context;
        let session = context
            .client
            .session(process.clone())
            .map_err(GraphError::from)?;
        let remembered = context.journal.checked_server()?;
        let known = !self.changed
            && remembered
                .as_ref()
                .is_some_and(|server| is_remembered(server, &process));
        let report = if known {
            None
        } else {
            // From now on no process counts as checked, whatever becomes of this run.
            if let Some(server) = &remembered {
                context.journal.set_checked_server(&CheckedServer {
                    started_millis: None,
                    ..server.clone()
                })?;
            }
            let report = audit(context, &session, remembered.as_ref()).await?;
            let report = Arc::new(report);
            context.link.set_audit(Arc::clone(&report));
            context.metrics.nexus.audited(&report);
            if let Some(damage) = &report.damage {
                tracing::error!(keys = ?report.keys, missing = report.missing, "{damage}");
                session.end();
                context.link.degrade(damage);
                self.damage = Some(damage.clone());
                return Ok(());
            }
            Some(report)
        };

        let graph = self.probe(&session).await?;
        let Some((graph, capabilities)) = graph else {
            session.end();
            return Ok(());
        };
        graph.ensure_indexes().await?;
        move_canary(context, &graph).await?;
        self.canary_moved = Instant::now();

        let unreadable = match &report {
            Some(report) => {
                context.journal.next_epoch()?;
                repair(context, report)?;
                if report.missing + report.stale + report.unknown > 0 {
                    tracing::warn!(
                        documents = report.documents,
                        missing = report.missing,
                        stale = report.stale,
                        unknown = report.unknown,
                        keys = ?report.keys,
                        "Nexus does not hold what was written to it; it is synced again"
                    );
                }
                // The check looked for what the journal knows. What else there is, and what changed in the store:
                if remembered.is_some() {
                    jobs::order(context, Trigger::NexusRestart, None, GraphScope::Census);
                }
                report.unreadable.unwrap_or_default()
            }
            None => remembered.map_or(0, |server| server.unreadable),
        };
        context.journal.set_checked_server(&CheckedServer {
            version: process.version().to_owned(),
            started_millis: Some(process.started_at().as_millisecond()),
            unreadable,
        })?;
        self.changed = false;
        let connection = Connection::new(graph, capabilities, context.config().verify.first_batches);
        let connection = Arc::new(connection);
        self.connection = Some(Arc::clone(&connection));
        self.refused = None;
        self.cool_down.serves(Instant::now());
        context.link.set_ready(connection);
        Ok(())
    }

    /// Finds out what the server can do; `None` where that is not enough.
    async fn probe(
        &mut self,
        session: &Arc<Session>,
    ) -> Result<Option<(Graph, Arc<Capabilities>)>, StageFault> {
        let context = self.context;
        let labels = context.client.labels().await.map_err(GraphError::from)?;
        let stats = context.client.stats().await.map_err(GraphError::from)?;
        let facts = ServerFacts {
            labels,
            label_count: stats.label_count,
            rel_count: stats.rel_count,
        };
        let settings = ProbeSettings::default();
        let pace = context.client.pace().report();
        let slowed = pace.statements_per_second.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(PROBE_STATEMENTS / rate)
        });
        let settings = ProbeSettings {
            limit: settings.limit + slowed,
            ..settings
        };
        let capabilities = Arc::new(probe(session, &facts, settings).await?);
        context.link.set_capabilities(Arc::clone(&capabilities));
        let missing = capabilities.missing();
        tracing::info!(
            version = capabilities.version,
            probe_ms = capabilities.took.as_millis() as u64,
            capabilities = capabilities.summary(),
            "Nexus was probed"
        );
        if missing.is_empty() {
            let graph = Graph::new(Arc::clone(session), capabilities.forms);
            return Ok(Some((graph, capabilities)));
        }
        self.refuse(format!(
            "this Nexus ({}) has no right form of: {}",
            capabilities.version,
            missing.join(", ")
        ));
        Ok(None)
    }

    /// Moves the canary behind what was written since. Where no lane has work to find out with whether Nexus does its work
    /// again, the canary does.
    async fn tend_canary(&mut self, connection: &Connection) -> Result<(), StageFault> {
        let context = self.context;
        let due = match context.breaker.state() {
            BreakerState::Closed => {
                self.canary_moved.elapsed() >= CANARY_INTERVAL && connection.take_written()
            }
            BreakerState::HalfOpen => context.journal.waiting() == 0,
            BreakerState::Open => false,
        };
        if !due {
            return Ok(());
        }
        let Some(mut permit) = context.breaker.try_permit() else {
            connection.mark_written();
            return Ok(());
        };
        self.canary_moved = Instant::now();
        let moved = move_canary(context, &connection.graph).await;
        match &moved {
            Ok(()) => permit.succeeded(),
            Err(fault) => {
                connection.mark_written();
                permit.met(fault);
            }
        }
        moved
    }
}

/// Moves the canary behind the last writes of a run.
///
/// # Errors
/// [`StageFault`]; the next check is then less sure of the last documents.
pub(super) async fn last_canary(context: &Context) -> Result<(), StageFault> {
    let LinkState::Ready(connection) = context.link.state() else {
        return Ok(());
    };
    if context.breaker.state() == BreakerState::Closed && connection.take_written() {
        move_canary(context, &connection.graph).await?;
    }
    Ok(())
}

async fn move_canary(context: &Context, graph: &Graph) -> Result<(), StageFault> {
    let canary = Canary::of(&context.journal.installation()?).map_err(GraphError::from)?;
    let from = match graph.canary(&canary).await? {
        CanaryState::Sound(perch) => Some(perch),
        // No restart took it, or the audit would have said so: somebody removed it.
        CanaryState::Lost | CanaryState::Absent => None,
    };
    let moved = graph
        .move_canary(&canary, from, context.journal.canary()?)
        .await?;
    Ok(context.journal.set_canary(moved.number)?)
}

/// Whether a process is the one that was checked in an earlier run of the host.
fn is_remembered(server: &CheckedServer, process: &Process) -> bool {
    let started = server
        .started_millis
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    started.is_some_and(|started| {
        server.version == process.version() && process.matches_wall_clock(started, START_TOLERANCE)
    })
}
