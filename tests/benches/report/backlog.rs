//! A million documents change while Nexus is away.
//!
//! One process takes the hints in and says what memory they cost; another one opens what it left, and says how long that takes;
//! then Nexus comes, and finds that none of the documents exist. The journal's folder is watched until it is small again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_host_shim::PluginHost;
use vectorizer_tests::process::free_port;

use crate::child;
use crate::figure::{Aim, Findings};
use crate::graph;
use crate::host;
use crate::memory::{peak, resident, room};
use crate::options::{Options, Scale};
use crate::store::Synthetic;

/// Hints that may be on their way to the journal.
const AHEAD: u64 = 50_000;
/// For memory that is given back late.
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(600);
const DRAINED: Duration = Duration::from_secs(3_600);
const SMALL: f64 = 64.0;
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn run(options: &Options) -> Findings {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("port"), free_port().unwrap().to_string()).unwrap();
    let mut findings = child::run("backlog-fill", options, options.turn, Some(folder.path())).unwrap();
    let reopened = child::run("backlog-reopen", options, options.turn, Some(folder.path())).unwrap();
    findings.samples.extend(reopened.samples);
    findings.notes.extend(reopened.notes);
    if options.scale == Scale::Small {
        findings.note("the aims for a million hints are not asked of fewer");
    }
    findings
}

fn port(folder: &Path) -> u16 {
    let text = std::fs::read_to_string(folder.join("port")).unwrap();
    text.parse().unwrap()
}

fn open(folder: &Path, count: u64) -> PluginHost {
    let section: Value = json!({
        "nexus_url": format!("http://127.0.0.1:{}", port(folder)),
        "sync": {"max_queue_size": count.max(1_000_000)},
    });
    host::open(folder, &section).unwrap()
}

fn aim(options: &Options, bound: f64) -> Option<Aim> {
    (options.scale == Scale::Full).then_some(Aim::AtMost(bound))
}

/// Takes the hints in.
pub(crate) fn fill(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let folder = options.folder.as_deref().unwrap();
    let count = options.scale.million();
    let plugin = open(folder, count);
    host::ready(&plugin, &Arc::new(Synthetic::still(0, None)));
    host::wait(&plugin, "the empty store is compared", PATIENCE, |status| {
        !status["last_reconcile"].is_null()
    });
    std::thread::sleep(SETTLE);
    let before = resident();

    let begun = Instant::now();
    let mut told = 0;
    while told < count {
        let next = count.min(told + AHEAD / 2);
        host::hint(&plugin, told..next);
        told = next;
        host::wait(&plugin, "the journal keeps up", PATIENCE, |status| {
            status["queue_depth"].as_u64() >= Some(told.saturating_sub(AHEAD))
        });
    }
    host::wait(&plugin, "all hints are in the journal", PATIENCE, |status| {
        status["queue_depth"].as_u64() == Some(count)
    });
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let status = host::status(&plugin);
    if status["intake_overflows"].as_u64() > Some(0) {
        findings.note(format!(
            "{} batches of hints found the intake full",
            status["intake_overflows"]
        ));
    }
    std::thread::sleep(SETTLE);
    let added = resident() - before;
    findings.add("hints queued with Nexus down", "hints", count as f64, None);
    findings.add("hints taken in", "hints/s", rate, None);
    findings.add("memory added", "MiB", added, aim(options, 300.0));
    findings.add("memory added at the most", "MiB", peak() - before, None);
    let begun = Instant::now();
    plugin.shutdown(Duration::from_secs(30));
    findings.add("shutdown", "s", begun.elapsed().as_secs_f64(), None);
    let disk = room(&host::journal(folder));
    findings.add("journal on disk, full", "MiB", disk.allocated, None);
    findings
}

/// Opens what is left, and works it off.
pub(crate) fn reopen(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let folder = options.folder.as_deref().unwrap();
    let count = options.scale.million();
    let before = resident();
    let begun = Instant::now();
    let plugin = open(folder, count);
    host::ready(&plugin, &Arc::new(Synthetic::still(0, None)));
    assert_eq!(host::depth(&plugin), count);
    findings.add("reopen", "s", begun.elapsed().as_secs_f64(), aim(options, 5.0));
    std::thread::sleep(SETTLE);
    findings.add("memory after reopening", "MiB", resident() - before, None);

    let nexus_folder = tempfile::tempdir().unwrap();
    let server = graph::start(nexus_folder.path(), Some(port(folder)));
    host::wait(&plugin, "the link is up", PATIENCE, |status| {
        status["nexus"]["state"] == "ready"
    });
    drain(&plugin, count, &mut findings);
    shrink(&host::journal(folder), options, &mut findings);
    findings.add("memory after draining", "MiB", resident() - before, None);
    findings.add("memory at the most", "MiB", peak() - before, None);
    plugin.shutdown(Duration::from_secs(30));
    server.stop().unwrap();
    findings
}

fn drain(plugin: &PluginHost, count: u64, findings: &mut Findings) {
    let begun = Instant::now();
    loop {
        let left = host::depth(plugin);
        if left == 0 {
            break;
        }
        assert!(begun.elapsed() < DRAINED, "{left} hints are left");
        eprintln!("  {left} of {count} hints are left");
        std::thread::sleep(Duration::from_millis(if left < 50_000 { 100 } else { 5_000 }));
    }
    let seconds = begun.elapsed().as_secs_f64();
    findings.add(
        "drained (none of the documents exists)",
        "hints/s",
        count as f64 / seconds,
        None,
    );
}

/// Watches the journal's folder for a minute, or until it is small.
fn shrink(journal: &Path, options: &Options, findings: &mut Findings) {
    let begun = Instant::now();
    let mut disk = room(journal);
    findings.add("journal on disk, just drained", "MiB", disk.allocated, None);
    while disk.allocated >= SMALL && begun.elapsed() < MINUTE {
        std::thread::sleep(Duration::from_millis(250));
        disk = room(journal);
    }
    findings.add(
        "journal below 64 MiB, or watched for",
        "s",
        begun.elapsed().as_secs_f64(),
        None,
    );
    findings.add(
        "journal on disk, within a minute",
        "MiB",
        disk.allocated,
        aim(options, SMALL),
    );
    findings.add("the same by the files' lengths", "MiB", disk.lengths, None);
}
