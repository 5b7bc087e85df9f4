//! Several at once: writers, readers, scans, and the observer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Recorder, ids, object, open, put, recorded, settle, upsert};
use serde_json::json;
use vectorizer_host::store::{Atomicity, Change, DocumentStore, StoreOptions};
use vectorizer_host_shim::embedded::MutationObserver;
use vectorizer_host_shim::store::Store;
use vectorizer_plugin_api::model::{CollectionEvent, Fields, JsonMap, Merge, Metric, Op};

#[test]
fn merging_is_atomic_among_writers() {
    let (_folder, store, _) = recorded();
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    put(&store, "c", &["a"]);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..25 {
                    let patch = object(json!({"n": {format!("{writer}-{n}"): true}}));
                    let merged = Store::merge_payload(store, "c", "a", &JsonMap::new(), &patch);
                    assert_eq!(merged.unwrap(), Merge::Merged);
                }
            });
        }
    });
    let merged = store.get_one("c", "a", Fields::PAYLOAD).unwrap().payload.unwrap();
    assert_eq!(merged["n"].as_object().unwrap().len(), 100);
    let gone = Store::merge_payload(&store, "c", "gone", &JsonMap::new(), &JsonMap::new());
    assert_eq!(gone.unwrap(), Merge::Gone);
}

#[test]
fn of_writers_that_expect_the_same_one_succeeds() {
    let (_folder, store, _) = recorded();
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    put(&store, "c", &["a"]);
    let succeeded = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (store, succeeded) = (&store, &succeeded);
            scope.spawn(move || {
                for n in 0..25 {
                    // Absent at first, then what the one before wrote.
                    let before = if n == 0 { json!(null) } else { json!(n - 1) };
                    let expected = object(json!({"n": before}));
                    let patch = object(json!({"n": n, "by": writer}));
                    match Store::merge_payload(store, "c", "a", &expected, &patch).unwrap() {
                        Merge::Merged => drop(succeeded.fetch_add(1, Ordering::SeqCst)),
                        Merge::Differs => {}
                        Merge::Gone => panic!("it is there"),
                    }
                    while store.get_one("c", "a", Fields::PAYLOAD).unwrap().payload.unwrap()["n"]
                        .as_i64()
                        .is_none_or(|found| found < n)
                    {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    assert_eq!(succeeded.load(Ordering::SeqCst), 25);
}

/// An observer that uses the store from inside the call: it would hang if a lock were held.
#[derive(Default)]
struct Reentrant {
    store: std::sync::OnceLock<std::sync::Weak<DocumentStore>>,
    calls: std::sync::atomic::AtomicUsize,
}

impl Reentrant {
    fn use_store(&self) {
        let store = self.store.get().and_then(std::sync::Weak::upgrade).unwrap();
        // The first change leads to one more, from inside.
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            store.create_collection("from inside", 2, Metric::Dot).unwrap();
            put(&store, "from inside", &["x"]);
        }
    }
}

impl MutationObserver for Reentrant {
    fn changed(&self, _: &str, _: Op, _: &[&str]) {
        self.use_store();
    }

    fn collection(&self, _: CollectionEvent<'_>) {
        self.use_store();
    }
}

#[test]
fn the_observer_is_called_without_locks_and_after_the_fact() {
    let folder = tempfile::tempdir().unwrap();
    let observer = Arc::new(Reentrant::default());
    let store = Arc::new(
        DocumentStore::open(folder.path(), StoreOptions::default(), Arc::clone(&observer) as _).unwrap(),
    );
    observer.store.set(Arc::downgrade(&store)).unwrap();
    store.create_collection("c", 2, Metric::Dot).unwrap();
    assert_eq!(ids(&store, "from inside"), ["x"]);
    assert_eq!(observer.calls.load(Ordering::SeqCst), 3);
}

#[test]
fn a_scan_meets_every_lasting_document_once_while_others_come_and_go() {
    let (_folder, store, _) = recorded();
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    let lasting: Vec<String> = (0..200).map(|n| format!("lasting{n}")).collect();
    for (n, id) in lasting.iter().enumerate() {
        put(&store, "c", &[id, &format!("passing{n}")]);
    }
    let done = AtomicBool::new(false);
    let mut met = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..200).cycle() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let id = format!("passing{n}");
                let _ = store.apply("c", vec![Change::Delete { id: id.clone() }], Atomicity::EachAlone);
                put(&store, "c", &[&id, &format!("lasting{n}")]);
            }
        });
        let mut cursor = None;
        loop {
            let page = Store::scan(&store, "c", cursor.as_deref(), 7, Fields::NONE).unwrap();
            met.extend(page.documents.into_iter().map(|document| document.id));
            cursor = page.next;
            if cursor.is_none() || met.len() > 5_000 {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let met_lasting: Vec<&String> = met.iter().filter(|id| id.starts_with("lasting")).collect();
    assert_eq!(met_lasting.len(), 200);
    assert_eq!(
        met_lasting.into_iter().collect::<HashSet<_>>(),
        lasting.iter().collect()
    );
}

#[test]
fn readers_and_writers_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        graph_from: Some(50),
        ..StoreOptions::default()
    };
    let store = DocumentStore::open(folder.path(), options, Arc::new(Recorder::default())).unwrap();
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    let fixed: Vec<Change> = (0u16..100)
        .map(|n| upsert(&format!("fixed{n}"), &[f32::from(n), 1_000.0]))
        .collect();
    store.apply("c", fixed, Atomicity::AllOrNothing).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2u16 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                for round in 0u16..60 {
                    let id = format!("w{writer}-{}", round % 10);
                    let vector = [f32::from(round), f32::from(writer)];
                    store
                        .apply("c", vec![upsert(&id, &vector)], Atomicity::AllOrNothing)
                        .unwrap();
                    if round % 3 == 0 {
                        store
                            .apply("c", vec![Change::Delete { id }], Atomicity::AllOrNothing)
                            .unwrap();
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        for reader in 0..2u16 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let mut n = reader;
                while !done.load(Ordering::Relaxed) {
                    n = (n + 7) % 100;
                    let own = [f32::from(n), 1_000.0];
                    let hits = Store::search(store, "c", &own, 3, Fields::ALL).unwrap();
                    assert_eq!(hits[0].document.id, format!("fixed{n}"));
                    assert_eq!(hits[0].document.vector, own);
                    assert_eq!(hits.len(), 3);
                    assert!(Store::count(store, "c").unwrap() >= 100);
                }
            });
        }
    });
    settle(&store);
    drop(store);
    let reopened = open(folder.path());
    assert_eq!(
        ids(&reopened, "c")
            .iter()
            .filter(|id| id.starts_with("fixed"))
            .count(),
        100
    );
}
