//! The plugin as the host sees it.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;
use vectorizer_plugin_api::model::CollectionEvent;
use vectorizer_plugin_api::{
    ChangeBatch, Fault, FaultCode, Health, Host, Plugin, Request, Responder, Setup, export_plugin,
};

use crate::admin;
use crate::api::{ApiError, Reply, Router};
use crate::health::{self, Verdict};
use crate::page;
use crate::search;
use crate::settings::{Environment, Settings, SettingsError};
use crate::sync::{ACTOR, Engine};
use crate::telemetry;
use crate::webhooks;
use crate::webhooks::outbound;

/// How long a reload may take: it waits for batches at work.
const RELOAD: Duration = Duration::from_secs(120);

/// Keeps Nexus true to the host's collections.
#[derive(Debug)]
pub struct NexusPlugin {
    router: Router,
    engine: Engine,
}

impl Plugin for NexusPlugin {
    fn create(host: Host, setup: Setup<'_>) -> Result<Self, Fault> {
        let opened = telemetry::forwarding(host, || {
            let environment = Environment::read(|name| std::env::var(name).ok())?;
            Settings::open(setup.config, environment, setup.data_dir)
        });
        let (settings, config) = opened.map_err(|error: SettingsError| fault_of(&error))?;
        telemetry::start(host, &config.telemetry)
            .map_err(|error| Fault::new(FaultCode::Invalid, error.to_string()))?;
        let endpoints = admin::endpoints()
            .chain(search::endpoints())
            .chain(outbound::endpoints())
            .chain(webhooks::endpoints())
            .chain(page::endpoints());
        let router = Router::new(endpoints.collect());
        for route in router.routes() {
            host.register_route(&route)?;
        }
        Ok(Self {
            router,
            engine: Engine::open(settings, config, host, setup.data_dir)?,
        })
    }

    fn start(&self) -> Result<(), Fault> {
        self.engine.start();
        Ok(())
    }

    fn notify(&self, batch: ChangeBatch<'_>) -> Result<(), FaultCode> {
        self.engine.notify(batch)
    }

    fn collection_event(&self, event: CollectionEvent<'_>) -> Result<(), FaultCode> {
        self.engine.collection_event(&event)
    }

    fn http(&self, request: Request, responder: Responder) {
        match self.router.answer(&self.engine, &request) {
            Reply::Now(response) => responder.respond(response),
            Reply::Later(response) => {
                // Dropped where there is nothing to run it, it answers that the plugin did not.
                self.engine.spawn(async { responder.respond(response.await) });
            }
        }
    }

    fn metrics(&self) -> Result<String, Fault> {
        let metrics = &self.engine.context().metrics;
        metrics
            .text(&self.engine)
            .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
    }

    fn health(&self) -> Health {
        let health = health::Health::of(self.engine.context());
        let reason = health.reason.unwrap_or_default();
        match health.status {
            Verdict::Healthy if !self.engine.context().config().enabled => Health {
                reason: "switched off".to_owned(),
                ..Health::healthy()
            },
            Verdict::Healthy => Health::healthy(),
            Verdict::Degraded => Health::degraded(reason),
            Verdict::Unhealthy => Health::unhealthy(reason),
        }
    }

    /// What can change while the plugin runs counts when this returns; what cannot is told in the log and by `GET /config`.
    fn reload(&self, config: &str) -> Result<(), Fault> {
        let context = Arc::clone(self.engine.context());
        let section = config.to_owned();
        let (done, result) = mpsc::channel();
        self.engine.spawn(async move {
            let changed = admin::change(&context, false, move |settings| {
                settings.propose_section(&section)
            })
            .await;
            if let Ok(changes) = &changed {
                let details = json!({"changes": changes});
                context.audit_log.record(ACTOR, "config.reloaded", &details);
            }
            let later = context.settings.restart_needed();
            if !later.is_empty() {
                tracing::warn!(keys = ?later, "these settings count only after a restart");
            }
            // Who asked may have given up.
            let _ = done.send(changed.map(drop));
        });
        match result.recv_timeout(RELOAD) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ApiError::Settings(error))) => Err(fault_of(&error)),
            Ok(Err(error)) => Err(Fault::new(FaultCode::Unavailable, error.to_string())),
            Err(_) => Err(Fault::new(
                FaultCode::Unavailable,
                "the settings did not count in time: what is at work does not end",
            )),
        }
    }

    fn stop_intake(&self) {
        self.engine.stop_intake();
    }

    fn drain(&self, deadline: Duration) -> Result<u64, Fault> {
        self.engine.drain(deadline)
    }
}

fn fault_of(error: &SettingsError) -> Fault {
    let code = match error {
        SettingsError::Config(_) | SettingsError::Pinned { .. } | SettingsError::Secret(_) => {
            FaultCode::Invalid
        }
        SettingsError::Unusable { .. } | SettingsError::Write(_) => FaultCode::Unavailable,
    };
    // A host tells each fault in a line of its own.
    let message = match error {
        SettingsError::Config(error) => error.faults.join("\n"),
        error => error.to_string(),
    };
    Fault::new(code, message)
}

export_plugin!(NexusPlugin, name: "nexus", config_section: "nexus_integration");
