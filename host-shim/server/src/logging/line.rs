//! One line of the log, before it is text or JSON.
//!
//! Invariant: no two fields have the same name, and none has a name of the line's own.

use std::error::Error;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};
use vectorizer_host_shim::LOG_TARGET;

/// Names that a line has for itself.
const RESERVED: [&str; 5] = ["timestamp", "level", "target", "message", "spans"];
/// What is put before the name of a field that is taken.
const PREFIX: &str = "field_";
/// A field of a span with this name would hide the span's.
const SPAN_NAME: &str = "name";
/// The key of a plugin's spans, and of those of a line.
const SPANS: &str = "spans";

/// Named values in the order in which they came. A later value takes the place of an earlier one.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    fn take_text(&mut self, name: &str) -> String {
        match self.take(name) {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// Adds a field under its name, or under the next one that is free.
    fn add(&mut self, name: String, value: Value, reserved: &[&str]) {
        let mut name = name;
        while reserved.contains(&name.as_str()) || self.0.iter().any(|(known, _)| *known == name) {
            name.insert_str(0, PREFIX);
        }
        self.0.push((name, value));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A span of this name with these fields, as it stands in a line.
    pub(super) fn as_span(&self, name: &str) -> Value {
        let mut span = Self(vec![(SPAN_NAME.to_owned(), Value::from(name))]);
        for (name, value) in &self.0 {
            span.add(name.clone(), value.clone(), &[]);
        }
        Value::Object(Map::from_iter(span.0))
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        let number = match value.is_finite() {
            true => Value::from(value),
            false => Value::from(value.to_string()),
        };
        self.record(field, number);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, Value::from(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record(field, Value::from(value.to_string()));
    }
}

impl Fields {
    fn record(&mut self, field: &Field, value: Value) {
        let name = field.name();
        self.put(name.strip_prefix("r#").unwrap_or(name), value);
    }
}

/// One event.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) timestamp: Timestamp,
    pub(super) level: Level,
    pub(super) target: String,
    pub(super) message: String,
    pub(super) fields: Fields,
    /// The outermost first. Objects with a `name`, but for what a plugin makes of them.
    pub(super) spans: Vec<Value>,
}

impl Line {
    /// The line of an event with these fields, inside these spans.
    pub(super) fn new(metadata: &Metadata<'_>, mut given: Fields, mut spans: Vec<Value>) -> Self {
        let message = given.take_text("message");
        let mut target = metadata.target().to_owned();
        let mut fields = Fields::default();
        let mut add = |name: String, value: Value| fields.add(name, value, &RESERVED);
        if target == LOG_TARGET {
            let (source, handed) = (given.take_text("source"), given.take_text("fields"));
            if !source.is_empty() {
                target = source;
            }
            given.0.drain(..).for_each(|(name, value)| add(name, value));
            match serde_json::from_str(&handed) {
                Ok(Value::Object(object)) => {
                    for (name, value) in object {
                        match value {
                            Value::Array(inner) if name == SPANS => spans.extend(inner),
                            value => add(name, value),
                        }
                    }
                }
                // Better a text than nothing.
                _ if !handed.is_empty() => add("fields".to_owned(), Value::from(handed)),
                _ => {}
            }
        } else {
            given.0.drain(..).for_each(|(name, value)| add(name, value));
        }
        Self {
            timestamp: Timestamp::now(),
            level: *metadata.level(),
            target,
            message,
            fields,
            spans,
        }
    }
}
