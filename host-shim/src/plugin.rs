//! One plugin in the registry: its state, its counters, and guarded calls into it.
//!
//! Invariant: a plugin is called only in the states loaded and started, and after a panic never again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use vectorizer_plugin_api::handshake::Handshake;
use vectorizer_plugin_api::library::PluginInstance;
use vectorizer_plugin_api::model::CollectionEvent;
use vectorizer_plugin_api::{ChangeBatch, Fault, FaultCode, Health, Request, Responder, Response};

use crate::asking::{Late, Pending, Question};
use crate::calls::{Call, Calls, Outcome};
use crate::context::{HostContext, InsideHook};
use crate::error::LoadError;

/// Where a plugin is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum State {
    /// Named in the configuration, not running: it could not be loaded.
    Declared = 0,
    /// Created; takes hints; waits for the host's data.
    Loaded = 1,
    /// At work.
    Started = 2,
    /// It panicked or could not start; not called any more.
    Faulted = 3,
    /// Shut down.
    Stopped = 4,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [Self; 5] = [
        Self::Declared,
        Self::Loaded,
        Self::Started,
        Self::Faulted,
        Self::Stopped,
    ];

    /// The state's name in reports and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Loaded => "loaded",
            Self::Started => "started",
            Self::Faulted => "faulted",
            Self::Stopped => "stopped",
        }
    }

    fn from_number(number: u8) -> Self {
        Self::ALL
            .into_iter()
            .find(|state| *state as u8 == number)
            .unwrap_or(Self::Faulted)
    }
}

/// A plugin as an operator sees it.
#[derive(Debug, Clone, Serialize)]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: State,
    /// Why it is not at work, or what is remarkable; empty otherwise.
    pub reason: String,
    /// What it was built with, where its file could be read.
    pub handshake: Option<Handshake>,
    /// Its own word on how it does, where it can be asked and answers within half a second.
    pub health: Option<Health>,
}

/// Counters of one plugin, all since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: Calls,
    pub(crate) refused_hints: AtomicU64,
    pub(crate) panics: AtomicU64,
}

/// What it takes to call a plugin.
pub(crate) struct Running {
    pub(crate) instance: PluginInstance,
    pub(crate) context: &'static HostContext,
}

/// One entry of the registry.
pub(crate) struct PluginEntry {
    name: String,
    handshake: Option<Handshake>,
    running: Option<Running>,
    state: AtomicU8,
    reason: Mutex<String>,
    /// The class of the error for which it was not loaded.
    refusal: Option<&'static str>,
    /// Whether it said that it has no use for hints.
    deaf: AtomicBool,
    metrics: Arc<Question<Result<String, Fault>>>,
    health: Arc<Question<Result<Health, Fault>>>,
    pub(crate) counters: Counters,
}

impl PluginEntry {
    pub(crate) fn loaded(name: &str, handshake: Handshake, running: Running) -> Self {
        Self::new(name, Some(handshake), Some(running), State::Loaded, String::new())
    }

    /// One that cannot run; with its handshake where its file could be read.
    pub(crate) fn refused(name: &str, handshake: Option<Handshake>, error: &LoadError) -> Self {
        Self {
            refusal: Some(error.class()),
            ..Self::new(name, handshake, None, State::Declared, error.to_string())
        }
    }

    fn new(
        name: &str,
        handshake: Option<Handshake>,
        running: Option<Running>,
        state: State,
        reason: String,
    ) -> Self {
        Self {
            name: name.to_owned(),
            handshake,
            running,
            state: AtomicU8::new(state as u8),
            reason: Mutex::new(reason),
            refusal: None,
            deaf: AtomicBool::new(false),
            metrics: Arc::default(),
            health: Arc::default(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn state(&self) -> State {
        State::from_number(self.state.load(Ordering::Acquire))
    }

    pub(crate) fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// The class of the error for which it was not loaded.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.refusal
    }

    /// The way in, while the plugin may be called.
    pub(crate) fn callable(&self) -> Option<&Running> {
        match self.state() {
            State::Loaded | State::Started => self.running.as_ref(),
            State::Declared | State::Faulted | State::Stopped => None,
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// It is at work, unless it was stopped or faulted while it started.
    pub(crate) fn started(&self) {
        let (loaded, started) = (State::Loaded as u8, State::Started as u8);
        let _ = self
            .state
            .compare_exchange(loaded, started, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn fault(&self, reason: &str) {
        self.set_state(State::Faulted);
        reason.clone_into(&mut self.reason.lock());
        tracing::error!(
            plugin = self.name,
            reason,
            "plugin faulted; it is not called any more"
        );
    }

    /// Calls the plugin outside of a hook; a panic makes it faulted.
    pub(crate) fn call<T>(
        &self,
        call: Call,
        into: impl FnOnce(&PluginInstance) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let running = self.callable().ok_or_else(|| self.closed())?;
        let begun = Instant::now();
        let result = into(&running.instance);
        let code = result.as_ref().map(drop).map_err(|fault| fault.code);
        self.counters
            .calls
            .record(call, Outcome::of(code), begun.elapsed());
        result.inspect_err(|fault| {
            if fault.code == FaultCode::Panicked {
                self.panicked(&fault.message);
            }
        })
    }

    fn closed(&self) -> Fault {
        let state = self.state().name();
        Fault::new(
            FaultCode::Closed,
            format!("the plugin '{}' is {state}", self.name),
        )
    }

    /// Whether it is to be told of changes.
    pub(crate) fn listens(&self) -> bool {
        !self.deaf.load(Ordering::Acquire) && self.callable().is_some()
    }

    /// It may want hints again.
    pub(crate) fn listen(&self) {
        self.deaf.store(false, Ordering::Release);
    }

    /// Hands a batch over. Never fails the writer: a hint that is not taken is counted.
    pub(crate) fn notify(&self, batch: ChangeBatch<'_>) {
        let Some(running) = self.callable().filter(|_| self.listens()) else {
            return;
        };
        self.hook(Call::Notify, batch.len(), || running.instance.notify(batch));
    }

    pub(crate) fn collection_event(&self, event: &CollectionEvent<'_>) {
        let Some(running) = self.callable().filter(|_| self.listens()) else {
            return;
        };
        self.hook(Call::CollectionEvent, 1, || {
            running.instance.collection_event(event)
        });
    }

    fn hook(&self, call: Call, hints: usize, into: impl FnOnce() -> Result<(), FaultCode>) {
        let begun = Instant::now();
        let taken = {
            let _inside = InsideHook::enter();
            into()
        };
        self.counters
            .calls
            .record(call, Outcome::of(taken), begun.elapsed());
        match taken {
            Ok(()) => {}
            Err(FaultCode::Panicked) => self.panicked("a panic inside a hook"),
            Err(FaultCode::Unsupported) => self.deaf.store(true, Ordering::Release),
            Err(code) => {
                let before = self
                    .counters
                    .refused_hints
                    .fetch_add(hints as u64, Ordering::Relaxed);
                if before == 0 {
                    tracing::warn!(plugin = self.name, %code, "the plugin refuses hints; see its status");
                }
            }
        }
    }

    pub(crate) fn http(&self, request: Request, responder: Responder) {
        if self.callable().is_none() {
            let message = self.closed().message;
            return responder.respond(Response::json_error(503, "plugin_unavailable", &message));
        }
        // After a fault the responder has answered already: the plugin's end dropped it.
        let _ = self.call(Call::Http, |instance| instance.http(request, responder));
    }

    /// Asks for its metrics, unless it owes them.
    pub(crate) fn ask_metrics(self: &Arc<Self>) -> Pending<Result<String, Fault>> {
        let entry = Arc::clone(self);
        self.metrics.put("plugin-metrics", move || {
            entry.call(Call::Metrics, PluginInstance::metrics)
        })
    }

    /// Asks how it does, unless it owes an answer to that.
    pub(crate) fn ask_health(self: &Arc<Self>) -> Pending<Result<Health, Fault>> {
        let entry = Arc::clone(self);
        self.health.put("plugin-health", move || {
            entry.call(Call::Health, PluginInstance::health)
        })
    }

    fn panicked(&self, message: &str) {
        self.counters.panics.fetch_add(1, Ordering::Relaxed);
        self.fault(&format!("panicked: {message}"));
    }

    /// First phase of the shutdown.
    pub(crate) fn stop_intake(&self) {
        if let Err(fault) = self.call(Call::StopIntake, PluginInstance::stop_intake)
            && fault.code != FaultCode::Closed
        {
            tracing::warn!(plugin = self.name, %fault, "stopping the intake failed");
        }
    }

    /// Second phase; afterwards the plugin's callbacks answer `Closed`.
    pub(crate) fn drain(&self, deadline: Duration) {
        match self.call(Call::Drain, |instance| instance.drain(deadline)) {
            Ok(0) => tracing::info!(plugin = self.name, "plugin drained"),
            Ok(left) => tracing::info!(
                plugin = self.name,
                left,
                "plugin stopped; the rest waits for the next start"
            ),
            Err(fault) if fault.code == FaultCode::Closed => {}
            Err(fault) => tracing::error!(plugin = self.name, %fault, "draining failed"),
        }
        if let Some(running) = &self.running {
            running.context.close();
        }
        if self.callable().is_some() {
            self.set_state(State::Stopped);
        }
    }

    /// The report, with what came of asking for its health; `None` where it was not asked.
    pub(crate) fn report(&self, health: Option<Pending<Result<Health, Fault>>>) -> PluginReport {
        // Waited for first: the answer may change state and reason, whose lock must not be held then.
        let health = health.map(Pending::wait);
        let mut reason = self.reason.lock().clone();
        if let Some(Err(Late)) = health
            && reason.is_empty()
        {
            "it is late to say how it does".clone_into(&mut reason);
        }
        PluginReport {
            name: self.name.clone(),
            state: self.state(),
            reason,
            handshake: self.handshake.clone(),
            health: health.and_then(Result::ok).and_then(Result::ok),
        }
    }
}
