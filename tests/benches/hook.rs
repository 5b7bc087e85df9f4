//! What a write pays for a plugin: hints through the real shared library, and with no plugin at all.
//!
//! Run by `cargo xtask bench --bench hook`, which builds the plugin first. There is no Nexus: the journal fills, as it does
//! in an outage.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::hint::black_box;
use std::path::Path;
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

fn notify(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let host = open(folder.path());
    let mut group = criterion.benchmark_group("notify");
    for count in [1, 100, 1_000] {
        let ids = ids(count);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("ids", count), &ids, |bencher, ids| {
            bencher.iter(|| host.notify("collection", Op::Upsert, black_box(ids)));
        });
    }
    group.finish();
    host.shutdown(Duration::from_secs(5));
}

/// A writer among seven others.
fn contended(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let host = open(folder.path());
    criterion.bench_function("notify/8 threads, 1 id", |bencher| {
        bencher.iter_custom(|iterations| {
            let begun = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let host = &host;
                    scope.spawn(move || {
                        let id = format!("thread-{thread}");
                        for _ in 0..iterations {
                            host.notify("collection", Op::Upsert, black_box(&[id.as_str()]));
                        }
                    });
                }
            });
            begun.elapsed() / 8
        });
    });
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
