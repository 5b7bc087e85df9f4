//! The plugin's log lines, handed over to the host.
//!
//! A line's fields go as one JSON object. Besides its own there are `spans`, from the outermost to the innermost, each with its name and
//! its fields, and `correlation_id` of the innermost span that has one, where the line has none itself. What a level of the host's log
//! does not take is not even formatted.

use std::fmt;
use std::time::Instant;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;
use vectorizer_plugin_api::{Host, LogLevel};

use super::repeats;

const CORRELATION: &str = "correlation_id";

/// See the [module](self).
struct Forwarding {
    host: Host,
}

/// What is forwarded: the plugin's own lines that the host takes, and of libraries below what is wrong.
pub(super) struct Forward;

impl Forward {
    pub(super) fn to<S>(host: Host) -> impl Layer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let most = host.log_level().map(of_host);
        Forwarding { host }.with_filter(wanted(most))
    }
}

fn wanted<S>(most: Option<Level>) -> impl Filter<S> {
    let filter = FilterFn::new(move |metadata: &Metadata<'_>| {
        let level = *metadata.level();
        let is_ours = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        // Spans give warnings their context, whatever the level.
        let is_context = is_ours && metadata.is_span() && level <= Level::INFO;
        most.is_some_and(|most| is_context || level <= most && (is_ours || level <= Level::WARN))
    });
    match most {
        Some(most) => filter.with_max_level_hint(most.max(Level::INFO)),
        None => filter,
    }
}

/// The fields of a span.
struct SpanFields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Forwarding {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut line = Line::default();
        attributes.record(&mut line);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(line.fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut line = Line::default();
        values.record(&mut line);
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            fields.append(&mut line.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Line::default();
        event.record(&mut line);
        if *metadata.level() <= Level::INFO {
            let (place, target) = (metadata.callsite(), metadata.target());
            match repeats().admit(place, target, &line.message, Instant::now()) {
                None => return,
                Some(0) => {}
                Some(more) => drop(line.fields.insert("suppressed_before".to_owned(), more.into())),
            }
        }
        let mut spans = Vec::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let mut told = Map::new();
            told.insert("name".to_owned(), span.name().into());
            if let Some(SpanFields(fields)) = span.extensions().get() {
                told.extend(fields.clone());
            }
            spans.push(told);
        }
        let inherited = spans.iter().rev().find_map(|span| span.get(CORRELATION));
        if let Some(id) = inherited.filter(|_| !line.fields.contains_key(CORRELATION)) {
            line.fields.insert(CORRELATION.to_owned(), id.clone());
        }
        if !spans.is_empty() {
            let spans = spans.into_iter().map(Value::Object).collect();
            line.fields.insert("spans".to_owned(), Value::Array(spans));
        }
        let fields = match line.fields.is_empty() {
            true => String::new(),
            false => Value::Object(line.fields).to_string(),
        };
        let level = to_host(*metadata.level());
        self.host.log(level, metadata.target(), &line.message, &fields);
    }
}

fn to_host(level: Level) -> LogLevel {
    match level {
        Level::TRACE => LogLevel::Trace,
        Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        Level::ERROR => LogLevel::Error,
    }
}

fn of_host(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::TRACE,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
        LogLevel::Error => Level::ERROR,
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
