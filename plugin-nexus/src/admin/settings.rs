//! The settings: shown, and changed while the plugin runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::jobs;
use crate::api::{ApiError, Awaited, Call, Endpoint, Parameter};
use crate::settings::{Applies, Changed, Proposal, Settings, SettingsError};
use crate::sync::{AdoptError, Context};

const DRY_RUN: &[Parameter] = &[Parameter::flag("dry_run", "Only say what would change")];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "GET",
            "/config",
            "The settings in force, and where they come from",
            show,
        ),
        Endpoint::awaited(
            "PUT",
            "/config",
            "Change settings by a JSON merge patch (RFC 7396) of the section; null takes a change back",
            put,
        )
        .asks(DRY_RUN)
        .takes::<Map<String, Value>>()
        .refuses(&[409]),
    ]
}

/// The settings.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
struct Shown {
    /// Every key of the section as it is wanted; secrets as `[redacted]`.
    config: Value,
    /// What counts before the configuration file.
    overrides: Overrides,
    /// Keys that were changed, and count only after a restart.
    restart_needed: Vec<String>,
}

/// What counts before the configuration file.
#[derive(Debug, Serialize, JsonSchema)]
struct Overrides {
    /// Keys that the environment sets, with its variables.
    environment: BTreeMap<&'static str, &'static str>,
    /// Keys that were set by request.
    api: Map<String, Value>,
    /// Collections that were enabled (true) or disabled by request.
    collections: BTreeMap<String, bool>,
}

/// What changed, or would.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SettingsChanged")]
struct Put {
    success: bool,
    /// Whether nothing was changed.
    dry_run: bool,
    message: String,
    /// Key by key.
    changes: Vec<Changed>,
}

fn show(call: &Call<'_>) -> Result<Shown, ApiError> {
    call.query()?;
    let settings = &call.context().settings;
    let requested = settings.requested();
    let collections = requested.collections.into_iter();
    Ok(Shown {
        config: settings.wanted(),
        overrides: Overrides {
            environment: settings.environment(),
            api: requested.patch,
            collections: collections.map(|(name, toggle)| (name, toggle.enabled)).collect(),
        },
        restart_needed: settings.restart_needed(),
    })
}

fn put(call: &Call<'_>) -> Result<Awaited<Put>, ApiError> {
    let dry_run = call.query()?.flag("dry_run")?;
    let patch: Map<String, Value> = call.body()?;
    let context = Arc::clone(call.context());
    let by = call.request.caller.name.clone();
    Ok(Box::pin(async move {
        let changes = change(&context, dry_run, move |settings| settings.propose_patch(&patch)).await?;
        if !dry_run {
            context
                .audit_log
                .record(&by, "config.changed", &json!({"changes": changes}));
        }
        let later = changes
            .iter()
            .filter(|changed| changed.applies == Applies::Restart)
            .count();
        let message = match (changes.len(), later, dry_run) {
            (0, ..) => "nothing differs".to_owned(),
            (all, 0, true) => format!("{all} keys would change at once"),
            (all, later, true) => format!("{all} keys would change, {later} of them after a restart"),
            (all, 0, false) => format!("{all} keys were changed"),
            (all, later, false) => format!("{all} keys were changed, {later} of them count after a restart"),
        };
        Ok(Put {
            success: true,
            dry_run,
            message,
            changes,
        })
    }))
}

/// Changes settings, and has them count; answers what differs. One at a time.
///
/// # Errors
/// [`ApiError::Settings`] where nothing was changed.
pub(crate) async fn change(
    context: &Arc<Context>,
    dry_run: bool,
    propose: impl FnOnce(&Settings) -> Result<Proposal, SettingsError> + Send + 'static,
) -> Result<Vec<Changed>, ApiError> {
    let _turn = context.settings.turn().await;
    let shared = Arc::clone(context);
    let (changes, config) = jobs::blocking(context, move || {
        let proposal = propose(&shared.settings)?;
        let changes = proposal.changes.clone();
        let config = match dry_run {
            true => None,
            false => Some(shared.settings.keep(proposal)?),
        };
        Ok((changes, config))
    })
    .await?;
    // Before anybody else changes them.
    context.gate.set_paused(context.settings.is_paused());
    let Some(config) = config.filter(|_| !changes.is_empty()) else {
        return Ok(changes);
    };
    match context.adopt(config).await {
        Ok(()) => {}
        Err(error @ AdoptError::Rules(_)) => return Err(ApiError::Internal(error.to_string())),
        Err(error @ AdoptError::Compare(_)) => tracing::warn!(%error, "settings were changed"),
    }
    let keys: Vec<&str> = changes.iter().map(|changed| changed.key.as_str()).collect();
    tracing::info!(?keys, "settings were changed");
    Ok(changes)
}
