//! What happens at the boundary of a plugin, through a real shared library: panics, calls from the wrong place or at the wrong
//! time, scrapes, routes.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_host_shim::api::model::{
    CollectionEvent, CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Metric, Op, Page,
};
use vectorizer_host_shim::api::{Caller, FaultCode, Request, Responder, Role};
use vectorizer_host_shim::store::{Store, StoreError};
use vectorizer_host_shim::{HostError, Loaded, PluginHost, PluginsConfig, RouteMatch, State};
use vectorizer_tests::build::{Artifacts, Profile};

/// A store with one document.
struct OneDocument;

impl Store for OneDocument {
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        Ok(vec![self.collection("c")?])
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
        let info = CollectionInfo {
            name: "c".into(),
            dimension: 2,
            metric: Metric::Cosine,
            count: 1,
            exact_vectors: true,
        };
        if name == "c" {
            Ok(info)
        } else {
            Err(StoreError::CollectionNotFound(name.into()))
        }
    }

    fn get(&self, _: &str, ids: &[&str], _: Fields) -> Result<Vec<Document>, StoreError> {
        let payload = json!({"n": 0.1, "é": [null]}).as_object().cloned();
        let document = Document {
            id: "a".into(),
            vector: vec![0.5, -0.25],
            payload,
        };
        Ok(if ids.contains(&"a") {
            vec![document]
        } else {
            Vec::new()
        })
    }

    fn search(&self, _: &str, _: &[f32], _: usize, _: Fields) -> Result<Vec<Hit>, StoreError> {
        Ok(Vec::new())
    }

    fn scan(&self, _: &str, _: Option<&str>, _: usize, _: Fields) -> Result<Page, StoreError> {
        Ok(Page {
            documents: Vec::new(),
            next: None,
        })
    }

    fn count(&self, _: &str) -> Result<u64, StoreError> {
        Ok(1)
    }

    fn merge_payload(&self, _: &str, _: &str, _: &JsonMap, _: &JsonMap) -> Result<Merge, StoreError> {
        Ok(Merge::Gone)
    }

    fn embed(&self, _: &str, _: &str) -> Result<Vec<f32>, StoreError> {
        Err(StoreError::Invalid("it takes no texts".to_owned()))
    }

    fn invalidate_cache(&self, _: &str) {}
}

fn open(folder: &Path, config: Value) -> Result<PluginHost, HostError> {
    let artifacts = Artifacts::of(Profile::Dev);
    let plugins = artifacts
        .install(&artifacts.probe_plugin(), "probe", folder)
        .unwrap();
    let document = json!({"plugins": {"directory": plugins, "enabled": ["probe"]}, "probe": config});
    PluginHost::open("test", "0", document.as_object().unwrap(), folder)
}

fn started(folder: &Path, config: Value) -> PluginHost {
    let host = open(folder, config).unwrap();
    let store: Arc<dyn Store> = Arc::new(OneDocument);
    host.ready(&store);
    host
}

fn ask(host: &PluginHost) -> (u16, Value) {
    let (send, receive) = mpsc::channel();
    let request = Request {
        method: "GET".into(),
        path: "/probe".into(),
        query: "q=1".into(),
        headers: vec![("x-test".into(), b"v".to_vec())],
        body: b"body".to_vec(),
        caller: Caller {
            role: Role::User,
            name: "u".into(),
        },
    };
    host.http(
        "probe",
        request,
        Responder::new(move |response| send.send(response).unwrap()),
    );
    let response = receive.recv_timeout(Duration::from_secs(5)).unwrap();
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

/// The value of a series in a scrape.
fn sample(host: &PluginHost, series: &str) -> String {
    let scrape = host.metrics();
    let value = scrape
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("{series} is not in {scrape}"))
        .to_owned()
}

fn calls_of(host: &PluginHost, call: &str, result: &str) -> String {
    let labels = format!("plugin=\"probe\",call=\"{call}\",result=\"{result}\"");
    sample(host, &format!("vectorizer_plugin_calls_total{{{labels}}}"))
}

fn state(host: &PluginHost) -> (State, String) {
    let report = host.reports().remove(0);
    (report.state, report.reason)
}

#[test]
fn hints_documents_and_requests_cross_whole() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path(), json!({}));
    let names: Vec<String> = (0..300).map(|n| format!("id{n}é")).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    host.notify("c", Op::Delete, &ids);
    host.collection_event(&CollectionEvent::Renamed { from: "a", to: "b" });
    let (status, answer) = ask(&host);
    assert_eq!(status, 200);
    let batches: Vec<&Value> = answer["seen"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|seen| seen["in"] == "notify")
        .collect();
    let seen: Vec<&str> = batches
        .iter()
        .flat_map(|batch| batch["ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    assert_eq!(seen, ids);
    assert!(
        batches
            .iter()
            .all(|batch| batch["op"] == "Delete" && batch["collection"] == "c")
    );
    assert!(
        answer["seen"]
            .to_string()
            .contains(r#"Renamed { from: \"a\", to: \"b\" }"#)
    );
    assert_eq!(
        answer["documents"],
        json!([{"id": "a", "vector": [0.5, -0.25], "payload": {"n": 0.1, "é": [null]}}])
    );
    assert_eq!(
        (&answer["query"], &answer["body"], &answer["role"]),
        (&json!("q=1"), &json!("body"), &json!("User"))
    );
}

#[test]
fn a_panic_in_any_call_faults_the_plugin_and_nothing_else() {
    type Call = fn(&PluginHost);
    let calls: [(&str, &str, Call); 6] = [
        ("notify", "notify", |host| host.notify("c", Op::Upsert, &["a"])),
        ("event", "collection_event", |host| {
            host.collection_event(&CollectionEvent::Created("c"))
        }),
        ("http", "http", |host| assert_eq!(ask(host).0, 500)),
        ("metrics", "metrics", |host| drop(host.metrics())),
        ("health", "health", |host| drop(host.reports())),
        ("reload", "reload", |host| {
            let document = json!({"plugins": {"directory": "/x", "enabled": ["probe"]}});
            host.reload("probe", document.as_object().unwrap()).unwrap_err();
        }),
    ];
    for (place, name, call) in calls {
        let folder = tempfile::tempdir().unwrap();
        let host = started(folder.path(), json!({"panic_in": [place]}));
        call(&host);
        let (after, reason) = state(&host);
        assert_eq!(after, State::Faulted, "{place}");
        assert!(reason.contains("panic"), "{place}: {reason}");
        assert_eq!(
            sample(&host, "vectorizer_plugin_panics_total{plugin=\"probe\"}"),
            "1"
        );
        assert_eq!(calls_of(&host, name, "panicked"), "1", "{place}");
        assert_eq!(ask(&host).0, 503, "{place}: a faulted plugin is not called again");
        host.notify("c", Op::Upsert, &["a"]);
        host.shutdown(Duration::from_secs(1));
    }
}

#[test]
fn a_panic_while_starting_is_the_plugins_own_matter() {
    let folder = tempfile::tempdir().unwrap();
    let host = open(folder.path(), json!({"panic_in": ["create"]})).unwrap();
    let (after, reason) = state(&host);
    assert_eq!(after, State::Declared);
    assert!(reason.contains("the probe panics in create"), "{reason}");
    let refused = "vectorizer_plugin_refused{plugin=\"probe\",reason=\"plugin\"}";
    assert_eq!(sample(&host, refused), "1");
    assert_eq!(host.route("GET", "/probe"), RouteMatch::NotFound);

    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path(), json!({"panic_in": ["start"]}));
    assert_eq!(state(&host).0, State::Faulted);
    assert_eq!(calls_of(&host, "start", "panicked"), "1");
    assert!(
        !host.metrics().contains("vectorizer_plugin_refused{"),
        "it was loaded"
    );
}

#[test]
fn calls_are_counted_by_what_came_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path(), json!({}));
    host.notify("c", Op::Upsert, &["a"]);
    host.notify("c", Op::Delete, &["a"]);
    host.collection_event(&CollectionEvent::Created("c"));
    assert_eq!(ask(&host).0, 200);
    let document =
        json!({"plugins": {"directory": "/x", "enabled": ["probe"]}, "probe": {"restart_only": true}});
    host.reload("probe", document.as_object().unwrap()).unwrap_err();
    host.shutdown(Duration::from_secs(1));
    for (call, result, times) in [
        ("start", "ok", "1"),
        ("notify", "ok", "2"),
        ("notify", "refused", "0"),
        ("collection_event", "ok", "1"),
        ("http", "ok", "1"),
        ("reload", "ok", "0"),
        ("reload", "refused", "1"),
        ("stop_intake", "ok", "1"),
        ("drain", "ok", "1"),
    ] {
        assert_eq!(calls_of(&host, call, result), times, "{call} {result}");
    }
    let took = "vectorizer_plugin_call_duration_seconds_count{plugin=\"probe\",call=\"notify\"}";
    assert_eq!(sample(&host, took), "2");
    host.notify("c", Op::Upsert, &["a"]);
    assert_eq!(sample(&host, took), "2", "who is not called is not counted");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path(), json!({"panik_in": []})).unwrap_err();
    assert!(matches!(error, HostError::Config(_)));
    assert!(
        error.to_string().contains("probe: unknown field `panik_in`"),
        "{error}"
    );
}

#[test]
fn a_plugin_says_what_it_finds_wrong_and_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::of(Profile::Dev);
    let plugins = artifacts
        .install(&artifacts.probe_plugin(), "probe", folder.path())
        .unwrap();
    let document =
        json!({"plugins": {"directory": plugins, "enabled": ["absent", "probe"]}, "probe": {"mut": 1}});
    let document = document.as_object().unwrap();
    let config = PluginsConfig::from_document(document).unwrap();
    let loaded = Loaded::load("test", "0", &config, document, folder.path());
    assert_eq!(loaded.config_sections(), [("probe", "probe")]);
    let keys: Vec<&str> = loaded.faults().iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["probe"]);
    assert!(matches!(loaded.into_host(), Err(HostError::Config(_))));
}

#[test]
fn a_running_plugin_takes_another_configuration_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path(), json!({}));
    let reload = |section: Value| {
        let document = json!({"plugins": {"directory": "/x", "enabled": ["probe"]}, "probe": section});
        host.reload("probe", document.as_object().unwrap())
    };
    let code = |section: Value| reload(section).unwrap_err().code;
    reload(json!({"reload_delay_ms": 1})).unwrap();
    assert_eq!(code(json!({"mut": 1})), FaultCode::Invalid);
    assert_eq!(code(json!([])), FaultCode::Invalid);
    assert_eq!(code(json!({"restart_only": true})), FaultCode::Unsupported);
    assert!(ask(&host).1["seen"].to_string().contains("\"done\":1"));
    host.shutdown(Duration::from_secs(1));
    let closed = reload(json!({})).unwrap_err();
    assert_eq!(
        (closed.code, closed.message.as_str()),
        (FaultCode::Closed, "the plugin 'probe' is stopped")
    );
}

#[test]
fn the_host_answers_by_where_and_when_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path(), json!({"reentrant": true}));
    host.notify("c", Op::Upsert, &["a"]);
    let seen = ask(&host).1["seen"].clone();
    assert_eq!(seen[0], json!({"in": "create", "collections": "unavailable"}));
    assert_eq!(
        seen[1],
        json!({"in": "start", "collections": 1, "late_route": "invalid"})
    );
    assert_eq!(seen[2]["reentrant"], "called from inside a hook");
    host.shutdown(Duration::from_secs(1));
    assert_eq!(state(&host).0, State::Stopped);
    // The probe calls once more from a thread of its own; a dangling host would crash this process.
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_request_that_gets_no_answer_is_a_500() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path(), json!({"mute": true}));
    let (status, answer) = ask(&host);
    assert_eq!(
        (status, &answer["error_type"]),
        (500, &json!("plugin_did_not_answer"))
    );
    assert_eq!(state(&host).0, State::Started);
}

#[test]
fn only_valid_families_of_its_own_enter_the_scrape() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# HELP vectorizer_probe_good Good\n# TYPE vectorizer_probe_good counter\nvectorizer_probe_good 1\n\
                # TYPE vectorizer_probe_good counter\nvectorizer_probe_good 2\n\
                # TYPE vectorizer_probe_bad gauge\nvectorizer_probe_bad{ 1\n\
                # TYPE vectorizer_other gauge\nvectorizer_other 1\n\
                # TYPE vectorizer_plugin_state gauge\nvectorizer_plugin_state 7\nnonsense\n";
    let host = started(folder.path(), json!({"metrics": text}));
    let scrape = host.metrics();
    assert!(scrape.contains("vectorizer_probe_good 1\n"), "{scrape}");
    for left_out in [
        "vectorizer_probe_good 2",
        "vectorizer_probe_bad",
        "vectorizer_other",
        "nonsense",
    ] {
        assert!(!scrape.contains(left_out), "{left_out}");
    }
    assert!(!scrape.contains("vectorizer_plugin_state 7"));
}

#[test]
fn a_slow_plugin_does_not_hold_up_a_scrape() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(
        folder.path(),
        json!({"metrics": "# TYPE vectorizer_probe_x gauge\nvectorizer_probe_x 1\n",
        "metrics_delay_ms": 3_000}),
    );
    let begun = Instant::now();
    for _ in 0..3 {
        let scrape = host.metrics();
        assert!(scrape.contains("vectorizer_plugin_state") && !scrape.contains("vectorizer_probe_x"));
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn routes_say_who_may_call_them() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path(), json!({}));
    assert!(
        matches!(host.route("GET", "/probe/user"), RouteMatch::Found { access, .. } if !Role::Anonymous.may(access))
    );
    assert!(
        matches!(host.route("POST", "/probe/admin/x"), RouteMatch::Found { access, .. } if !Role::User.may(access))
    );
    assert!(matches!(
        host.route("DELETE", "/probe"),
        RouteMatch::MethodNotAllowed(_)
    ));
    assert_eq!(host.route("GET", "/late"), RouteMatch::NotFound);
}
