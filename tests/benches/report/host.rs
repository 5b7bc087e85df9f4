//! The plugin in this process, through its real shared library.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use vectorizer_host_shim::api::model::Op;
use vectorizer_host_shim::api::{Caller, Request, Responder, Role};
use vectorizer_host_shim::store::Store;
use vectorizer_host_shim::{HostError, PluginHost};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::process::wait_until;

use crate::store::{COLLECTION, Synthetic, id};

/// An address where nobody listens.
pub(crate) const NOBODY: &str = "http://127.0.0.1:9";

/// Ids in one call of the hook, where a measurement just has many to tell of.
const CALL: usize = 100;

/// How long the link may take to come up: Nexus must have run for two seconds.
const LINK: Duration = Duration::from_secs(60);

/// Loads the plugin; its files go below `folder`.
pub(crate) fn open(folder: &Path, section: &Value) -> Result<PluginHost, HostError> {
    let plugins = Artifacts::of(Profile::Release).install_plugin(folder).unwrap();
    let config = json!({
        "plugins": {"directory": plugins, "enabled": ["nexus"], "fail_open": false},
        "nexus_integration": section,
    });
    PluginHost::open("bench", "0", config.as_object().unwrap(), folder)
}

/// Where the plugin keeps its journal.
pub(crate) fn journal(folder: &Path) -> std::path::PathBuf {
    folder.join("plugins/nexus/journal")
}

/// Gives the store to the plugin.
pub(crate) fn ready(host: &PluginHost, store: &Arc<Synthetic>) {
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    host.ready(&store);
}

/// As [`ready`], and waits until the plugin may write and has compared the store once.
pub(crate) fn ready_and_settled(host: &PluginHost, store: &Arc<Synthetic>) {
    ready(host, store);
    wait(host, "the link is up", LINK, |status| {
        status["nexus"]["state"] == "ready" && !status["last_reconcile"].is_null()
    });
}

/// Tells the plugin of documents, a hundred in a call.
pub(crate) fn hint(host: &PluginHost, numbers: std::ops::Range<u64>) {
    let numbers: Vec<u64> = numbers.collect();
    for part in numbers.chunks(CALL) {
        let ids: Vec<String> = part.iter().map(|number| id(*number)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        host.notify(COLLECTION, Op::Upsert, &ids);
    }
}

/// The answer of the plugin's status route.
pub(crate) fn status(host: &PluginHost) -> Value {
    let (send, receive) = mpsc::channel();
    let request = Request {
        method: "GET".into(),
        path: "/api/v1/sync/nexus/status".into(),
        query: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        caller: Caller {
            role: Role::Admin,
            name: "bench".into(),
        },
    };
    host.http(
        "nexus",
        request,
        Responder::new(move |response| {
            let _ = send.send(response);
        }),
    );
    let response = receive.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(response.status, 200);
    serde_json::from_slice(&response.body).unwrap()
}

/// Documents that wait or are at work.
pub(crate) fn depth(host: &PluginHost) -> u64 {
    status(host)["queue_depth"].as_u64().unwrap()
}

/// Waits until the status is as wanted; fails with the last one.
pub(crate) fn wait(host: &PluginHost, what: &str, patience: Duration, wanted: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let result = wait_until(what, patience, || {
        last = status(host);
        Ok(wanted(&last))
    });
    assert!(result.is_ok(), "{what}: {last:#}");
}
