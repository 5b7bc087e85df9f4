//! A million documents that did not change are compared with the journal.
//!
//! The journal gets its states without a million documents going through a graph: one document is synced, and its state, with
//! each document's own fingerprint, is written for all by the journal's own interface. One document counts as changed, to
//! show that the comparison finds it. Nexus is away while it runs: it needs none.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_plugin_nexus::config::Config;
use vectorizer_plugin_nexus::journal::{
    Claimable, DocumentId, DocumentState, Journal, Outcome, Settings, Stage, StateChange, Work,
};
use vectorizer_plugin_nexus::sync::fingerprint;

use crate::child;
use crate::figure::{Aim, Findings};
use crate::graph;
use crate::host::{self, NOBODY};
use crate::memory::{peak, resident, room};
use crate::options::{Options, Scale};
use crate::store::{COLLECTION, Synthetic, id};

const PATIENCE: Duration = Duration::from_secs(1_200);
/// States in one write.
const CHUNK: u64 = 5_000;

pub(crate) fn run(options: &Options) -> Findings {
    let folder = tempfile::tempdir().unwrap();
    let mut findings = Findings::default();
    for step in ["reconcile-template", "reconcile-fill", "reconcile-compare"] {
        let found = child::run(step, options, options.turn, Some(folder.path())).unwrap();
        findings.samples.extend(found.samples);
        findings.notes.extend(found.notes);
    }
    findings
}

/// Syncs the first document the ordinary way.
pub(crate) fn template(options: &Options) -> Findings {
    let folder = options.folder.as_deref().unwrap();
    let nexus_folder = tempfile::tempdir().unwrap();
    let server = graph::start(nexus_folder.path(), None);
    let plugin = host::open(folder, &json!({"nexus_url": server.url})).unwrap();
    host::ready(&plugin, &Arc::new(Synthetic::still(1, None)));
    host::wait(&plugin, "the first document is synced", PATIENCE, |status| {
        status["total_synced"] == 1 && status["queue_depth"] == 0
    });
    plugin.shutdown(Duration::from_secs(10));
    Findings::default()
}

/// Writes the states of all documents.
pub(crate) fn fill(options: &Options) -> Findings {
    let folder = host::journal(options.folder.as_deref().unwrap());
    let journal = Journal::open(&folder, settings()).unwrap();
    let template = journal
        .state(&DocumentId::new(COLLECTION, id(0)))
        .unwrap()
        .unwrap();
    let count = options.scale.million();
    let store = Synthetic::still(count, None);
    for first in (0..count).step_by(CHUNK as usize) {
        let numbers: Vec<u64> = (first..count.min(first + CHUNK)).collect();
        write(&journal, &store, &template, &numbers);
    }
    assert_eq!(journal.ids(COLLECTION).count() as u64, count);
    journal.close(true).unwrap();
    let mut findings = Findings::default();
    findings.add("journal on disk", "MiB", room(&folder).allocated, None);
    findings
}

fn settings() -> Settings {
    Config::from_json(&json!({"nexus_url": NOBODY}).to_string())
        .unwrap()
        .sync
        .journal()
}

fn write(journal: &Journal, store: &Synthetic, template: &DocumentState, numbers: &[u64]) {
    let ids: Vec<String> = numbers.iter().map(|number| id(*number)).collect();
    journal
        .add(COLLECTION, ids.iter().map(String::as_str), Work::NODE, 1)
        .unwrap();
    let states: std::collections::HashMap<&str, u64> = ids
        .iter()
        .map(String::as_str)
        .zip(numbers.iter().copied())
        .collect();
    loop {
        let batch = match journal.claim(Stage::Nodes, numbers.len()).unwrap() {
            Claimable::Batch(batch) => batch,
            Claimable::Soon(wait) => {
                std::thread::sleep(wait);
                continue;
            }
            Claimable::Nothing => break,
        };
        let outcomes = batch
            .claims
            .iter()
            .map(|claim| {
                let number = states[claim.id.as_ref()];
                let state = DocumentState {
                    fingerprint: fingerprint(Some(&store.payload(number))),
                    born: template.born + number,
                    ..template.clone()
                };
                Outcome::new(Arc::clone(&claim.id), Work::NONE, StateChange::Put(state))
            })
            .collect();
        journal.commit(&batch, outcomes, &[], &[], 1).unwrap();
        journal.end(&batch).unwrap();
    }
}

/// Opens a host on them and waits for its first comparison.
pub(crate) fn compare(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let folder: &Path = options.folder.as_deref().unwrap();
    let count = options.scale.million();
    let store = Arc::new(Synthetic::still(count, Some(count / 2)));
    let before = resident();
    let begun = Instant::now();
    let section: Value = json!({"nexus_url": NOBODY});
    let plugin = host::open(folder, &section).unwrap();
    findings.add("open", "s", begun.elapsed().as_secs_f64(), None);
    let begun = Instant::now();
    host::ready(&plugin, &store);
    host::wait(&plugin, "the store is compared", PATIENCE, |status| {
        !status["last_reconcile"].is_null()
    });
    let seconds = begun.elapsed().as_secs_f64();
    // The text index compares, too, beside it and at its own pace.
    assert!(store.scanned.load(Ordering::SeqCst) >= count);
    assert_eq!(host::depth(&plugin), 1, "one document changed");
    let aim = (options.scale == Scale::Full).then_some(Aim::AtMost(60.0));
    findings.add("documents compared", "documents", count as f64, None);
    findings.add("time", "s", seconds, aim);
    findings.add("rate", "documents/s", count as f64 / seconds, None);
    findings.add("memory at the most", "MiB", peak() - before, None);
    plugin.shutdown(Duration::from_secs(10));
    findings
}
