//! What a write pays for a plugin: hints through the real shared library, and with no plugin at all.
//!
//! Run by `cargo xtask bench --bench hook`, which builds the plugin first. There is no Nexus: the journal fills, as it does
//! in an outage.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::api::model::Op;
use vectorizer_tests::build::{Artifacts, Profile};

fn open(folder: &Path) -> PluginHost {
    let plugins = Artifacts::of(Profile::Release).install_plugin(folder).unwrap();
    let config = json!({
        "plugins": {"directory": plugins, "enabled": ["nexus"], "fail_open": false},
        "nexus_integration": {"nexus_url": "http://127.0.0.1:9"},
    });
    PluginHost::open("bench", "0", config.as_object().unwrap(), folder).unwrap()
}

fn ids(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("0198f3c2-6f0e-7b1a-9c55-{n:012x}"))
        .collect()
}

/// Ids in a round: what the plugin's intake holds with room to spare. A flood would measure how it turns hints away.
const ROUND: u64 = 8_192;
/// Enough for the journal to take a round in.
const PAUSE: Duration = Duration::from_millis(120);

/// Calls before the clock starts.
const WARM: u64 = 64;

/// Times `notify` in rounds, letting the journal take each in before the next.
fn rounds(iterations: u64, ids_each: u64, mut notify: impl FnMut(u64) -> Duration) -> Duration {
    let round = (ROUND / ids_each).max(1);
    let mut left = iterations;
    let mut total = Duration::ZERO;
    while left > 0 {
        let now = left.min(round);
        // After a pause the caches are cold; a stream of changes is what counts.
        notify(WARM);
        total += notify(now);
        left -= now;
        std::thread::sleep(PAUSE);
    }
    total
}

fn notify(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let host = open(folder.path());
    let mut group = criterion.benchmark_group("notify");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(400));
    for count in [1, 100, 1_000] {
        let ids = ids(count);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("ids", count), &ids, |bencher, ids| {
            bencher.iter_custom(|iterations| {
                rounds(iterations, count as u64, |now| {
                    let begun = Instant::now();
                    for _ in 0..now {
                        host.notify("collection", Op::Upsert, black_box(ids));
                    }
                    begun.elapsed()
                })
            });
        });
    }
    group.finish();
    host.shutdown(Duration::from_secs(5));
}

/// A writer among seven others.
fn contended(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let host = open(folder.path());
    let mut group = criterion.benchmark_group("notify");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(400));
    group.bench_function("8 threads, 1 id", |bencher| {
        bencher.iter_custom(|iterations| {
            rounds(iterations, 8, |now| {
                let together = Barrier::new(8);
                let thread = |number: u64| {
                    let id = format!("thread-{number}");
                    together.wait();
                    let begun = Instant::now();
                    for _ in 0..now {
                        host.notify("collection", Op::Upsert, black_box(&[id.as_str()]));
                    }
                    begun.elapsed()
                };
                std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || thread(number))).collect();
                    threads
                        .into_iter()
                        .map(|thread| thread.join().unwrap())
                        .sum::<Duration>()
                        / 8
                })
            })
        });
    });
    group.finish();
    host.shutdown(Duration::from_secs(5));
}

fn disabled(criterion: &mut Criterion) {
    let host = PluginHost::none();
    criterion.bench_function("notify/no plugin", |bencher| {
        bencher.iter(|| host.notify("collection", Op::Upsert, black_box(&["an id"])));
    });
}

criterion_group!(benches, notify, contended, disabled);
criterion_main!(benches);
