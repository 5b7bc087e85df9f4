//! The breaker as those who wait at it see it, on tokio's stopped clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::backoff::Backoff;
use crate::graph::GraphError;
use crate::nexus::NexusError;
use vectorizer_plugin_api::{Fault, FaultCode};

fn breaker(threshold: u32) -> Arc<Breaker> {
    Arc::new(Breaker::new(BreakerSettings {
        threshold,
        open: Backoff {
            base: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        },
    }))
}

fn link(error: NexusError) -> StageFault {
    StageFault::from(GraphError::from(error))
}

fn busy(asked: Option<u64>) -> StageFault {
    link(NexusError::Overloaded {
        status: 503,
        retry_after: asked.map(Duration::from_secs),
    })
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_one_by_one_until_one_succeeds() {
    let breaker = breaker(1);
    breaker.permit().await.met(&busy(None));
    assert_eq!(breaker.state(), BreakerState::Open);
    let (probes, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut lanes = Vec::new();
    for _ in 0..20 {
        let (breaker, probes, now) = (Arc::clone(&breaker), Arc::clone(&probes), Arc::clone(&now));
        lanes.push(tokio::spawn(async move {
            let mut permit = breaker.permit().await;
            if breaker.state() == BreakerState::Closed {
                return;
            }
            assert_eq!(now.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            tokio::time::sleep(Duration::from_millis(300)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            // The first fails, the second ends without a word, the third succeeds.
            match probes.fetch_add(1, Ordering::SeqCst) {
                0 => permit.met(&busy(None)),
                1 => {}
                _ => permit.succeeded(),
            }
        }));
    }
    for lane in lanes {
        lane.await.unwrap();
    }
    assert_eq!(probes.load(Ordering::SeqCst), 3);
    let report = breaker.report();
    assert_eq!(
        (report.state, report.opened, report.reason),
        (BreakerState::Closed, 2, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_does_not_keep_the_others_out() {
    let breaker = breaker(1);
    breaker.permit().await.met(&busy(None));
    let probe = {
        let breaker = Arc::clone(&breaker);
        tokio::spawn(async move {
            let _permit = breaker.permit().await;
            std::future::pending::<()>().await;
        })
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(breaker.try_permit().is_none());
    let waiting = {
        let breaker = Arc::clone(&breaker);
        tokio::spawn(async move { breaker.permit().await.succeeded() })
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!waiting.is_finished());
    probe.abort();
    waiting.await.unwrap();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_as_long_as_the_server_asks_for() {
    let breaker = breaker(5);
    breaker.permit().await.met(&busy(Some(7)));
    let report = breaker.report();
    assert_eq!(
        (report.state, report.left),
        (BreakerState::Open, Some(Duration::from_secs(7)))
    );
    assert!(report.reason.unwrap().contains("503"));
    let start = tokio::time::Instant::now();
    let closed = {
        let breaker = Arc::clone(&breaker);
        tokio::spawn(async move { breaker.closed().await })
    };
    breaker.permit().await.succeeded();
    assert!(start.elapsed() >= Duration::from_secs(7));
    closed.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_fault_says_of_the_server_what_it_tells() {
    let unanswered = || NexusError::TimedOut {
        request: "s",
        limit: Duration::from_secs(1),
    };
    let server = || NexusError::Server {
        request: "s",
        message: "status 500".to_owned(),
    };
    let unreachable = || NexusError::Unreachable {
        detail: "refused".to_owned(),
    };
    let rejected = || NexusError::Rejected {
        statement: "s",
        message: "no".to_owned(),
    };
    let breaker = breaker(3);
    let mut failures = Vec::new();
    for fault in [
        busy(None),
        link(server()),
        // Not the server's.
        link(unreachable()),
        link(NexusError::SessionEnded),
        StageFault::Host(Fault::new(FaultCode::Unavailable, "away")),
        // It did answer.
        link(rejected()),
        link(unanswered()),
        StageFault::Repeat,
        link(server()),
    ] {
        breaker.permit().await.met(&fault);
        failures.push(breaker.report().failures);
    }
    assert_eq!(failures, [1, 2, 2, 2, 2, 0, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn another_server_lets_everybody_go_on_at_once() {
    let breaker = breaker(1);
    breaker.permit().await.met(&busy(Some(200)));
    let waiting = {
        let breaker = Arc::clone(&breaker);
        tokio::spawn(async move { drop(breaker.permit().await) })
    };
    tokio::task::yield_now().await;
    breaker.reset();
    let start = tokio::time::Instant::now();
    waiting.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
