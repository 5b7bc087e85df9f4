//! Looks for what others changed in the graph, where no webhook tells of it: Nexus 2.5 has no feed of any kind
//! (`contracts/nexus-dialect.md` section 9).
//!
//! | what | how | when |
//! | --- | --- | --- |
//! | edges of other types | one scan a type ([`foreign`]) | Nexus's counters moved, or half a minute passed |
//! | nodes of ours | buckets in turn, by `rev` and a digest of our properties ([`nodes`]) | in the time that is left |
//! | edges of ours, nodes that are gone | a few documents in turn, against the journal ([`edges`]) | likewise |
//!
//! Invariants: it reads only, and what it finds is a hint to look ([`Work::LOOK`](crate::journal::Work::LOOK)) or to enrich: so it
//! may err, and costs a look then. It takes the configured share of the time and no more, a scan up to four times that.

mod edges;
mod foreign;
mod nodes;
mod seen;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use seen::SeenNodes;

use super::connection::Connection;
use super::context::Context;
use super::fault::StageFault;
use crate::config::PollerMode;

/// How often it is asked whether there is anything to poll for.
const IDLE: Duration = Duration::from_secs(1);
/// A scan comes at the latest so long after the last: counters do not move when an edge changes.
const SCAN_INTERVAL: Duration = Duration::from_secs(30);
/// What is scanned for people who wait may take so many times the share.
const HURRY: f64 = 4.0;

/// Polls until `stop` says true.
pub(super) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let mut rounds = Rounds::default();
    loop {
        let work = async {
            if !is_on(&context) {
                rounds = Rounds::default();
                tokio::time::sleep(IDLE).await;
                return;
            }
            context.gate.open().await;
            let connection = context.link.ready().await;
            // Lanes find out whether Nexus does its work again.
            context.breaker.closed().await;
            if let Err(fault) = rounds.next(&context, &connection).await {
                if fault.is_of_the_way() {
                    context.link.lost(&fault.to_string());
                } else if !fault.is_closed() {
                    tracing::warn!(%fault, "the graph could not be polled");
                }
                tokio::time::sleep(IDLE).await;
            }
            let interval = Duration::from_millis(context.config().poller.interval_ms);
            tokio::time::sleep(interval).await;
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = work => {}
        }
    }
}

/// Whether the graph is polled at present.
pub fn is_on(context: &Context) -> bool {
    match context.config().poller.mode {
        PollerMode::On => true,
        PollerMode::Off => false,
        PollerMode::Auto => context.config().enrichment.enabled && !context.journal.has_heard(),
    }
}

/// Where the rounds are.
#[derive(Debug, Default)]
struct Rounds {
    counters: Option<(u64, u64)>,
    foreign: foreign::ForeignEdges,
    nodes: nodes::NodeRound,
    edges: edges::EdgeRound,
    /// Whether edges come next, else nodes.
    edges_next: bool,
    /// Before then nothing is scanned, or looked at in turn.
    scan: Rest,
    turn: Rest,
}

/// When something may be done again, so that it takes its share of the time and no more.
#[derive(Debug, Default)]
struct Rest {
    last: Option<Instant>,
    until: Option<Instant>,
}

impl Rest {
    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    fn is_old(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= SCAN_INTERVAL)
    }

    fn begin(&mut self, begun: Instant, share: f64) {
        let now = Instant::now();
        self.last = Some(now);
        let took = begun.elapsed();
        self.until = Some(now + took.mul_f64((1.0 / share.min(1.0) - 1.0).max(0.0)));
    }
}

impl Rounds {
    async fn next(&mut self, context: &Arc<Context>, connection: &Connection) -> Result<(), StageFault> {
        let share = context.config().poller.share;
        if context.config().enrichment.enabled {
            let stats = context
                .client
                .stats()
                .await
                .map_err(crate::graph::GraphError::from)?;
            let counters = Some((stats.rel_count, stats.label_count));
            let moved = self.counters != counters;
            if (moved || self.scan.is_old()) && self.scan.is_over() {
                let begun = Instant::now();
                let found = self.foreign.scan(context, connection).await?;
                self.counters = counters;
                self.scan.begin(begun, share * HURRY);
                context
                    .metrics
                    .enrichment
                    .polled("foreign_edges", begun.elapsed(), found);
            }
        }
        if !self.turn.is_over() {
            return Ok(());
        }
        let begun = Instant::now();
        let (what, found) = match self.edges_next {
            true => ("edges", self.edges.step(context, connection).await?),
            false => ("nodes", self.nodes.step(context, connection).await?),
        };
        self.edges_next = !self.edges_next;
        self.turn.begin(begun, share);
        context.metrics.enrichment.polled(what, begun.elapsed(), found);
        Ok(())
    }
}
