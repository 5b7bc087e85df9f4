//! Lines as they are written, for events of the server and of plugins.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use vectorizer_host_shim::LOG_TARGET;

use super::LogFormat;
use super::layer::Lines;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `work` is done.
fn written(format: LogFormat, work: impl FnOnce()) -> String {
    let written = Written::default();
    let lines = Lines {
        format,
        coloured: false,
        writer: {
            let written = written.clone();
            move || written.clone()
        },
    };
    tracing::subscriber::with_default(registry().with(lines), work);
    let bytes = written.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

/// The text line without its timestamp.
fn text(work: impl FnOnce()) -> String {
    let line = written(LogFormat::Text, work);
    let (timestamp, rest) = line.split_once(' ').unwrap();
    check_timestamp(timestamp);
    rest.strip_suffix('\n').unwrap().to_owned()
}

/// The JSON line without its timestamp.
fn json_line(work: impl FnOnce()) -> Value {
    let line = written(LogFormat::Json, work);
    let mut value: Value = serde_json::from_str(&line).unwrap();
    let timestamp = value.as_object_mut().unwrap().remove("timestamp").unwrap();
    check_timestamp(timestamp.as_str().unwrap());
    value
}

fn check_timestamp(text: &str) {
    text.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(text.len(), "2026-01-01T00:00:00.000000Z".len(), "{text}");
    assert!(text.ends_with('Z'));
}

/// As the shim forwards a plugin's line.
fn plugin_line(source: &str, message: &str, fields: &str) {
    let plugin = "nexus";
    tracing::event!(target: LOG_TARGET, Level::WARN, plugin, source, fields, "{message}");
}

#[test]
fn a_plugins_line_has_its_own_target_and_fields() {
    let line = || {
        plugin_line(
            "nexus::link",
            "out of reach",
            r#"{"reason":"no \"route\"","tries":3}"#,
        )
    };
    assert_eq!(
        json_line(line),
        json!({"level": "WARN", "target": "nexus::link", "message": "out of reach", "plugin": "nexus",
            "reason": "no \"route\"", "tries": 3})
    );
    assert_eq!(
        text(line),
        r#" WARN nexus::link: out of reach plugin="nexus" reason="no \"route\"" tries=3"#
    );
}

#[test]
fn a_plugin_names_its_spans_inside_those_of_the_server() {
    let line = || {
        let _request = tracing::info_span!("request", correlation_id = "c-1", name = "n").entered();
        plugin_line(
            "s",
            "m",
            r#"{"spans":[{"name":"job","id":7},{"name":"batch"},5]}"#,
        );
    };
    assert_eq!(
        json_line(line)["spans"],
        json!([{"name": "request", "correlation_id": "c-1", "field_name": "n"}, {"name": "job", "id": 7},
            {"name": "batch"}, 5])
    );
    assert_eq!(
        text(line),
        r#" WARN request{correlation_id="c-1" field_name="n"}:job{id=7}:batch:5: s: m plugin="nexus""#
    );
    let odd = json_line(|| plugin_line("s", "m", r#"{"spans":"none"}"#));
    assert_eq!((odd.get("spans"), &odd["field_spans"]), (None, &json!("none")));
}

#[test]
fn no_field_of_a_plugin_takes_the_place_of_the_lines_own() {
    let fields = r#"{"timestamp":1,"level":2,"target":3,"message":4,"plugin":"other","field_level":5}"#;
    let line = written(LogFormat::Json, || plugin_line("s", "m", fields));
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (
            &value["level"],
            &value["target"],
            &value["message"],
            &value["plugin"]
        ),
        (&json!("WARN"), &json!("s"), &json!("m"), &json!("nexus"))
    );
    for (name, moved) in [
        ("field_timestamp", json!(1)),
        ("field_target", json!(3)),
        ("field_message", json!(4)),
        ("field_plugin", json!("other")),
    ] {
        assert_eq!(value[name], moved, "{line}");
    }
    let levels = [&value["field_level"], &value["field_field_level"]];
    assert!(
        levels.contains(&&json!(2)) && levels.contains(&&json!(5)),
        "{line}"
    );
    for name in ["timestamp", "level", "target", "message", "plugin"] {
        assert_eq!(line.matches(&format!("\"{name}\":")).count(), 1, "{line}");
    }
}

#[test]
fn fields_that_are_no_object_are_kept_as_a_text() {
    for fields in ["{", "[1]", "null", "{\"a\":1e999}", "plain"] {
        let line = json_line(|| plugin_line("s", "m", fields));
        assert_eq!(line["fields"], fields);
    }
    let line = json_line(|| plugin_line("", "m", ""));
    assert_eq!(
        (&line["target"], line.get("fields")),
        (&json!("vectorizer_plugin"), None)
    );
}

#[test]
fn the_servers_own_lines_keep_target_fields_and_spans() {
    let line = || {
        let request = tracing::info_span!("request", path = "/x", status = tracing::field::Empty);
        let _inside = request.enter();
        request.record("status", 200);
        tracing::error!(target: "vectorizer_host::rest", n = 1, ok = true, ratio = 0.5, odd = f64::NAN, error = %"it failed",
            r#type = "t", level = "mine", "the store failed");
    };
    assert_eq!(
        json_line(line),
        json!({"level": "ERROR", "target": "vectorizer_host::rest", "message": "the store failed", "n": 1, "ok": true,
            "ratio": 0.5, "odd": "NaN", "error": "it failed", "type": "t", "field_level": "mine",
            "spans": [{"name": "request", "path": "/x", "status": 200}]})
    );
    let path_and_status = text(line);
    assert!(
        path_and_status.starts_with(
            r#"ERROR request{path="/x" status=200}: vectorizer_host::rest: the store failed n=1"#
        ),
        "{path_and_status}"
    );
}

#[test]
fn keys_of_a_json_line_come_in_their_order() {
    let line = written(LogFormat::Json, || {
        let _span = tracing::info_span!("s").entered();
        plugin_line("t", "m", r#"{"a":1}"#);
    });
    let order = ["timestamp", "level", "target", "message", "plugin", "a", "spans"];
    let at: Vec<_> = order
        .iter()
        .map(|key| line.find(&format!("\"{key}\":")).unwrap())
        .collect();
    assert!(at.is_sorted(), "{line}");
}

#[test]
fn a_line_cannot_be_forged_in_text() {
    let forged = "done\n2026-01-01T00:00:00.000000Z  INFO x: all is well\u{1b}[2K\u{2028}\u{202e}";
    let line = text(|| {
        plugin_line(
            forged,
            forged,
            &json!({forged: forged, "in": [forged]}).to_string(),
        )
    });
    assert!(line.chars().all(|c| !c.is_control()), "{line}");
    assert!(
        line.contains(r"done\n2026") && line.contains(r"\u{1b}[2K\u{2028}\u{202e}"),
        "{line}"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_name(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    let own = prop::sample::select(vec![
        "timestamp",
        "level",
        "target",
        "message",
        "spans",
        "plugin",
        "name",
    ]);
    prop_oneof![own.prop_map(str::to_owned), any::<String>()]
}

fn any_fields() -> impl Strategy<Value = String> {
    let object = prop::collection::btree_map(any_name(), any_json(), 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()).to_string());
    prop_oneof![object, any::<String>(), "[{}\\[\\]\":,a\n\\\\]*"]
}

proptest! {
    #[test]
    fn whatever_is_in_an_event_it_is_one_line(
        source in any::<String>(), message in any::<String>(), fields in any_fields(),
    ) {
        let line = written(LogFormat::Json, || plugin_line(&source, &message, &fields));
        prop_assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&value["level"], "WARN");
        prop_assert_eq!(&value["message"], &message);
        prop_assert_eq!(&value["plugin"], "nexus");
        prop_assert!(value["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        if !source.is_empty() {
            prop_assert_eq!(&value["target"], &source);
        }

        let line = written(LogFormat::Text, || plugin_line(&source, &message, &fields));
        let content = line.strip_suffix('\n').unwrap();
        prop_assert!(content.chars().all(|c| !c.is_control()), "{:?}", content);
    }
}
