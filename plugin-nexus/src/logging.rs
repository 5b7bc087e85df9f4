//! The plugin's log lines, forwarded to the host.
//!
//! A plugin has its own copy of `tracing`, which knows nothing of the host's subscriber; this layer hands each event over.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry;
use vectorizer_plugin_api::{Host, LogLevel};

/// Forwards from now on. Only the first call in a process counts; a test that loads the plugin as a Rust library may
/// have a subscriber of its own already.
pub(crate) fn forward_to(host: Host) {
    let subscriber = registry().with(Forward { host }.with_filter(LevelFilter::DEBUG));
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct Forward {
    host: Host,
}

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let ours = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        // Libraries below speak up only when something is wrong.
        if !ours && *metadata.level() > Level::WARN {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let fields = if line.fields.is_empty() {
            String::new()
        } else {
            Value::Object(line.fields).to_string()
        };
        self.host.log(
            level(*metadata.level()),
            metadata.target(),
            &line.message,
            &fields,
        );
    }
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::TRACE => LogLevel::Trace,
        Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        Level::ERROR => LogLevel::Error,
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: Map<String, Value>,
}

impl Line {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
}
