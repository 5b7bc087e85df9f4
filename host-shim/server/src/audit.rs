//! What concerns the server's security, in its audit log: `audit.jsonl` in the data folder.
//!
//! | action | actor | when |
//! | --- | --- | --- |
//! | `server.started`, `server.stopped` | `server` | |
//! | `plugin.refused` | `server` | a plugin does not run: its file, its handshake or its configuration was refused |
//! | `call.denied` | the caller's name, or `anonymous` | a request was answered 401 or 403; once a minute for each, with how often it was and the last one |
//! | `config.reloaded` | who asked for it | the configuration file was read again |
//!
//! Invariant: no key and no body is in it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::map_response_with_state;
use axum::response::Response;
use serde_json::json;
use vectorizer_audit_log::{AuditLog, Settings};
use vectorizer_host_shim::http::Denied;
use vectorizer_host_shim::{PluginHost, State as PluginState};

use crate::reload::Reloaded;

/// The server, as one who does something.
const SERVER: &str = "server";

/// The server's audit log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit(Arc<AuditLog>);

impl Audit {
    /// Opens the log in the data folder, which is there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(data_dir: &Path) -> std::io::Result<Self> {
        AuditLog::open(&Settings::default(), data_dir).map(|log| Self(Arc::new(log)))
    }

    /// The server serves, with these plugins.
    pub fn started(&self, host: &PluginHost) {
        self.0.record(
            SERVER,
            "server.started",
            &json!({"version": env!("CARGO_PKG_VERSION")}),
        );
        let refused = host.reports().into_iter();
        for report in refused.filter(|report| report.state == PluginState::Declared) {
            let details = json!({"plugin": report.name, "reason": report.reason});
            self.0.record(SERVER, "plugin.refused", &details);
        }
    }

    /// The server does not serve any more.
    pub fn stopped(&self) {
        self.0.record(SERVER, "server.stopped", &json!({}));
    }

    /// The configuration file was read again, as `by` asked.
    pub fn reloaded(&self, by: &str, what: &Reloaded) {
        self.0.record(by, "config.reloaded", &json!(what));
    }

    /// Takes note of requests that are denied.
    pub fn watch(&self, router: Router) -> Router {
        router.layer(map_response_with_state(self.clone(), take_note))
    }
}

async fn take_note(State(Audit(log)): State<Audit>, response: Response) -> Response {
    if let Some(Denied { caller, method, path }) = response.extensions().get() {
        let reason = match response.status() {
            StatusCode::UNAUTHORIZED => "no known key",
            _ => "not an administrator",
        };
        let actor = if caller.is_empty() { "anonymous" } else { caller };
        let details = json!({"method": method, "path": path});
        log.record_repeated(actor, "call.denied", reason, &details);
    }
    response
}
