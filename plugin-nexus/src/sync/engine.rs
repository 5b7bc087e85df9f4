//! The engine: the plugin's threads, tasks and files, from opening to the end.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vectorizer_plugin_api::model::CollectionEvent;
use vectorizer_plugin_api::{ChangeBatch, Fault, FaultCode, Host};

use super::ACTOR;
use super::context::Context;
use super::keeper::Keeper;
use super::{jobs, lane, learning, poller, supervisor, sweep};
use crate::audit_log::AuditLog;
use crate::config::Config;
use crate::correlation::ChangeNames;
use crate::health;
use crate::journal::{Durability, Intake, IntakeEvent, Journal, Journaling, Stage, Unjournaled, Work, split};
use crate::kill_point::kill_point;
use crate::lexical::{self, Lexical};
use crate::metrics::Metrics;
use crate::nexus::NexusClient;
use crate::settings::Settings;
use crate::telemetry;
use crate::webhooks::outbound::{self, Outbound};

/// How long the runtime's last threads are waited for.
const RUNTIME_GRACE: Duration = Duration::from_millis(500);

/// The plugin's threads, tasks and files.
#[derive(Debug)]
pub struct Engine {
    context: Arc<Context>,
    intake: Intake,
    keeper: Keeper,
    /// Asked at every hook.
    durability: Durability,
    hook_timing: bool,
    taking: AtomicBool,
    stop: watch::Sender<bool>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    runtime: Runtime,
    tasks: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Opens the journal and takes hints from now on. Nothing is sent before [`Engine::start`].
    ///
    /// # Errors
    /// A journal that cannot be opened, or a client, thread or runtime that cannot be made.
    pub(crate) fn open(
        settings: Settings,
        config: Arc<Config>,
        host: Host,
        data_dir: &Path,
    ) -> Result<Self, Fault> {
        let internal = |error: &dyn std::fmt::Display| Fault::new(FaultCode::Internal, error.to_string());
        let metrics = Metrics::new().map_err(|error| internal(&error))?;
        let client = NexusClient::new(config.client()).map_err(|error| internal(&error))?;
        let client = client.counting(metrics.nexus.statements());
        let journal = Journal::open(&data_dir.join("journal"), config.sync.journal())
            .map_err(|error| Fault::new(FaultCode::Unavailable, error.to_string()))?;
        let outbound = Outbound::open(&config.webhooks.outbound, data_dir);
        outbound
            .tell(&journal)
            .map_err(|error| Fault::new(FaultCode::Unavailable, error.to_string()))?;
        let audit_log = AuditLog::open(&config.audit.settings(), data_dir).map_err(|error| {
            Fault::new(
                FaultCode::Unavailable,
                format!("the audit log cannot be opened: {error}"),
            )
        })?;
        let lexical = match config.enabled {
            true => Lexical::open(&config.search.lexical, data_dir),
            false => None,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("nexus-sync")
            .enable_all()
            .build()
            .map_err(|error| internal(&error))?;
        let durability = config.sync.durability;
        let hook_timing = config.telemetry.hook_timing;
        let installation = journal
            .installation()
            .map_err(|error| Fault::new(FaultCode::Unavailable, error.to_string()))?;
        let context = Context::new(
            settings,
            config,
            host,
            Arc::new(client),
            ChangeNames::of(&installation),
            journal,
            metrics,
            outbound,
            audit_log,
            lexical,
        );
        let context = Arc::new(context.map_err(|error| Fault::new(FaultCode::Invalid, error.to_string()))?);
        let intake = Intake::start(Absorber(Arc::clone(&context)), context.config().sync.overflow())
            .map_err(|error| internal(&error))?;
        let keeper = Keeper::start(Arc::clone(&context)).map_err(|error| internal(&error))?;
        Ok(Self {
            durability,
            hook_timing,
            keeper,
            taking: AtomicBool::new(context.config().enabled),
            context,
            intake,
            stop: watch::Sender::new(false),
            running: Mutex::new(Some(Running {
                runtime,
                tasks: Vec::new(),
            })),
        })
    }

    /// Starts the work: the store answers now.
    pub fn start(&self) {
        if !self.context.config().enabled {
            return;
        }
        let version = json!({"version": env!("CARGO_PKG_VERSION")});
        self.context.audit_log.record(ACTOR, "sync.started", &version);
        let Some(Running { runtime, tasks }) = &mut *self.running.lock() else {
            return;
        };
        let context = || Arc::clone(&self.context);
        let stop = || self.stop.subscribe();
        let mut spawn = |duty, task: BoxFuture| {
            let watch = Watch {
                duty,
                context: context(),
                stop: stop(),
                is_over: false,
            };
            tasks.push(runtime.spawn(async move {
                task.await;
                watch.over();
            }));
        };
        spawn("health", Box::pin(health::watch(context(), stop())));
        spawn("supervisor", Box::pin(supervisor::supervise(context(), stop())));
        spawn("sweep", Box::pin(sweep::run(context(), stop())));
        spawn("jobs", Box::pin(jobs::run(context(), stop())));
        spawn("learning", Box::pin(learning::run(context(), stop())));
        spawn("webhooks", Box::pin(outbound::run(context(), stop())));
        spawn("poller", Box::pin(poller::run(context(), stop())));
        spawn("words", Box::pin(lexical::run(context(), stop())));
        let lanes = self.context.config().sync.worker_threads;
        self.context.metrics.lanes.run(Stage::Nodes, lanes);
        for (stage, count) in [(Stage::Nodes, lanes), (Stage::Edges, 1), (Stage::Enrichment, 1)] {
            for _ in 0..count {
                spawn(stage.name(), Box::pin(lane::run(context(), stage, stop())));
            }
        }
    }

    /// Runs something beside the rest of the work. Answers whether there is still anything to run it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        match self.running.lock().as_ref() {
            Some(Running { runtime, .. }) => {
                runtime.spawn(task);
                true
            }
            None => false,
        }
    }

    /// What all parts share.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Batches of hints that found the intake full; their collections are compared instead.
    pub fn overflowed(&self) -> u64 {
        self.intake.overflowed()
    }

    /// Takes a hook's hint.
    ///
    /// # Errors
    /// [`FaultCode::Closed`] once the intake was stopped; [`FaultCode::Unsupported`] while it is switched off; with [`Durability::Group`] [`FaultCode::Unavailable`] where the
    /// hint is not on disk: the comparison at the next start finds it.
    pub fn notify(&self, batch: ChangeBatch<'_>) -> Result<(), FaultCode> {
        let queue = &self.context.metrics.queue;
        let began = self.hook_timing.then(|| queue.hook_began()).flatten();
        let taken =
            self.take(|| IntakeEvent::documents(batch.collection(), batch.ids(), batch.at_unix_micros()));
        queue.hook_ended(began);
        taken
    }

    /// Takes an event of a whole collection: it is compared with the store, both names of a renamed one.
    ///
    /// # Errors
    /// [`FaultCode::Closed`] once the intake was stopped.
    pub fn collection_event(&self, event: &CollectionEvent<'_>) -> Result<(), FaultCode> {
        match *event {
            CollectionEvent::Created(_) => Ok(()),
            CollectionEvent::Deleted(name) | CollectionEvent::Reset(name) => {
                self.take(|| IntakeEvent::Collection(name.into()))
            }
            CollectionEvent::Renamed { from, to } => {
                self.take(|| IntakeEvent::Collection(from.into()))?;
                self.take(|| IntakeEvent::Collection(to.into()))
            }
        }
    }

    fn take(&self, event: impl FnOnce() -> IntakeEvent) -> Result<(), FaultCode> {
        if self.taking.load(Ordering::Acquire) {
            if self.durability == Durability::Group {
                return self
                    .intake
                    .push_durable(event())
                    .map_err(|Unjournaled| FaultCode::Unavailable);
            }
            self.intake.push(event());
            return Ok(());
        }
        // A plugin that is switched off has no need of hints: when it is on again, everything is compared.
        Err(if self.context.config().enabled {
            FaultCode::Closed
        } else {
            FaultCode::Unsupported
        })
    }

    /// Waits until all hints that came before are journaled.
    ///
    /// # Errors
    /// [`Unjournaled`]: the storage fails, or takes too long.
    pub(crate) fn absorb_all(&self) -> Result<(), Unjournaled> {
        let nothing = IntakeEvent::documents("", [].into_iter(), 0);
        self.intake.push_durable(nothing)
    }

    /// Takes no hints any more; those taken are journaled.
    pub fn stop_intake(&self) {
        self.taking.store(false, Ordering::Release);
        self.intake.stop();
    }

    /// Ends all work. Batches under way get until `deadline` to be acknowledged; what is left waits in the journal.
    /// Returns how many documents that are.
    ///
    /// # Errors
    /// [`FaultCode::Unavailable`] where the journal could not be written out.
    pub fn drain(&self, deadline: Duration) -> Result<u64, Fault> {
        let end = Instant::now() + deadline;
        self.stop.send_replace(true);
        let Some(Running { runtime, tasks }) = self.running.lock().take() else {
            return Ok(0);
        };
        let clean = runtime.block_on(async {
            let mut clean = true;
            for mut task in tasks {
                let left = end.saturating_duration_since(Instant::now());
                if tokio::time::timeout(left, &mut task).await.is_err() {
                    task.abort();
                    clean = false;
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, supervisor::last_canary(&self.context)).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(fault)) => tracing::warn!(%fault, "the canary could not be moved"),
            }
            clean
        });
        runtime.shutdown_timeout(RUNTIME_GRACE);
        self.keeper.stop();
        self.context
            .journal
            .close(clean)
            .map_err(|error| Fault::new(FaultCode::Unavailable, error.to_string()))?;
        let left = self.context.journal.depth().total();
        let details = json!({"left": left, "clean": clean});
        self.context.audit_log.record(ACTOR, "sync.stopped", &details);
        telemetry::end(self.context.host);
        Ok(left as u64)
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sees a task die, by a panic. One that has nothing to do may end.
struct Watch {
    duty: &'static str,
    context: Arc<Context>,
    stop: watch::Receiver<bool>,
    is_over: bool,
}

impl Watch {
    /// The task came to its end.
    fn over(mut self) {
        self.is_over = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_over && !*self.stop.borrow() {
            self.context.health.died(self.duty);
            tracing::error!(
                task = self.duty,
                "a task of the plugin died; only a restart of the host brings it back"
            );
        }
    }
}

/// Ids in one call of a hook from which on it is an import rather than somebody's change.
const BULK: usize = 64;

/// Puts hints into the journal.
struct Absorber(Arc<Context>);

impl Journaling for Absorber {
    fn has_room(&self) -> bool {
        self.0.journal.has_room()
    }

    fn absorb(&self, event: IntakeEvent) {
        let Self(context) = self;
        kill_point("enqueue");
        let moment = match &event {
            IntakeEvent::Documents { at_micros, ends, .. } if !ends.is_empty() => {
                let moment = context.changes.moment(*at_micros);
                telemetry::trace_hook(context.changes.name(moment), moment);
                moment
            }
            _ => 0,
        };
        let result = match &event {
            IntakeEvent::Documents {
                collection,
                ids,
                ends,
                at_micros: _,
            } if !ends.is_empty() && context.config().syncs(collection) => {
                let journal = &context.journal;
                if let Some(lexical) = &context.lexical {
                    lexical.changed(collection, split(ids, ends));
                }
                tracing::debug!(
                    correlation_id = %context.changes.name(moment),
                    collection = %collection,
                    documents = ends.len(),
                    "changes were taken in"
                );
                let ids = split(ids, ends);
                if ends.len() < BULK {
                    journal.add(collection, ids, Work::NODE, moment)
                } else {
                    journal.add_bulk(collection, ids, Work::NODE, moment)
                }
            }
            IntakeEvent::Documents { .. } => Ok(()),
            IntakeEvent::Collection(collection) => {
                if let Some(lexical) = &context.lexical {
                    lexical.compare(collection);
                }
                context.journal.mark_dirty(collection);
                Ok(())
            }
        };
        kill_point("enqueued");
        if let Err(error) = result {
            // The hints are pending in memory. They are written when the storage is back; should the process end before,
            // the next start compares.
            context.metrics.queue.unjournaled(&error);
        }
    }

    fn flush(&self) -> bool {
        self.0.journal.flush().is_ok() && self.0.journal.condition().failure.is_none()
    }
}
