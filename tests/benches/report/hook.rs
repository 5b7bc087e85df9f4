//! What a write pays: calls of the hook, each timed.
//!
//! There is no Nexus: the journal fills and is written, as it is in an outage. Calls come in rounds, with pauses in which the
//! journal takes a round in; a flood would measure how hints are turned away. The time of a call has two readings of the clock
//! in it, some 50 ns.

use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_host_shim::api::model::Op;
use vectorizer_host_shim::{HostError, PluginHost};

use crate::figure::{Aim, Findings, quantile};
use crate::host::{self, NOBODY};
use crate::options::Options;
use crate::store::{COLLECTION, id};

/// Ids that all threads tell of in a round.
const ROUND: usize = 8_192;
/// Enough for the journal to take so many in.
const PAUSE: Duration = Duration::from_millis(120);
/// Calls of each thread before its clock starts: after a pause the caches are cold.
const WARM: usize = 16;

pub(crate) fn run(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let folder = tempfile::tempdir().unwrap();
    let plugin = host::open(folder.path(), &json!({"nexus_url": NOBODY})).unwrap();
    for threads in [1, 8] {
        for (ids, calls) in [(1, 40_000), (100, 2_000), (1_000, 320)] {
            let calls = options.scale.pick(calls / 10, calls);
            let mut times = calls_of(&plugin, threads, ids, calls);
            let name = format!(
                "{threads} thread{}, {ids} ids",
                if threads > 1 { "s" } else { "" }
            );
            let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
            let each = p50 / ids as f64 / 1e3;
            findings.add(format!("{name}: p50 for each id"), "us", each, Aim::AtMost(5.0));
            findings.add(
                format!("{name}: p99 of a call"),
                "us",
                p99 / 1e3,
                Aim::AtMost(100.0),
            );
        }
    }
    plugin.shutdown(Duration::from_secs(5));

    let folder = tempfile::tempdir().unwrap();
    let off = host::open(folder.path(), &json!({"nexus_url": NOBODY, "enabled": false})).unwrap();
    let twenty = Aim::AtMost(20.0);
    findings.add("no plugin: a call", "ns", idle(&PluginHost::none()), twenty);
    findings.add("plugin with enabled: false: a call", "ns", idle(&off), twenty);
    off.shutdown(Duration::from_secs(5));

    instruments(options, &mut findings);
    durable(options, &mut findings);
    if std::thread::available_parallelism().map_or(0, usize::from) < 8 {
        findings.note("8 threads share fewer cores: p99 has waits for a core in it");
    }
    findings
}

/// The times of `calls` calls of `ids` ids by so many threads, in nanoseconds.
fn calls_of(host: &PluginHost, threads: usize, ids: usize, calls: usize) -> Vec<u64> {
    let each_round = (ROUND / ids / threads).max(4);
    let told = threads * each_round * ids;
    let pause = PAUSE.mul_f64((told as f64 / ROUND as f64).max(1.0));
    let mut times = Vec::with_capacity(calls);
    while times.len() < calls {
        times.extend(round(host, threads, ids, each_round));
        std::thread::sleep(pause);
    }
    times
}

fn round(host: &PluginHost, threads: usize, ids: usize, calls: usize) -> Vec<u64> {
    let together = Barrier::new(threads);
    let work = |thread: usize| {
        let ids: Vec<String> = (0..ids).map(|n| id((thread * ids + n) as u64)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut times = Vec::with_capacity(calls);
        together.wait();
        for _ in 0..WARM.min(calls) {
            host.notify(COLLECTION, Op::Upsert, black_box(&ids[..1]));
        }
        for _ in 0..calls {
            let begun = Instant::now();
            host.notify(COLLECTION, Op::Upsert, black_box(&ids));
            times.push(begun.elapsed().as_nanos() as u64);
        }
        times
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// The median of blocks of calls that nobody takes: too short to time one by one. Nanoseconds a call.
fn idle(host: &PluginHost) -> f64 {
    const BLOCK: u32 = 1_000;
    let mut times: Vec<u64> = (0..1_000)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..BLOCK {
                host.notify(COLLECTION, Op::Upsert, black_box(&["an id"]));
            }
            begun.elapsed().as_nanos() as u64
        })
        .collect();
    quantile(&mut times, 0.5) / f64::from(BLOCK)
}

/// What it costs to measure the hook: with and without, round by round in turn.
fn instruments(options: &Options, findings: &mut Findings) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let open = |folder: &tempfile::TempDir, timing: bool| {
        let section = json!({"nexus_url": NOBODY, "telemetry": {"hook_timing": timing}});
        host::open(folder.path(), &section).unwrap()
    };
    let (with, without) = (open(&folders[0], true), open(&folders[1], false));
    let calls = options.scale.pick(4_000, 80_000);
    for (threads, ids) in [(1, 1), (1, 100), (8, 1)] {
        let calls = calls / ids;
        let each_round = (ROUND / ids / threads).max(4);
        let mut times: [Vec<u64>; 2] = Default::default();
        while times[0].len() < calls {
            for (host, times) in [&with, &without].into_iter().zip(&mut times) {
                times.extend(round(host, threads, ids, each_round));
                std::thread::sleep(PAUSE);
            }
        }
        let [with, without] = times.each_mut().map(|times| quantile(times, 0.5));
        let name = format!(
            "{threads} thread{}, {ids} ids: p50 of a call with instruments",
            if threads > 1 { "s" } else { "" }
        );
        findings.add(name.clone(), "ns", with, None);
        findings.add(
            format!("{name}, to that without"),
            "",
            with / without,
            Aim::AtMost(1.1),
        );
    }
    with.shutdown(Duration::from_secs(5));
    without.shutdown(Duration::from_secs(5));
}

/// Calls that wait until their hint is on the disk.
fn durable(options: &Options, findings: &mut Findings) {
    let folder = tempfile::tempdir().unwrap();
    let plugin = match group(folder.path()) {
        Ok(plugin) => plugin,
        Err(error) => {
            findings.note(format!(
                "durability group is not supported by this build ({error})"
            ));
            return;
        }
    };
    let calls = options.scale.pick(200, 2_000);
    for threads in [1, 8] {
        let mut times: Vec<u64> = Vec::new();
        while times.len() < calls {
            times.extend(round(&plugin, threads, 1, 50));
        }
        let name = format!(
            "durability group, {threads} thread{}",
            if threads > 1 { "s" } else { "" }
        );
        let p50 = quantile(&mut times, 0.5) / 1e6;
        let p99 = quantile(&mut times, 0.99) / 1e6;
        findings.add(format!("{name}: p50 of a call"), "ms", p50, None);
        findings.add(format!("{name}: p99 of a call"), "ms", p99, Aim::AtMost(10.0));
    }
    plugin.shutdown(Duration::from_secs(5));
}

fn group(folder: &Path) -> Result<PluginHost, HostError> {
    let section: Value = json!({"nexus_url": NOBODY, "sync": {"durability": "group"}});
    host::open(folder, &section)
}
