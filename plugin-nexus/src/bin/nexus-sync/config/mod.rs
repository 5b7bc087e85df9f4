//! `config`: the settings in force, and changes to them while the host runs.
//!
//! Invariant: a secret is neither shown nor taken.

mod patch;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer;
use crate::error::Error;
use crate::exit::Code;
use crate::page::Page;
use crate::redaction::{REDACTED, is_secret, redacted};
use crate::route::Route;
use crate::session::Session;

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show the settings in force, and where each comes from.
    Get {
        /// Only this one and what is below it, as similarity.top_k.
        key: Option<String>,
    },
    /// Change settings.
    Set(Set),
    /// Go back to what the configuration file says.
    Unset {
        /// The key, as similarity.top_k.
        key: String,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

/// `set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// A key and its value, as similarity.top_k=5. A value that is no JSON is a text.
    #[arg(value_name = "KEY=VALUE", required = true)]
    changes: Vec<String>,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    config: Value,
    overrides: Overrides,
    restart_needed: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Overrides {
    environment: Map<String, Value>,
    api: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changed {
    message: String,
    dry_run: bool,
    changes: Vec<Change>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Change {
    key: String,
    from: Value,
    to: Value,
    applies: String,
}

/// Does it.
pub(crate) async fn run(session: &Session, action: &Action) -> Result<Code, Error> {
    match action {
        Action::Get { key } => get(session, key.as_deref()).await,
        Action::Set(Set { changes, dry_run }) => put(session, &patch::of(changes)?, *dry_run).await,
        Action::Unset { key, dry_run } => {
            let mut patch = Value::Null;
            patch::insert(&mut patch, key, Value::Null)?;
            put(session, &patch, *dry_run).await
        }
    }
}

async fn get(session: &Session, key: Option<&str>) -> Result<Code, Error> {
    let route = Route::sync("config");
    let value = session.client.get(&route).await?;
    let value = redacted(&value, &session.client);
    let settings: Settings = answer::read(&value, route.path())?;
    let Some(key) = key else {
        session
            .output
            .result(&value, |page| write_settings(page, &settings, ""))?;
        return Ok(Code::Fine);
    };
    let Some(found) = at(&settings.config, key) else {
        return Err(Error::Usage(format!(
            "there is no key '{key}' in the configuration"
        )));
    };
    let value = json!({"key": key, "value": found});
    session
        .output
        .result(&value, |page| write_settings(page, &settings, key))?;
    Ok(Code::Fine)
}

async fn put(session: &Session, patch: &Value, dry_run: bool) -> Result<Code, Error> {
    let mut route = Route::sync("config");
    if dry_run {
        route = route.with("dry_run", "true");
    }
    let value = session.client.put(&route, patch).await?;
    let mut value = redacted(&value, &session.client);
    // Of a change, the key says whether it is of a secret.
    for change in value["changes"].as_array_mut().into_iter().flatten() {
        if change["key"].as_str().is_some_and(is_secret) {
            for side in ["from", "to"] {
                if change[side] != Value::Null {
                    change[side] = json!(REDACTED);
                }
            }
        }
    }
    let changed: Changed = answer::read(&value, route.path())?;
    session
        .output
        .result(&value, |page| write_changes(page, &changed))?;
    Ok(Code::of(value["success"] != false))
}

fn at<'a>(config: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(config, |value, name| value.get(name))
}

/// All keys with their values, each in a line.
fn write_settings(page: &mut Page, settings: &Settings, below: &str) {
    let mut lines = Vec::new();
    let from = if below.is_empty() {
        Some(&settings.config)
    } else {
        at(&settings.config, below)
    };
    if let Some(from) = from {
        flatten(from, below, &mut lines);
    }
    for (key, value) in lines {
        let mut notes = Vec::new();
        if let Some(variable) = settings.overrides.environment.get(&key).and_then(Value::as_str) {
            notes.push(format!("from {variable}"));
        }
        if at(&settings.overrides.api, &key).is_some() {
            notes.push("set by config set".to_owned());
        }
        if settings.restart_needed.contains(&key) {
            notes.push("after a restart".to_owned());
        }
        match notes.as_slice() {
            [] => page.line(format!("{key} = {value}")),
            notes => page.line(format!("{key} = {value}   # {}", notes.join(", "))),
        }
    }
    write_restart(page, &settings.restart_needed);
}

fn flatten<'a>(value: &'a Value, key: &str, lines: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                flatten(value, &key, lines);
            }
        }
        value => lines.push((key.to_owned(), value)),
    }
}

fn write_changes(page: &mut Page, changed: &Changed) {
    if changed.changes.is_empty() {
        page.line("nothing changes");
    }
    for Change {
        key,
        from,
        to,
        applies,
    } in &changed.changes
    {
        let when = match applies.as_str() {
            "restart" => "after a restart",
            "now" if changed.dry_run => "at once",
            "now" => "now in force",
            other => other,
        };
        page.line(format!("{key}: {from} -> {to}   ({when})"));
    }
    if !changed.message.is_empty() {
        page.line(&changed.message);
    }
    let later: Vec<String> = changed
        .changes
        .iter()
        .filter(|change| change.applies == "restart")
        .map(|change| change.key.clone())
        .collect();
    write_restart(page, &later);
}

fn write_restart(page: &mut Page, keys: &[String]) {
    if !keys.is_empty() {
        page.line(format!(
            "a restart of the host is needed for: {}",
            keys.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    #[tokio::test]
    async fn a_change_is_put_and_shown_without_secrets() {
        let answer = json!({"success": true, "dry_run": true, "message": "checked", "changes": [
            {"key": "similarity.top_k", "from": 10, "to": 5, "applies": "now"},
            {"key": "sync.worker_threads", "from": 4, "to": 8, "applies": "restart"},
            {"key": "api_key", "from": "s3cret", "to": null, "applies": "now"},
        ]});
        let host = StandIn::start(move |_| Reply::Json(200, answer.clone()));
        let session = Session::quiet(host.client());
        let action = Action::Unset {
            key: "similarity.top_k".to_owned(),
            dry_run: true,
        };
        assert_eq!(run(&session, &action).await.unwrap(), Code::Fine);
        let asked = host.asked();
        assert_eq!(
            (asked[0].line.as_str(), asked[0].body.as_str()),
            (
                "PUT /api/v1/sync/nexus/config?dry_run=true",
                "{\"similarity\":{\"top_k\":null}}"
            )
        );
    }

    #[test]
    fn settings_and_changes_are_shown_with_where_they_come_from() {
        let settings: Settings = serde_json::from_value(json!({
            "config": {"nexus_url": "http://n", "sync": {"worker_threads": 4, "x": {}}, "api_key": "[redacted]"},
            "overrides": {"environment": {"nexus_url": "NEXUS_URL"}, "api": {"sync": {"worker_threads": 4}}},
            "restart_needed": ["sync.worker_threads"],
        }))
        .unwrap();
        let mut page = Page::new(false);
        write_settings(&mut page, &settings, "");
        assert_eq!(
            page.into_text(),
            "api_key = \"[redacted]\"\nnexus_url = \"http://n\"   # from NEXUS_URL\n\
             sync.worker_threads = 4   # set by config set, after a restart\nsync.x = {}\n\
             a restart of the host is needed for: sync.worker_threads\n"
        );
        let changed: Changed = serde_json::from_value(json!({"changes": [
            {"key": "a", "from": 1, "to": "2\u{1b}", "applies": "restart"},
            {"key": "b", "from": null, "to": true, "applies": "now"},
        ]}))
        .unwrap();
        let mut page = Page::new(false);
        write_changes(&mut page, &changed);
        assert_eq!(
            page.into_text(),
            "a: 1 -> \"2\\u001b\"   (after a restart)\nb: null -> true   (now in force)\n\
             a restart of the host is needed for: a\n"
        );
    }
}
