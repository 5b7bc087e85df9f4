//! The sync, by what the host tells of it: whether Nexus is written to, and what keeps documents out of the graph.

use serde::Deserialize;

use super::check::Checkup;
use super::host::Access;
use crate::answer;
use crate::error::Error;
use crate::figures;
use crate::route::Route;
use crate::session::Session;
use crate::status::{self, Status};

const STATE: &str = "sync";
const NEXUS: &str = "nexus";
const BREAKER: &str = "breaker";
const JOURNAL: &str = "journal";
const DEAD: &str = "dead letters";
const CAPABILITIES: &str = "capabilities";

/// All that the status and the capabilities tell.
pub(super) async fn state(checkup: &mut Checkup, session: &Session, access: &Access) {
    let reason = match access {
        Access::Silent => Some("the host does not answer"),
        Access::Refused => Some("the host refuses"),
        Access::User | Access::Admin(_) | Access::Unknown => None,
    };
    if let Some(reason) = reason {
        for name in [STATE, NEXUS, BREAKER, JOURNAL, DEAD, CAPABILITIES] {
            checkup.skip(name, reason);
        }
        return;
    }
    match status::get(session).await {
        Ok((_, status)) => {
            switched_on(checkup, &status);
            nexus(checkup, &status);
            breaker(checkup, &status);
            journal(checkup, &status);
            dead_letters(checkup, &status);
        }
        Err(error) => {
            checkup.fail(
                STATE,
                error.to_string(),
                "look whether the plugin is loaded: GET /api/v1/plugins, and the host's log",
            );
            for name in [NEXUS, BREAKER, JOURNAL, DEAD] {
                checkup.skip(name, "there is no status");
            }
        }
    }
    capabilities(checkup, session).await;
}

fn switched_on(checkup: &mut Checkup, status: &Status) {
    match (status.enabled, &status.paused) {
        (Some(false), _) => checkup.warn(
            STATE,
            "switched off by the configuration",
            "set nexus_integration.enabled to true",
        ),
        (_, Some(paused)) => checkup.warn(STATE, paused.described(), "go on with: nexus-sync resume"),
        (_, None) => checkup.ok(STATE, "switched on"),
    }
}

fn nexus(checkup: &mut Checkup, status: &Status) {
    let nexus = &status.nexus;
    let reason = nexus.reason.as_deref().unwrap_or("no reason is known");
    match nexus.state.as_str() {
        "ready" => {
            let version = nexus.version.as_deref().unwrap_or("not known");
            checkup.ok(NEXUS, format!("ready at {}, version {version}", nexus.url));
        }
        "connecting" => checkup.warn(
            NEXUS,
            format!("the host connects to {}", nexus.url),
            "look again in a moment",
        ),
        "degraded" => checkup.fail(
            NEXUS,
            format!("it answers at {} and is not written to: {reason}", nexus.url),
            "see what nexus-sync report tells of its capabilities; changes are kept meanwhile",
        ),
        other => checkup.fail(
            NEXUS,
            format!("{other} at {}: {reason}", nexus.url),
            "start Nexus, or mend nexus_url; changes are kept meanwhile",
        ),
    }
}

fn breaker(checkup: &mut Checkup, status: &Status) {
    match &status.nexus.breaker {
        None => checkup.skip(BREAKER, "the host does not tell of it"),
        Some(breaker) if breaker.state == "closed" => checkup.ok(BREAKER, "closed"),
        Some(breaker) => {
            let reason = breaker.reason.as_deref().unwrap_or("no reason is known");
            checkup.fail(
                BREAKER,
                format!("{}: {reason}", breaker.state),
                "Nexus answers and does not do its work: look into its log; it is tried again by itself",
            );
        }
    }
}

fn journal(checkup: &mut Checkup, status: &Status) {
    match &status.journal.failure {
        None => checkup.ok(
            JOURNAL,
            format!("{} on disk", figures::bytes(status.journal.bytes)),
        ),
        Some(failure) => checkup.fail(
            JOURNAL,
            failure,
            "make room and look at the disk of data_dir; changes wait in memory until it can be written",
        ),
    }
}

fn dead_letters(checkup: &mut Checkup, status: &Status) {
    match status.dead_letters {
        0 => checkup.ok(DEAD, "none"),
        count => checkup.warn(
            DEAD,
            format!(
                "{} not in the graph",
                figures::counted(count, "document is", "documents are")
            ),
            "see why: nexus-sync dead-letters list; then: nexus-sync dead-letters replay",
        ),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    capabilities: Option<Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Table {
    version: String,
    operations: Vec<Operation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Operation {
    operation: String,
    required: bool,
    form: Option<String>,
}

async fn capabilities(checkup: &mut Checkup, session: &Session) {
    let route = Route::sync("capabilities");
    let read = session.client.get(&route).await;
    let read: Result<Capabilities, Error> = read.and_then(|value| answer::read(&value, route.path()));
    let table = match read {
        Ok(Capabilities {
            capabilities: Some(table),
        }) => table,
        Ok(_) => return checkup.skip(CAPABILITIES, "Nexus was not probed yet"),
        Err(error) => {
            return checkup.fail(
                CAPABILITIES,
                error.to_string(),
                "look whether the plugin is loaded",
            );
        }
    };
    let without = |required: bool| -> Vec<&str> {
        let operations = table.operations.iter();
        operations
            .filter(|operation| operation.required == required && operation.form.is_none())
            .map(|operation| operation.operation.as_str())
            .collect()
    };
    let missing = without(true);
    if !missing.is_empty() {
        return checkup.fail(
            CAPABILITIES,
            format!(
                "Nexus {} has no right form of: {}",
                table.version,
                missing.join(", ")
            ),
            "nothing is written to a Nexus that does these wrong; use another version of it",
        );
    }
    let count = table.operations.len() as u64;
    let seen = format!(
        "{} probed on Nexus {}",
        figures::counted(count, "operation", "operations"),
        table.version
    );
    match without(false).as_slice() {
        [] => checkup.ok(CAPABILITIES, format!("{seen}, all right")),
        lacking => checkup.ok(
            CAPABILITIES,
            format!(
                "{seen}, all right that are needed; done another way: {}",
                lacking.join(", ")
            ),
        ),
    }
}
