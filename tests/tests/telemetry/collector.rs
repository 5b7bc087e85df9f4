//! A collector of OpenTelemetry, as far as spans go.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::receiver::Receiver;

const PATH: &str = "/v1/traces";

/// Takes spans until it is dropped.
pub(crate) struct Collector(Receiver);

impl Collector {
    pub(crate) fn new() -> Self {
        let receiver = Receiver::new();
        receiver.answer(|_| (200, None));
        Self(receiver)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url(PATH)
    }

    /// Refuses everything from now on.
    pub(crate) fn refuse(&self) {
        self.0.answer(|_| (503, None));
    }

    /// Answers nothing from now on.
    pub(crate) fn hang(&self) {
        self.0.answer(|_| (0, None));
    }

    /// All spans that came.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.0.received(PATH).into_iter();
        requests
            .filter(|request| request.status == 200)
            .map(|request| ExportTraceServiceRequest::decode(request.body).unwrap())
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// Those of one trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Span> {
        let spans = self.spans().into_iter();
        spans.filter(|span| hex(&span.trace_id) == id).collect()
    }
}

/// A span's attributes that are texts.
pub(crate) fn attributes(span: &Span) -> BTreeMap<String, String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let texts =
        span.attributes
            .iter()
            .filter_map(|attribute| match attribute.value.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => Some((attribute.key.clone(), text.clone())),
                _ => None,
            });
    texts.collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
