//! What a plugin implements.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::change::ChangeBatch;
use crate::fault::{Fault, FaultCode};
use crate::host::Host;
use crate::http::{Request, Responder, Response};
use crate::model::CollectionEvent;

/// What a plugin gets to know when it is created.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The plugin's section of the host's configuration as JSON, with environment references resolved.
    /// It may hold secrets.
    pub config: &'a str,
    /// A folder of the plugin's own, which exists and which only the service user may read.
    pub data_dir: &'a Path,
}

/// How well a plugin does, for people and probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Why, for a person. Never a secret.
    pub reason: String,
}

/// The verdict of a [`Health`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Does all it should.
    Healthy,
    /// Serves, but not in full: something it depends on is out of reach, work is waiting.
    Degraded,
    /// Does not do its job.
    Unhealthy,
}

impl Health {
    /// Healthy, without a remark.
    #[must_use]
    pub fn healthy() -> Self {
        Self {
            status: HealthStatus::Healthy,
            reason: String::new(),
        }
    }

    /// Degraded, and why.
    pub fn degraded(reason: impl Into<String>) -> Self {
        Self {
            status: HealthStatus::Degraded,
            reason: reason.into(),
        }
    }

    /// Unhealthy, and why.
    pub fn unhealthy(reason: impl Into<String>) -> Self {
        Self {
            status: HealthStatus::Unhealthy,
            reason: reason.into(),
        }
    }
}

/// A plugin. The host calls it from many threads at once.
///
/// Life cycle: [`create`](Self::create), then [`start`](Self::start) once the host's data is ready; hooks may
/// come from `create` on. At the end [`stop_intake`](Self::stop_intake), then [`drain`](Self::drain), after
/// which nothing is called any more. The instance is never dropped.
pub trait Plugin: Send + Sync + Sized + 'static {
    /// Builds the plugin. Routes are registered here. The store cannot be asked yet.
    ///
    /// # Errors
    /// A configuration that cannot be used ([`FaultCode::Invalid`] with a line for each fault, which begins with its key
    /// as `section.key: `); no host runs with it. Or a resource that cannot be had; the host then runs without this plugin.
    fn create(host: Host, setup: Setup<'_>) -> Result<Self, Fault>;

    /// The host's data is complete and its callbacks answer.
    ///
    /// # Errors
    /// The plugin counts as faulted then.
    fn start(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Documents changed. Called on the writer's thread after the write is durable: take note and return
    /// within microseconds. Host callbacks are refused in here.
    ///
    /// # Errors
    /// [`FaultCode::Busy`] or [`FaultCode::Closed`] where the hint could not be taken; [`FaultCode::Unsupported`] where the plugin
    /// has no use for hints: it is not told of changes any more, until it takes a new configuration.
    fn notify(&self, batch: ChangeBatch<'_>) -> Result<(), FaultCode>;

    /// Something happened to a whole collection. The rules of [`notify`](Self::notify) hold.
    ///
    /// # Errors
    /// As [`notify`](Self::notify).
    fn collection_event(&self, event: CollectionEvent<'_>) -> Result<(), FaultCode>;

    /// A request on a route that the plugin registered, authorised by the host. Return at once and answer
    /// through `responder` from a thread of your own where it takes time.
    fn http(&self, request: Request, responder: Responder) {
        let _ = request;
        responder.respond(Response::json_error(
            404,
            "not_found",
            "this plugin has no routes",
        ));
    }

    /// The plugin's metrics in the Prometheus text format, names prefixed with its own.
    ///
    /// # Errors
    /// The host leaves the plugin out of this scrape.
    fn metrics(&self) -> Result<String, Fault> {
        Ok(String::new())
    }

    /// How the plugin does.
    fn health(&self) -> Health;

    /// Takes a new configuration over while running.
    ///
    /// # Errors
    /// [`FaultCode::Invalid`] as for [`create`](Self::create), or [`FaultCode::Unsupported`]; the old one stays in force.
    fn reload(&self, config: &str) -> Result<(), Fault> {
        let _ = config;
        Err(Fault::new(
            FaultCode::Unsupported,
            "this plugin takes a new configuration at a restart only",
        ))
    }

    /// First phase of the shutdown: take no new hints. Host callbacks still answer.
    fn stop_intake(&self) {}

    /// Second phase: finish or save what is under way, end all threads, close all files. Returns what is left
    /// for the next start.
    ///
    /// # Errors
    /// Where something could not be saved.
    fn drain(&self, deadline: Duration) -> Result<u64, Fault> {
        let _ = deadline;
        Ok(0)
    }
}
