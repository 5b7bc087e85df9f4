//! The host: whether it answers, whom it lets in, whether it runs the plugin; and Nexus itself, asked as the plugin asks it.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use vectorizer_plugin_nexus::config::Config;
use vectorizer_plugin_nexus::nexus::NexusClient;

use super::check::Checkup;
use crate::clock::Skew;
use crate::configuration::PLUGIN;
use crate::error::Error;
use crate::plugin_file::PluginFile;
use crate::route::Route;
use crate::session::Session;

const HOST: &str = "host";
const CREDENTIALS: &str = "credentials";
const LOADED: &str = "plugin";
const NEXUS: &str = "nexus directly";
/// Longer than that, nobody waits for a check.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);

/// What the host lets this program do.
#[derive(Debug)]
pub(super) enum Access {
    /// Nothing: it does not answer.
    Silent,
    /// Nothing: it refuses.
    Refused,
    /// What users may.
    User,
    /// Everything; with its list of plugins.
    Admin(Vec<Plugin>),
    /// Not known: it has no list of plugins.
    Unknown,
}

/// A plugin, as the host tells of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Plugin {
    name: String,
    state: String,
    reason: String,
    handshake: Option<Built>,
    health: Option<Health>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Built {
    version: String,
    rustc: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Health {
    status: String,
    reason: String,
}

/// Whether the host answers; with what its clock says.
pub(super) async fn reachable(checkup: &mut Checkup, session: &Session) -> Option<Option<Skew>> {
    let url = session.client.url();
    let route = Route::host("/health");
    let answer = match session.client.send(Method::GET, &route, None).await {
        Ok(answer) => answer,
        Err(error) => {
            let advice = "start the host, or say where it is with --url; its log says why it does not start";
            checkup.fail(HOST, error.to_string(), advice);
            return None;
        }
    };
    match answer.object() {
        Ok(health) => {
            let version = health["version"].as_str().unwrap_or("not known");
            checkup.ok(HOST, format!("{url} answers, version {version}"));
        }
        Err(error) => checkup.fail(
            HOST,
            error.to_string(),
            "look whether a host listens there (--url), and into its log",
        ),
    }
    Some(answer.skew)
}

/// Whom the host lets in.
pub(super) async fn credentials(checkup: &mut Checkup, session: &Session, answers: bool) -> Access {
    if !answers {
        checkup.skip(CREDENTIALS, "the host does not answer");
        return Access::Silent;
    }
    #[derive(Deserialize)]
    struct List {
        plugins: Vec<Plugin>,
    }
    let route = Route::host("/api/v1/plugins");
    let listed = session.client.get(&route).await;
    let listed = listed.and_then(|value: Value| crate::answer::read::<List>(&value, route.path()));
    match listed {
        Ok(List { plugins }) => {
            let seen = match session.client.has_key() {
                true => "the administrator's key was accepted",
                false => "the host lets everybody in: no key is sent",
            };
            if session.client.has_key() && session.client.is_overheard() {
                checkup.warn(
                    CREDENTIALS,
                    format!("{seen}, and travels unencrypted over the network"),
                    "use https, or run this beside the host",
                );
            } else {
                checkup.ok(CREDENTIALS, seen);
            }
            Access::Admin(plugins)
        }
        Err(error @ Error::Refused { status: 403, .. }) => {
            checkup.fail(
                CREDENTIALS,
                error.to_string(),
                "a user's key may look; give the administrator's, to change something and to see plugins",
            );
            Access::User
        }
        Err(error @ Error::Refused { .. }) => {
            checkup.fail(
                CREDENTIALS,
                error.to_string(),
                "give server.api_key of the host's configuration, in a file (--api-key-file)",
            );
            Access::Refused
        }
        Err(error @ Error::Unreachable { .. }) => {
            checkup.fail(
                CREDENTIALS,
                error.to_string(),
                "try again; if it stays so, look into the host's log",
            );
            Access::Silent
        }
        Err(error) => {
            checkup.warn(
                CREDENTIALS,
                format!("cannot be told: {error}"),
                "look whether a host with plugins listens there (--url)",
            );
            Access::Unknown
        }
    }
}

/// Whether the host runs the plugin, and the one that lies there.
pub(super) fn plugin(checkup: &mut Checkup, access: &Access, file: Option<&PluginFile>) {
    let plugins = match access {
        Access::Admin(plugins) => plugins,
        Access::Silent => return checkup.skip(LOADED, "the host does not answer"),
        Access::Refused | Access::User => {
            return checkup.skip(LOADED, "only the administrator's key shows plugins");
        }
        Access::Unknown => return checkup.skip(LOADED, "the host does not tell of its plugins"),
    };
    let Some(plugin) = plugins.iter().find(|plugin| plugin.name == PLUGIN) else {
        let advice =
            format!("enable it in the host's configuration (plugins.enabled: [{PLUGIN}]), and restart");
        return checkup.fail(
            LOADED,
            format!("the host does not know the plugin '{PLUGIN}'"),
            advice,
        );
    };
    let version = plugin
        .handshake
        .as_ref()
        .map_or("not known", |built| built.version.as_str());
    if plugin.state != "started" {
        let seen = format!("{}: {}", plugin.state, plugin.reason);
        return checkup.fail(LOADED, seen, "do what the reason says, and restart the host");
    }
    let on_disk = file.and_then(|file| file.handshake.as_ref());
    if let Some((built, on_disk)) = plugin.handshake.as_ref().zip(on_disk)
        && (built.version != on_disk.version || built.rustc != on_disk.rustc)
    {
        let seen = format!(
            "the host runs version {version} (rustc {}), the file is version {} (rustc {})",
            built.rustc, on_disk.version, on_disk.rustc
        );
        return checkup.warn(LOADED, seen, "restart the host, so that it runs the file");
    }
    match &plugin.health {
        Some(health) if health.status != "healthy" => checkup.warn(
            LOADED,
            format!(
                "version {version} is started and {}: {}",
                health.status, health.reason
            ),
            "see the checks below",
        ),
        _ => checkup.ok(LOADED, format!("version {version} is started")),
    }
}

/// Whether Nexus answers to a client like the plugin's, from here.
pub(super) async fn nexus(checkup: &mut Checkup, section: Option<&Config>) -> bool {
    let Some(config) = section else {
        checkup.skip(NEXUS, "no valid --config says where it is");
        return false;
    };
    let url = &config.nexus_url;
    // The longest time is the operator's business where documents are written, not here.
    let mut settings = config.client();
    settings.connect_timeout = settings.connect_timeout.min(LONGEST_REQUEST);
    settings.request_timeout = settings.request_timeout.min(LONGEST_REQUEST);
    // Files of the configuration are named as the host sees them.
    let looked = match NexusClient::new(settings) {
        Ok(client) => client.look().await,
        Err(error) => Err(error),
    };
    match looked {
        Ok(process) => {
            let since = process.started_at();
            checkup.ok(
                NEXUS,
                format!("{url} answers, version {}, since {since}", process.version()),
            );
            true
        }
        Err(error) => {
            checkup.fail(
                NEXUS,
                format!("{url}: {error}"),
                "start Nexus, or mend nexus_url, api_key and connection; from here it may be out of reach also where \
                 the host reaches it",
            );
            false
        }
    }
}
