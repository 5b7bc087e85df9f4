//! Reading the configuration file again while the server runs, at SIGHUP or by request.
//!
//! Invariants:
//! - A file that cannot be read, or in which the server finds a fault, changes nothing.
//! - Reloads happen one after the other, each with the file as it is then; one that has begun is done to its end,
//!   also where nobody waits for it any more.
//! - Plugins take over their sections. `server` and `plugins` stay as they were at the start; which of their keys
//!   are other ones now is told, their values are not.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use tokio::signal::unix::Signal;
use tokio::sync::Mutex;
use vectorizer_host_shim::PluginHost;
use vectorizer_plugin_api::model::JsonMap;
use vectorizer_plugin_api::{Fault, FaultCode};

use crate::audit::Audit;
use crate::auth::{Access, Caller, require_admin};
use crate::correlation::spawn_blocking;
use crate::rest::{ApiError, method_not_allowed};
use crate::settings::{Draft, Said, Settings, SettingsError};

/// Longest body of a request, in bytes: there is nothing to say in it.
const BODY_LIMIT: usize = 4096;

/// What became of a plugin's section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The plugin works by it now.
    Applied,
    /// The plugin finds it wrong, or cannot be asked. The old one stays in force.
    Refused,
    /// The plugin takes another one at a restart only.
    Unsupported,
}

/// What became of the section of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginAnswer {
    /// The plugin.
    pub name: String,
    /// What became of it.
    pub state: Answer,
    /// Why it was not applied, empty otherwise. Never a secret.
    pub reason: String,
}

/// What became of a file that was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// The plugins that this server was started with.
    pub plugins: Vec<PluginAnswer>,
    /// Keys of `server` and `plugins` that have another value than at the start, as `server.bind`. They need a
    /// restart.
    pub restart_needed: Vec<String>,
}

/// Reads the configuration file again for a running server.
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
    said: Said,
    started: Settings,
    host: Arc<PluginHost>,
    audit: Audit,
    turn: Arc<Mutex<()>>,
}

impl Reloader {
    /// For a server that was started with these settings out of `file`, and what was `said` beside it.
    #[must_use]
    pub fn new(file: PathBuf, said: Said, started: Settings, host: Arc<PluginHost>, audit: Audit) -> Self {
        Self {
            file,
            said,
            started,
            host,
            audit,
            turn: Arc::default(),
        }
    }

    /// Reads the file and hands each running plugin its section. `by` says who wants it, for the log.
    ///
    /// # Errors
    /// [`ApiError::Settings`] where the file cannot be read or is wrong; nothing is changed then.
    pub async fn reload(self: &Arc<Self>, by: &str) -> Result<Reloaded, ApiError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (reloader, by) = (Arc::clone(self), by.to_owned());
        let done = spawn_blocking(move || {
            let _turn = turn;
            reloader.reload_now(&by)
        });
        let done = done
            .await
            .map_err(|error| ApiError::Internal(error.to_string()))?;
        done.map_err(ApiError::Settings)
    }

    /// Reloads at each of these signals, for ever.
    pub async fn at_signals(self: Arc<Self>, mut signals: Signal) {
        while signals.recv().await.is_some() {
            // What came of it is in the log.
            let _ = self.reload("SIGHUP").await;
        }
    }

    fn reload_now(&self, by: &str) -> Result<Reloaded, SettingsError> {
        let settings = self.read().inspect_err(|error| {
            tracing::error!(by, %error, "configuration not taken over: nothing is changed");
        })?;
        let plugins = self.host.names().into_iter();
        let reloaded = Reloaded {
            plugins: plugins.map(|name| self.hand_over(name, &settings)).collect(),
            restart_needed: self.started.differences(&settings),
        };
        reloaded.log(by);
        self.audit.reloaded(by, &reloaded);
        Ok(reloaded)
    }

    /// The file as it would be at a start, but for what plugins find when they are asked.
    fn read(&self) -> Result<Settings, SettingsError> {
        let mut draft = Draft::read(&self.file, &self.said)?;
        draft.check_sections(&self.host.config_sections());
        let faults = self.host.section_faults(draft.plugins(), draft.document());
        draft.add(faults);
        draft.finish()
    }

    fn hand_over(&self, name: &str, settings: &Settings) -> PluginAnswer {
        let (state, reason) = if settings.plugins.enabled.iter().any(|enabled| enabled == name) {
            match self.host.reload(name, &settings.document) {
                Ok(()) => (Answer::Applied, String::new()),
                Err(fault) => told(&fault),
            }
        } else {
            let reason = "it is not enabled any more, and runs as before until a restart";
            (Answer::Unsupported, reason.to_owned())
        };
        PluginAnswer {
            name: name.to_owned(),
            state,
            reason,
        }
    }
}

fn told(fault: &Fault) -> (Answer, String) {
    let state = match fault.code {
        FaultCode::Unsupported => Answer::Unsupported,
        FaultCode::Invalid
        | FaultCode::Closed
        | FaultCode::Busy
        | FaultCode::NotFound
        | FaultCode::Unavailable
        | FaultCode::Panicked
        | FaultCode::Reentrant
        | FaultCode::Internal => Answer::Refused,
    };
    // A plugin tells its faults line by line.
    let lines: Vec<&str> = fault.message.lines().filter(|line| !line.is_empty()).collect();
    let reason = match lines.is_empty() {
        true => fault.code.to_string(),
        false => lines.join("; "),
    };
    (state, reason)
}

impl Reloaded {
    fn log(&self, by: &str) {
        for PluginAnswer { name, state, reason } in &self.plugins {
            match state {
                Answer::Applied => tracing::info!(plugin = name, "the plugin took its configuration over"),
                Answer::Refused => {
                    tracing::error!(plugin = name, reason, "the plugin refused its configuration");
                }
                Answer::Unsupported => {
                    tracing::warn!(
                        plugin = name,
                        reason,
                        "the plugin's configuration needs a restart"
                    );
                }
            }
        }
        let restart_needed = self.restart_needed.join(", ");
        tracing::info!(by, restart_needed, "configuration read again");
    }
}

/// `POST /api/v1/plugins/reload`, for the administrator.
pub fn router(reloader: &Arc<Reloader>, access: &Access) -> Router {
    Router::new()
        .route("/api/v1/plugins/reload", post(reload))
        .route_layer(from_fn_with_state(access.clone(), require_admin))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::clone(reloader))
}

async fn reload(
    State(reloader): State<Arc<Reloader>>,
    caller: Caller,
    body: Body,
) -> Result<Json<Reloaded>, ApiError> {
    let body = to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|_| ApiError::BodyTooLarge { limit: BODY_LIMIT })?;
    refuse_words(&body)?;
    reloader.reload(&caller.name).await.map(Json)
}

/// There are no options yet: one that is given would be passed over in silence.
fn refuse_words(body: &[u8]) -> Result<(), ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let object: JsonMap = serde_json::from_slice(body)
        .map_err(|_| ApiError::Parse("the request body must be empty or {}".to_owned()))?;
    match object.keys().next() {
        None => Ok(()),
        Some(field) => Err(ApiError::Validation {
            field: field.clone(),
            reason: "unknown field; the request body must be empty or {}".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_answer_is_told_by_its_fault() {
        let fault = |code, message: &str| told(&Fault::new(code, message));
        assert_eq!(
            fault(FaultCode::Unsupported, "at a restart only"),
            (Answer::Unsupported, "at a restart only".to_owned())
        );
        assert_eq!(
            fault(FaultCode::Invalid, "a: x\nb: y\n"),
            (Answer::Refused, "a: x; b: y".to_owned())
        );
        assert_eq!(fault(FaultCode::Busy, ""), (Answer::Refused, "busy".to_owned()));
    }

    #[test]
    fn a_body_with_words_is_refused() {
        for nothing in ["", " \n", "{}", " { } "] {
            refuse_words(nothing.as_bytes()).unwrap();
        }
        for words in ["[]", "null", "{", "x"] {
            let refused = refuse_words(words.as_bytes());
            assert!(matches!(refused, Err(ApiError::Parse(_))), "{words}");
        }
        let refused = refuse_words(b"{\"plugin\": \"nexus\"}");
        assert!(matches!(refused, Err(ApiError::Validation { field, .. }) if field == "plugin"));
    }
}
