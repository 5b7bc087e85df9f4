//! Log lines and traces on their way out of the plugin.
//!
//! A plugin has its own copy of `tracing`, which knows nothing of the host's subscriber: [`forward`] hands each line over, with the
//! context of its spans, and [`repeats`] keeps a place that has much to say from filling the disk. With the feature `otlp`, spans go to a
//! collector of OpenTelemetry, too (`traces`).
//!
//! Invariant: no payload text and no secret is in a field of any line or span.

mod forward;
mod repeats;
#[cfg(feature = "otlp")]
mod traces;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Instant;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use vectorizer_plugin_api::{Host, LogLevel};

use crate::config::Telemetry;
use crate::correlation::{ChangeId, ChangeNames};
use forward::Forward;
use repeats::{Repeats, Told};

/// Why spans cannot go to a collector.
#[derive(Debug, thiserror::Error)]
#[error("nexus_integration.telemetry.traces: {0}")]
pub(crate) struct TelemetryError(String);

/// One a process, as the subscriber is.
static REPEATS: OnceLock<Repeats> = OnceLock::new();

fn repeats() -> &'static Repeats {
    REPEATS.get_or_init(Repeats::default)
}

/// Does something whose lines are forwarded, though it is not known yet what is asked for.
pub(crate) fn forwarding<T>(host: Host, work: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(registry().with(Forward::to(host)), work)
}

/// Forwards from now on. Only the first call in a process counts; a test that uses the plugin as a Rust library may have a subscriber of
/// its own already.
///
/// # Errors
/// [`TelemetryError`] where spans are to go to a collector, and cannot.
pub(crate) fn start(host: Host, settings: &Telemetry) -> Result<(), TelemetryError> {
    repeats().limit(settings.log_lines_per_minute);
    let subscriber = registry().with(Forward::to(host));
    #[cfg(feature = "otlp")]
    {
        let layer = traces::layer(&settings.traces)?;
        let _ = tracing::subscriber::set_global_default(subscriber.with(layer));
    }
    #[cfg(not(feature = "otlp"))]
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

/// Other settings count from now on.
pub(crate) fn adopt(settings: &Telemetry) {
    repeats().limit(settings.log_lines_per_minute);
}

/// Lines that were not logged, since many like them were.
pub(crate) fn suppressed() -> u64 {
    repeats().suppressed()
}

/// Says how many lines were not logged in the minutes that are over. To be called now and then.
pub(crate) fn tell_suppressed(host: Host) {
    tell(host, repeats().over(Instant::now()));
}

fn tell(host: Host, left_out: Vec<Told>) {
    for told in left_out {
        let message = format!("{} more lines like: {}", told.count, told.message);
        host.log(LogLevel::Warn, told.target, &message, "");
    }
}

/// Puts a batch's span into the trace of the change that it is there for, and links it with the others. Without a collector it costs a
/// comparison.
#[cfg_attr(
    not(feature = "otlp"),
    allow(unused_variables, reason = "there are no traces")
)]
pub(crate) fn trace_batch(span: &tracing::Span, names: &ChangeNames, moments: &BTreeSet<u64>) {
    #[cfg(feature = "otlp")]
    traces::batch(span, names, moments);
}

/// The root of a change's trace: the host told of it at this moment, and it is taken in now.
#[cfg_attr(
    not(feature = "otlp"),
    allow(unused_variables, reason = "there are no traces")
)]
pub(crate) fn trace_hook(change: ChangeId, moment: u64) {
    #[cfg(feature = "otlp")]
    traces::hook(change, moment);
}

/// Puts a span into the trace of a change.
#[cfg_attr(
    not(feature = "otlp"),
    allow(unused_variables, reason = "there are no traces")
)]
pub(crate) fn trace_change(span: &tracing::Span, change: ChangeId) {
    #[cfg(feature = "otlp")]
    traces::change(span, change);
}

/// The plugin ends: what was not told is told, and spans that wait have a moment to be sent.
pub(crate) fn end(host: Host) {
    tell(host, repeats().all());
    #[cfg(feature = "otlp")]
    traces::end();
}
