//! A plugin that misbehaves on demand, to test the boundary with.
//!
//! It panics where its configuration says so, calls the host from wherever it is told, and says on a route of its own what it
//! saw: `GET /probe`.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use vectorizer_plugin_api::model::{CollectionEvent, Fields};
use vectorizer_plugin_api::{
    Access, ChangeBatch, Fault, FaultCode, Health, Host, LogLevel, Plugin, Request, Responder, Response,
    Route, Setup, export_plugin,
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Where to panic: `create`, `start`, `notify`, `event`, `http`, `metrics`, `health`, `reload`, `drain`.
    panic_in: BTreeSet<String>,
    /// Ask the store from inside the hook.
    reentrant: bool,
    /// What to answer a scrape.
    metrics: String,
    /// How long to let a scrape wait.
    metrics_delay_ms: u64,
    /// How long to let who asks for the health wait.
    health_delay_ms: u64,
    /// How long starting takes.
    start_delay_ms: u64,
    /// Drop requests without an answer.
    mute: bool,
    /// Take another configuration, this one, at a restart only.
    restart_only: bool,
    /// How long taking this one over takes.
    reload_delay_ms: u64,
}

impl Config {
    fn read(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|error| Fault::new(FaultCode::Invalid, error.to_string()))
    }
}

struct Probe {
    host: Host,
    config: Config,
    seen: Mutex<Vec<Value>>,
}

impl Probe {
    fn maybe_panic(&self, place: &str) {
        assert!(
            !self.config.panic_in.contains(place),
            "the probe panics in {place}"
        );
    }

    fn saw(&self, what: Value) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.push(what);
        }
    }
}

impl Plugin for Probe {
    fn create(host: Host, setup: Setup<'_>) -> Result<Self, Fault> {
        let probe = Self {
            host,
            config: Config::read(setup.config)?,
            seen: Mutex::default(),
        };
        probe.maybe_panic("create");
        for (method, path, access) in [
            ("GET", "/probe", Access::Public),
            ("GET", "/probe/user", Access::User),
            ("POST", "/probe/admin/{name}", Access::Admin),
        ] {
            host.register_route(&Route::new(method, path, access))?;
        }
        let too_early = host.collections().err().map(|fault| fault.code.to_string());
        probe.saw(json!({"in": "create", "collections": too_early}));
        Ok(probe)
    }

    fn start(&self) -> Result<(), Fault> {
        self.maybe_panic("start");
        std::thread::sleep(Duration::from_millis(self.config.start_delay_ms));
        let late_route = self
            .host
            .register_route(&Route::new("GET", "/late", Access::Public));
        self.saw(json!({
            "in": "start",
            "collections": self.host.collections().map_or(-1, |found| found.len() as i64),
            "late_route": late_route.err().map(|fault| fault.code.to_string()),
        }));
        Ok(())
    }

    fn notify(&self, batch: ChangeBatch<'_>) -> Result<(), FaultCode> {
        self.maybe_panic("notify");
        let reentrant = self
            .config
            .reentrant
            .then(|| self.host.collections().err().map(|fault| fault.code.to_string()));
        self.saw(json!({
            "in": "notify",
            "collection": batch.collection(),
            "op": format!("{:?}", batch.op()),
            "ids": batch.ids().collect::<Vec<_>>(),
            "reentrant": reentrant,
        }));
        Ok(())
    }

    fn collection_event(&self, event: CollectionEvent<'_>) -> Result<(), FaultCode> {
        self.maybe_panic("event");
        self.saw(json!({"in": "event", "event": format!("{event:?}")}));
        Ok(())
    }

    fn http(&self, request: Request, responder: Responder) {
        self.maybe_panic("http");
        if self.config.mute {
            return;
        }
        let documents = self.host.get("c", &["a", "missing"], Fields::ALL).map(|found| {
            found
                .iter()
                .map(|d| json!({"id": d.id, "vector": d.vector, "payload": d.payload}))
                .collect::<Vec<_>>()
        });
        let headers: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        responder.respond(Response::json(
            200,
            &json!({
                "seen": self.seen.lock().map(|seen| seen.clone()).unwrap_or_default(),
                "documents": documents.unwrap_or_default(),
                "path": request.path,
                "query": request.query,
                "headers": headers,
                "body": String::from_utf8_lossy(&request.body),
                "role": format!("{:?}", request.caller.role),
                "name": request.caller.name,
            }),
        ));
    }

    fn metrics(&self) -> Result<String, Fault> {
        self.maybe_panic("metrics");
        std::thread::sleep(Duration::from_millis(self.config.metrics_delay_ms));
        Ok(self.config.metrics.clone())
    }

    fn health(&self) -> Health {
        self.maybe_panic("health");
        std::thread::sleep(Duration::from_millis(self.config.health_delay_ms));
        Health::healthy()
    }

    fn reload(&self, config: &str) -> Result<(), Fault> {
        self.maybe_panic("reload");
        let config = Config::read(config)?;
        if config.restart_only {
            return Err(Fault::new(FaultCode::Unsupported, "at a restart only"));
        }
        self.saw(json!({"in": "reload", "begun": config.reload_delay_ms}));
        std::thread::sleep(Duration::from_millis(config.reload_delay_ms));
        self.saw(json!({"in": "reload", "done": config.reload_delay_ms}));
        Ok(())
    }

    fn drain(&self, _deadline: Duration) -> Result<u64, Fault> {
        self.maybe_panic("drain");
        // Outlives the shutdown: what the host answers then goes to its log.
        let host = self.host;
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            let answer = host.collections().err().map(|fault| fault.code.to_string());
            host.log(LogLevel::Info, "probe", &format!("after the end: {answer:?}"), "");
        });
        Ok(0)
    }
}

export_plugin!(Probe, name: "probe", config_section: "probe");
