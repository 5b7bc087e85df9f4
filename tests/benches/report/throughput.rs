//! Documents a second from the hook to the graph, next to a bare loop that posts the very same statements.
//!
//! The plugin runs once in front of a proxy that writes its statements down. Then the plugin, without the proxy, and the bare
//! loop take turns on fresh servers; both are left the same graph, which is counted. What the plugin does besides is in its time:
//! reading the store, digests, the journal, with edges the search of neighbours, which here looks at every document, and with
//! relations the reading of texts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::figure::{Aim, Findings};
use crate::graph;
use crate::host;
use crate::options::Options;
use crate::proxy::Proxy;
use crate::replay::Script;
use crate::store::{Layout, Synthetic};

const PATIENCE: Duration = Duration::from_secs(1_200);

/// What is synced.
struct Case {
    name: &'static str,
    layout: Layout,
    documents: u64,
    /// Whether domains and entities are looked for, too.
    relations: bool,
}

pub(crate) fn run(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let cases = [
        Case {
            name: "nodes only",
            layout: Layout::Alone,
            documents: options.scale.pick(2_000, 20_000),
            relations: false,
        },
        Case {
            name: "nodes and edges",
            layout: Layout::Clusters,
            documents: options.scale.pick(300, 2_000),
            relations: false,
        },
        Case {
            name: "nodes and relations",
            layout: Layout::Alone,
            documents: options.scale.pick(2_000, 10_000),
            relations: true,
        },
    ];
    for case in &cases {
        measure(case, options, &mut findings);
    }
    findings.note(
        "nodes only: no document has neighbours; nodes and edges: up to 10 neighbours each, found by looking at all documents; nodes and \
         relations: no neighbours, but domains and entities",
    );
    findings
}

/// The plugin's way through one server.
struct Run {
    seconds: f64,
    documents: u64,
    edges: usize,
}

fn measure(case: &Case, options: &Options, findings: &mut Findings) {
    let (setup, timed) = record(case);
    // Each goes first half of the time.
    let bare_first = options.turn.is_multiple_of(2);
    let mut bare = bare_first.then(|| bare(&setup, &timed));
    let plugin = through_plugin(case, None);
    let bare = bare.take().unwrap_or_else(|| self::bare(&setup, &timed));
    assert_eq!(
        (plugin.documents, bare.documents),
        (case.documents, case.documents)
    );
    let rate = |run: &Run| case.documents as f64 / run.seconds;
    let name = case.name;
    findings.add(format!("{name}: plugin"), "documents/s", rate(&plugin), None);
    findings.add(format!("{name}: bare loop"), "documents/s", rate(&bare), None);
    findings.add(
        format!("{name}: plugin to bare loop"),
        "ratio",
        rate(&plugin) / rate(&bare),
        Aim::AtLeast(0.9),
    );
    findings.add(
        format!("{name}: statements"),
        "statements",
        timed.len() as f64,
        None,
    );
    findings.add(format!("{name}: at once"), "requests", timed.threads as f64, None);
    findings.add(
        format!("{name}: edges, plugin"),
        "edges",
        plugin.edges as f64,
        None,
    );
    findings.add(
        format!("{name}: edges, bare loop"),
        "edges",
        bare.edges as f64,
        None,
    );
}

/// What the plugin sends before the documents, and for them.
fn record(case: &Case) -> (Script, Script) {
    let folder = tempfile::tempdir().unwrap();
    let server = graph::start(folder.path(), None);
    let proxy = Proxy::start(&server.url);
    let mut setup = 0;
    sync(case, &proxy.url, || setup = proxy.count());
    let sent = proxy.statements();
    let (before, timed) = sent.split_at(setup);
    assert!(!timed.is_empty());
    (Script::of(before), Script::of(timed))
}

fn bare(setup: &Script, timed: &Script) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let server = graph::start(folder.path(), None);
    setup.run(&server.url);
    let seconds = timed.run(&server.url).as_secs_f64();
    Run {
        seconds,
        documents: graph::count(&server.url),
        edges: graph::edges(&server.url),
    }
}

fn through_plugin(case: &Case, url: Option<&str>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let server = graph::start(folder.path(), None);
    let seconds = sync(case, url.unwrap_or(&server.url), || {});
    Run {
        seconds,
        documents: graph::count(&server.url),
        edges: graph::edges(&server.url),
    }
}

/// Syncs all documents; `settled` is called when the link is up, and nothing was told of yet. Answers the seconds from the first
/// call of the hook until nothing is left to do.
fn sync(case: &Case, url: &str, settled: impl FnOnce()) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let section: Value = json!({
        "nexus_url": url,
        "similarity": {"threshold": {"cosine": 0.5}},
        "structure": {"sources": case.relations},
        "domains": {"enabled": case.relations},
        "entities": {"enabled": case.relations},
    });
    let plugin = host::open(folder.path(), &section).unwrap();
    let store = Arc::new(Synthetic::new(case.layout, case.documents));
    host::ready_and_settled(&plugin, &store);
    settled();
    store.show(case.documents);
    let begun = Instant::now();
    host::hint(&plugin, 0..case.documents);
    host::wait(&plugin, "all documents are in the graph", PATIENCE, |status| {
        status["total_synced"].as_u64() >= Some(case.documents) && status["queue_depth"] == 0
    });
    let seconds = begun.elapsed().as_secs_f64();
    let status = host::status(&plugin);
    assert_eq!(status["total_errors"], 0, "{status:#}");
    plugin.shutdown(Duration::from_secs(10));
    seconds
}
