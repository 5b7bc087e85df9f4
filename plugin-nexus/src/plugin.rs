//! The plugin as the host sees it.

use std::time::Duration;

use serde::Serialize;
use vectorizer_plugin_api::model::CollectionEvent;
use vectorizer_plugin_api::{
    Access, ChangeBatch, Fault, FaultCode, Health, Host, Plugin, Request, Responder, Response, Route, Setup,
    export_plugin,
};

use crate::admin;
use crate::api::Reply;
use crate::config::Config;
use crate::logging;
use crate::search;
use crate::status::{CapabilityReport, Status};
use crate::sync::{BreakerState, Engine, LinkState};
use crate::webhooks;
use crate::webhooks::outbound;

const STATUS: &str = "/api/v1/sync/nexus/status";
const CAPABILITIES: &str = "/api/v1/sync/nexus/capabilities";

/// Keeps Nexus true to the host's collections.
#[derive(Debug)]
pub struct NexusPlugin {
    engine: Engine,
}

impl Plugin for NexusPlugin {
    fn create(host: Host, setup: Setup<'_>) -> Result<Self, Fault> {
        logging::forward_to(host);
        let config = Config::from_json(setup.config)
            .map_err(|error| Fault::new(FaultCode::Invalid, error.faults.join("\n")))?;
        for path in [STATUS, CAPABILITIES] {
            host.register_route(&Route::new("GET", path, Access::User))?;
        }
        let routes = admin::routes().chain(webhooks::routes());
        for route in routes.chain(outbound::routes()).chain(search::routes()) {
            host.register_route(&route)?;
        }
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
        let context = self.engine.context();
        match outbound::respond(context, &request).or_else(|| search::respond(context, &request)) {
            Some(Reply::Now(response)) => return responder.respond(response),
            Some(Reply::Later(response)) => {
                // Dropped where there is nothing to run it, it answers that the plugin did not.
                self.engine.spawn(async { responder.respond(response.await) });
                return;
            }
            None => {}
        }
        responder.respond(match (request.method.as_str(), request.path.as_str()) {
            ("GET", STATUS) => answer(&Status::of(&self.engine)),
            ("GET", CAPABILITIES) => answer(&CapabilityReport::of(context)),
            _ => admin::respond(context, &request)
                .or_else(|| webhooks::respond(context, &request))
                .unwrap_or_else(|| Response::json_error(404, "not_found", "no such route")),
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
        if let Some(failure) = context.journal.condition().failure {
            return Health::degraded(format!("the journal cannot be written: {failure}"));
        }
        if let Some(fault) = context.outbound.fault() {
            return Health::degraded(format!(
                "no webhooks are sent, since their file cannot be used: {fault}"
            ));
        }
        match context.link.state() {
            LinkState::Ready(_) => {
                let breaker = context.breaker.report();
                match (breaker.state, breaker.reason) {
                    (BreakerState::Closed, _) => Health::healthy(),
                    (_, reason) => Health::degraded(format!(
                        "Nexus does not do its work and is left alone for a while: {}",
                        reason.unwrap_or_default()
                    )),
                }
            }
            LinkState::Degraded { reason } => Health::degraded(format!("Nexus is not written to: {reason}")),
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

fn answer(body: &impl Serialize) -> Response {
    match serde_json::to_value(body) {
        Ok(body) => Response::json(200, &body),
        Err(error) => Response::json_error(500, "internal_error", &error.to_string()),
    }
}

export_plugin!(NexusPlugin, name: "nexus", config_section: "nexus_integration");
