//! The plugin as the host sees it.

use std::time::Duration;

use vectorizer_plugin_api::model::CollectionEvent;
use vectorizer_plugin_api::{
    Access, ChangeBatch, Fault, FaultCode, Health, Host, Plugin, Request, Responder, Response, Route, Setup,
    export_plugin,
};

use crate::config::Config;
use crate::logging;
use crate::status::Status;
use crate::sync::{Engine, LinkState};

const STATUS: &str = "/api/v1/sync/nexus/status";

/// Keeps Nexus true to the host's collections.
#[derive(Debug)]
pub struct NexusPlugin {
    engine: Engine,
}

impl Plugin for NexusPlugin {
    fn create(host: Host, setup: Setup<'_>) -> Result<Self, Fault> {
        logging::forward_to(host);
        let config = Config::from_json(setup.config)
            .map_err(|error| Fault::new(FaultCode::Invalid, error.to_string()))?;
        host.register_route(&Route::new("GET", STATUS, Access::User))?;
        Ok(Self {
            engine: Engine::open(config, host, setup.data_dir)?,
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
        responder.respond(match (request.method.as_str(), request.path.as_str()) {
            ("GET", STATUS) => match serde_json::to_value(Status::of(&self.engine)) {
                Ok(status) => Response::json(200, &status),
                Err(error) => Response::json_error(500, "internal_error", &error.to_string()),
            },
            _ => Response::json_error(404, "not_found", "no such route"),
        });
    }

    fn metrics(&self) -> Result<String, Fault> {
        let context = self.engine.context();
        context
            .metrics
            .text(context)
            .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
    }

    fn health(&self) -> Health {
        let context = self.engine.context();
        if !context.config.enabled {
            return Health {
                reason: "switched off".to_owned(),
                ..Health::healthy()
            };
        }
        match context.link.state() {
            LinkState::Ready { .. } => Health::healthy(),
            LinkState::Connecting => Health::degraded("Nexus was not reached yet"),
            LinkState::Down { reason } => Health::degraded(format!("Nexus is out of reach: {reason}")),
        }
    }

    fn stop_intake(&self) {
        self.engine.stop_intake();
    }

    fn drain(&self, deadline: Duration) -> Result<u64, Fault> {
        self.engine.drain(deadline)
    }
}

export_plugin!(NexusPlugin, name: "nexus", config_section: "nexus_integration");
