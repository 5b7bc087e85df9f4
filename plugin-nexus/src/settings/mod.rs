//! The settings: where they come from, what was wanted and what counts.
//!
//! ```text
//! configuration file  <-  set by request (settings.json)  <-  environment        each over the one before
//! ```
//!
//! Invariants:
//! - what is wanted was read and checked as a whole before any of it counts; what is refused changes nothing;
//! - what was set by request is on disk before it counts, and counts again after a restart;
//! - what a part was made with at the start stays until the next start, and is told as such;
//! - secrets are not set by request, and never shown.

mod difference;
mod environment;
mod requested;
mod secret_file;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use vectorizer_plugin_api::merge_patch;

pub use difference::counts_at_once;
pub(crate) use difference::{Applies, Changed};
pub(crate) use environment::Environment;
pub use environment::variables;
pub use requested::Pause;
pub(crate) use requested::{Requested, Toggle};

use crate::config::{Config, ConfigError};
use crate::nexus::REDACTED;
use crate::strict_json;

/// The file of what was set by request.
const FILE: &str = "settings.json";
/// Keys whose values are secrets.
const SECRETS: [&str; 3] = [
    "api_key",
    "webhooks.inbound.secrets",
    "webhooks.inbound.plain_secrets",
];

/// Why settings are as they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The configuration would not be one to work by.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environment decides this key.
    #[error(
        "{key} is set by the environment variable {variable}, which counts before what is set by request"
    )]
    Pinned {
        /// The key.
        key: String,
        /// The variable.
        variable: &'static str,
    },
    /// A secret would stand in a file that is not made for that.
    #[error("{0} is a secret, which is not set by request: use the configuration file or the environment")]
    Secret(&'static str),
    /// What was set by request cannot be read at the start.
    #[error("'{}', which holds what was set by request, cannot be used: {reason}; put it right, or remove it to forget that", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What was set by request cannot be kept.
    #[error("what is set by request cannot be written: {0}")]
    Write(#[source] io::Error),
}

/// The configuration that a start would begin with: `section` of the configuration file, what was set by request and is kept in `folder`,
/// and the variables that `lookup` knows. For those who check it beforehand; nothing is changed.
///
/// # Errors
/// [`ConfigError`] with all faults.
pub fn at_start(
    section: Value,
    folder: &Path,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let environment = Environment::read(lookup)?;
    let path = folder.join(FILE);
    let requested = Requested::read(&path).map_err(|reason| ConfigError {
        faults: vec![SettingsError::Unusable { path, reason }.to_string()],
    })?;
    let state = State::of(section, requested, &environment)?;
    Ok(Arc::unwrap_or_clone(state.wanted))
}

/// See the [module](self).
#[derive(Debug)]
pub struct Settings {
    path: PathBuf,
    environment: Environment,
    /// What the parts were made with.
    started: Arc<Config>,
    state: Mutex<State>,
    /// Held by whoever changes settings, until they count.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct State {
    /// The section of the configuration file.
    section: Value,
    requested: Requested,
    wanted: Arc<Config>,
}

/// Settings that may take the place of the present ones.
#[derive(Debug)]
pub(crate) struct Proposal {
    state: State,
    /// What differs from what was wanted before.
    pub(crate) changes: Vec<Changed>,
}

impl Proposal {
    fn between(present: &State, next: State) -> Self {
        Self {
            changes: difference::difference(&present.wanted, &next.wanted),
            state: next,
        }
    }
}

impl Settings {
    /// Reads the settings at the start, and answers the configuration to begin with.
    ///
    /// # Errors
    /// [`SettingsError::Config`] with all faults, [`SettingsError::Unusable`].
    pub(crate) fn open(
        section: &str,
        environment: Environment,
        folder: &Path,
    ) -> Result<(Self, Arc<Config>), SettingsError> {
        let path = folder.join(FILE);
        let requested = Requested::read(&path).map_err(|reason| SettingsError::Unusable {
            path: path.clone(),
            reason,
        })?;
        let state = State::of(parse(section)?, requested, &environment)?;
        let started = Arc::clone(&state.wanted);
        secret_file::warn_of_literals(&state.wanted);
        let settings = Self {
            path,
            environment,
            started: Arc::clone(&started),
            state: Mutex::new(state),
            changing: tokio::sync::Mutex::default(),
        };
        Ok((settings, started))
    }

    /// Waits until nobody else changes settings.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// What it would be like with what `edit` makes of what was set by request.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub(crate) fn propose(&self, edit: impl FnOnce(&mut Requested)) -> Result<Proposal, SettingsError> {
        let present = self.state.lock().clone();
        let mut requested = present.requested.clone();
        edit(&mut requested);
        let next = State::of(present.section.clone(), requested, &self.environment)?;
        Ok(Proposal::between(&present, next))
    }

    /// What it would be like with this patch over what was set by request. Keys that would say what is said already are left out;
    /// so a whole configuration, as it is shown, may come back with some values changed.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub(crate) fn propose_patch(&self, patch: &Map<String, Value>) -> Result<Proposal, SettingsError> {
        let mut patch = Value::Object(patch.clone());
        for key in SECRETS {
            let pointer = format!("/{}", key.replace('.', "/"));
            match patch.pointer(&pointer) {
                None => {}
                Some(value) if is_redacted(value) => remove(&mut patch, &pointer),
                Some(_) => return Err(SettingsError::Secret(key)),
            }
        }
        let present = self.state.lock().clone();
        prune(
            &mut patch,
            &present.wanted.shown(),
            &Value::Object(present.requested.patch.clone()),
        );
        for key in difference::leaves(&patch).into_keys() {
            if let Some(variable) = self.environment.variable_of(&key) {
                return Err(SettingsError::Pinned { key, variable });
            }
        }
        self.propose(|requested| {
            if let Value::Object(patch) = &patch {
                merge_patch(&mut requested.patch, patch);
            }
        })
    }

    /// What it would be like with this section of the configuration file.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub(crate) fn propose_section(&self, section: &str) -> Result<Proposal, SettingsError> {
        let present = self.state.lock().clone();
        let next = State::of(parse(section)?, present.requested.clone(), &self.environment)?;
        Ok(Proposal::between(&present, next))
    }

    /// Keeps a proposal, and answers the configuration that counts now. Blocks.
    ///
    /// # Errors
    /// [`SettingsError::Write`].
    pub(crate) fn keep(&self, proposal: Proposal) -> Result<Arc<Config>, SettingsError> {
        let mut state = self.state.lock();
        if state.requested != proposal.state.requested {
            proposal
                .state
                .requested
                .write(&self.path)
                .map_err(SettingsError::Write)?;
        }
        *state = proposal.state;
        Ok(Arc::new(difference::for_now(&state.wanted, &self.started)))
    }

    /// Since when nothing is written, by whom and why.
    pub fn paused(&self) -> Option<Pause> {
        self.state.lock().requested.paused.clone()
    }

    /// Whether nothing is written.
    pub(crate) fn is_paused(&self) -> bool {
        self.state.lock().requested.paused.is_some()
    }

    /// Every key with its value as it is wanted; secrets as `[redacted]`.
    pub(crate) fn wanted(&self) -> Value {
        self.state.lock().wanted.shown()
    }

    /// The keys that the environment sets, with its variables.
    pub(crate) fn environment(&self) -> BTreeMap<&'static str, &'static str> {
        self.environment.keys().collect()
    }

    /// What was set by request.
    pub(crate) fn requested(&self) -> Requested {
        self.state.lock().requested.clone()
    }

    /// The keys that are wanted otherwise than they count, until the next start.
    pub(crate) fn restart_needed(&self) -> Vec<String> {
        let wanted = Arc::clone(&self.state.lock().wanted);
        let differing = difference::difference(&self.started, &wanted);
        let waiting = differing
            .into_iter()
            .filter(|changed| changed.applies == Applies::Restart);
        waiting.map(|changed| changed.key).collect()
    }
}

impl State {
    fn of(section: Value, requested: Requested, environment: &Environment) -> Result<Self, ConfigError> {
        let mut whole = section.clone();
        if whole.is_object() {
            requested.put(&mut whole);
            environment.put(&mut whole);
        }
        let wanted = secret_file::with_api_key(Config::from_section(whole)?)?;
        Ok(Self {
            section,
            requested,
            wanted: Arc::new(wanted),
        })
    }
}

fn parse(section: &str) -> Result<Value, ConfigError> {
    strict_json::parse(section.as_bytes()).map_err(|misfit| ConfigError::of(&misfit))
}

/// Whether a value is what is shown in place of a secret.
fn is_redacted(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_redacted),
        Value::Null => true,
        value => value == &json!(REDACTED) || value == &json!(""),
    }
}

fn remove(patch: &mut Value, pointer: &str) {
    if let Some((above, name)) = pointer.rsplit_once('/')
        && let Some(Value::Object(entries)) = patch.pointer_mut(above)
    {
        entries.remove(name);
    }
}

/// Takes out of a patch what is so already and was not set by request.
fn prune(patch: &mut Value, shown: &Value, requested: &Value) {
    let Value::Object(entries) = patch else {
        return;
    };
    entries.retain(|key, value| {
        let (shown, requested) = (shown.get(key), requested.get(key));
        if value.is_object() {
            prune(
                value,
                shown.unwrap_or(&Value::Null),
                requested.unwrap_or(&Value::Null),
            );
            // An empty section is none, unless that is a fault of its own.
            return value.as_object().is_none_or(|left| !left.is_empty()) || shown.is_none();
        }
        // Null takes a setting back, where there is one.
        match value {
            Value::Null => requested.is_some(),
            value => requested.is_some() || shown != Some(value),
        }
    });
}

#[cfg(test)]
mod tests;
