//! Memory while documents change without end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use vectorizer_host_shim::api::model::Op;

use crate::figure::{Aim, Findings, median};
use crate::graph;
use crate::host;
use crate::memory::{resident, room};
use crate::options::Options;
use crate::store::{COLLECTION, Layout, Synthetic, id};

const DOCUMENTS: u64 = 2_000;
/// Documents that change together, and then the queue is waited for.
const WAVE: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(300);
/// Caches and pools fill at first.
const WARM_UP: f64 = 0.25;
/// Share of the rest at its beginning and its end whose medians are compared.
const ENDS: f64 = 0.2;
/// In less time hardly anything grows so much: no verdict is given then.
const LONG: Duration = Duration::from_secs(600);
/// More than measuring takes itself, and the allocator keeps for a while.
const FLAT: f64 = 8.0;

pub(crate) fn run(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let folder = tempfile::tempdir().unwrap();
    let nexus_folder = tempfile::tempdir().unwrap();
    let server = graph::start(nexus_folder.path(), None);
    let section = json!({"nexus_url": server.url, "similarity": {"threshold": {"cosine": 0.5}}});
    let plugin = host::open(folder.path(), &section).unwrap();
    let store = Arc::new(Synthetic::new(Layout::Clusters, DOCUMENTS));
    host::ready_and_settled(&plugin, &store);
    let all = Duration::from_secs(options.endurance_seconds.unwrap_or(options.scale.pick(20, 600)));

    let begun = Instant::now();
    let mut readings: Vec<(f64, f64)> = Vec::new();
    let mut changed = 0;
    for wave in 0.. {
        if begun.elapsed() >= all {
            break;
        }
        // All come, all change many times, and now and then half of them go and come back.
        store.show(if wave % 40 == 39 { DOCUMENTS / 2 } else { DOCUMENTS });
        for step in 0..WAVE {
            let number = (wave * WAVE + step) % DOCUMENTS;
            store.change(number);
            plugin.notify(COLLECTION, Op::Upsert, &[id(number).as_str()]);
            changed += 1;
        }
        host::wait(&plugin, "a wave is in the graph", PATIENCE, |status| {
            status["queue_depth"] == 0
        });
        readings.push((begun.elapsed().as_secs_f64(), resident()));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let warm: Vec<(f64, f64)> = readings
        .into_iter()
        .filter(|(time, _)| *time > seconds * WARM_UP)
        .collect();
    let end = ((warm.len() as f64 * ENDS) as usize).max(1);
    let middle = |part: &[(f64, f64)]| median(&part.iter().map(|(_, size)| *size).collect::<Vec<_>>());
    let (first, last) = (middle(&warm[..end]), middle(&warm[warm.len() - end..]));
    findings.add("watched for", "s", seconds, None);
    findings.add("documents changed", "documents", changed as f64, None);
    findings.add("memory at the end", "MiB", last, None);
    let aim = (all >= LONG).then_some(Aim::AtMost(FLAT));
    findings.add("growth after the warm-up", "MiB", last - first, aim);
    if aim.is_none() {
        findings.note("watched too briefly to say whether memory stays flat; see the slope");
    }
    findings.add(
        "slope after the warm-up",
        "MiB/hour",
        slope(&warm) * 3_600.0,
        None,
    );
    let disk = room(&host::journal(folder.path()));
    findings.add(
        "journal on disk at the end",
        "MiB",
        disk.allocated,
        Aim::AtMost(64.0),
    );
    plugin.shutdown(Duration::from_secs(10));
    findings
}

/// Of the line that lies closest to all readings.
fn slope(readings: &[(f64, f64)]) -> f64 {
    let count = readings.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| readings.iter().map(pick).sum::<f64>() / count;
    let (time, size) = (mean(|reading| reading.0), mean(|reading| reading.1));
    let above: f64 = readings.iter().map(|(t, s)| (t - time) * (s - size)).sum();
    let below: f64 = readings.iter().map(|(t, _)| (t - time).powi(2)).sum();
    above / below
}
