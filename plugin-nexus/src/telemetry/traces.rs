//! Spans on their way to a collector of OpenTelemetry (OTLP over HTTP, protobuf).
//!
//! A change's trace has the change's name as its id. Its root is `hook`, from the moment at which the host told of the change until it is
//! taken in; its id is made of the change's name, so that batches of all stages and deliveries are put below it without anything being
//! kept. A batch that is there for several changes is in the trace of the first and linked with the others. One that is there for none, as a
//! comparison's, begins a trace of its own.
//!
//! Invariants: the share of changes that is sent is chosen by their names, so a trace is sent whole or not at all; a collector that is slow
//! or away costs memory for a bounded number of spans, and nothing else.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, Sampler, SdkTracerProvider};
use tokio::runtime::Runtime;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryError;
use crate::config::Traces;
use crate::correlation::{ChangeId, ChangeNames, lower_half};
use crate::nexus::{client_tls, plain_client};

/// What spans are of.
const SERVICE: &str = "vectorizer-nexus";
/// How long the last spans may take at the end.
const GRACE: Duration = Duration::from_secs(1);
/// Changes of one batch that are linked with it.
const MOST_LINKED: usize = 32;

/// One a process, as the subscriber is.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

thread_local! {
    /// The ids of the span that is made next on this thread.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// The layer that makes spans of `tracing` spans of OpenTelemetry; `None` where no collector is configured.
pub(super) fn layer<S>(settings: &Traces) -> Result<Option<impl Layer<S> + use<S>>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(endpoint) = &settings.endpoint else {
        return Ok(None);
    };
    let timeout = Duration::from_millis(settings.timeout_ms);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::new(endpoint.scheme() == "https", timeout)?)
        .with_endpoint(endpoint.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(timeout)
        .build()
        .map_err(unusable)?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_id_generator(Ids::default())
        .with_sampler(Sampler::TraceIdRatioBased(settings.sample))
        .with_resource(
            Resource::builder()
                .with_service_name(SERVICE)
                .with_attribute(version)
                .build(),
        )
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SERVICE))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(FilterFn::new(wanted));
    let _ = PROVIDER.set(provider);
    Ok(Some(layer))
}

fn unusable(error: impl std::fmt::Display) -> TelemetryError {
    TelemetryError(error.to_string())
}

/// Our own spans, and in them what is wrong.
fn wanted(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
        && (metadata.is_span() || *metadata.level() <= tracing::Level::WARN)
}

/// See [`super::trace_batch`].
pub(super) fn batch(span: &Span, names: &ChangeNames, moments: &BTreeSet<u64>) {
    if PROVIDER.get().is_none() {
        return;
    }
    let mut told = moments
        .iter()
        .map(|moment| names.name(*moment))
        .filter(|name| name.is_told());
    let own = || moments.first().map(|moment| names.name(*moment));
    if let Some(first) = told.next().or_else(own) {
        change(span, first);
    }
    for other in told.take(MOST_LINKED) {
        span.add_link(hook_of(other));
    }
}

/// See [`super::trace_change`]. Work that the plugin found by itself has no root to be below, and begins its trace.
pub(super) fn change(span: &Span, name: ChangeId) {
    if PROVIDER.get().is_none() {
        return;
    }
    if name.is_told() {
        // It fails where the span was begun before, which is made just now.
        let _ = span.set_parent(Context::new().with_remote_span_context(hook_of(name)));
        return;
    }
    let trace = TraceId::from(name.bits());
    NEXT.set(Some((trace, SpanId::from(rand::random::<u64>()))));
    // It is begun when it is asked for.
    let _ = span.context();
    NEXT.set(None);
}

/// See [`super::end`]. What is not sent by then is lost.
pub(super) fn end() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(GRACE)
    {
        tracing::debug!(%error, "the last spans could not be sent");
    }
}

/// The root of a change's trace.
fn hook_of(change: ChangeId) -> SpanContext {
    SpanContext::new(
        TraceId::from(change.bits()),
        SpanId::from(lower_half(change.bits() as u64)),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    )
}

/// See [`super::trace_hook`].
pub(super) fn hook(change: ChangeId, moment: u64) {
    let Some(provider) = PROVIDER.get() else {
        return;
    };
    let root = hook_of(change);
    NEXT.set(Some((root.trace_id(), root.span_id())));
    let builder = SpanBuilder::from_name("hook")
        .with_kind(SpanKind::Producer)
        .with_start_time(SystemTime::UNIX_EPOCH + Duration::from_micros(moment))
        .with_attributes([KeyValue::new("correlation_id", change.to_string())]);
    let mut span = provider
        .tracer(SERVICE)
        .build_with_context(builder, &Context::new());
    NEXT.set(None);
    span.end();
}

/// Random ids, but for the root of a change's trace.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}

/// The way to the collector. Spans are sent on a thread of the SDK's own, which may block.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Runtime,
}

impl Collector {
    fn new(is_secure: bool, timeout: Duration) -> Result<Self, TelemetryError> {
        let tls = client_tls(is_secure, None).map_err(unusable)?;
        let client = plain_client(tls).timeout(timeout).build().map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(unusable)?;
        Ok(Self { client, runtime })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.block_on(async {
            let answer = self.client.execute(request.try_into()?).await?;
            // What it says is of no use; its status is.
            Ok::<_, reqwest::Error>(answer.status())
        });
        match sent {
            Ok(status) => {
                if !status.is_success() {
                    tracing::warn!(status = status.as_u16(), "the collector of traces refuses spans");
                }
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = status;
                Ok(response)
            }
            Err(error) => {
                let error = error.without_url();
                tracing::warn!(%error, "the collector of traces is out of reach; spans are lost");
                Err(error.into())
            }
        }
    }
}
