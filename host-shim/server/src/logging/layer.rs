//! From events to lines that are written.

use std::io::Write as _;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use super::line::{Fields, Line};
use super::render;

/// Writes a line for each event.
#[derive(Debug)]
pub(super) struct Lines<W> {
    pub(super) format: LogFormat,
    /// Whether levels of text lines have colours.
    pub(super) coloured: bool,
    pub(super) writer: W,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let scope = context.event_scope(event).into_iter();
        let spans = scope.flat_map(|scope| scope.from_root()).map(|span| {
            let extensions = span.extensions();
            let fields = extensions.get::<Fields>();
            fields.cloned().unwrap_or_default().as_span(span.name())
        });
        let spans = spans.collect();
        let line = Line::new(event.metadata(), fields, spans);
        let text = match self.format {
            LogFormat::Text => render::text(&line, self.coloured).ok(),
            LogFormat::Json => render::json(&line).ok(),
        };
        if let Some(text) = text {
            // There is no place left to tell of a log that cannot be written.
            let _ = self
                .writer
                .make_writer_for(event.metadata())
                .write_all(text.as_bytes());
        }
    }
}
