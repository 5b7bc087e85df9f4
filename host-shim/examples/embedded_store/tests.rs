//! What embedding has to keep: no lock inside a hook, hints of what was committed, nothing brought back.

mod faults;

use std::sync::mpsc;
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use vectorizer_host_shim::api::model::{CollectionEvent, Document, JsonMap, Metric, Op};
use vectorizer_host_shim::conformance;
use vectorizer_host_shim::embedded::MutationObserver;
use vectorizer_host_shim::store::{Store, StoreError};

use crate::fixture::EmbeddedFixture;
use crate::store::{CHUNK, VectorStore};

/// Longer than anything here takes: who has not come by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes all locks of the store from within each hook, and notes what it is told.
#[derive(Default)]
struct Locking {
    store: OnceLock<Weak<VectorStore>>,
    told: Mutex<Vec<String>>,
}

impl Locking {
    fn note(&self, told: String) {
        if let Some(store) = self.store.get().and_then(Weak::upgrade) {
            // Each shard, exclusively; and the lock of each collection.
            for collection in store.collections.iter_mut() {
                collection.info(collection.key());
            }
        }
        self.told.lock().push(told);
    }
}

impl MutationObserver for Locking {
    fn changed(&self, collection: &str, op: Op, ids: &[&str]) {
        self.note(format!("{collection} {op:?} {}", ids.len()));
    }

    fn collection(&self, event: CollectionEvent<'_>) {
        self.note(format!("{event:?}"));
    }
}

fn watched() -> (Arc<Locking>, EmbeddedFixture) {
    let observer = Arc::new(Locking::default());
    let fixture = EmbeddedFixture::observed_by(Arc::clone(&observer) as _).unwrap();
    observer.store.set(Arc::downgrade(&fixture.store)).unwrap();
    (observer, fixture)
}

/// Does something that may hang.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    let working = thread::spawn(move || send.send(work()).unwrap());
    let answer = receive
        .recv_timeout(PATIENCE)
        .expect("a lock was held inside a hook");
    working.join().unwrap();
    answer
}

fn documents(range: std::ops::Range<usize>) -> Vec<Document> {
    let document = |n: usize| Document {
        id: format!("d{n}"),
        vector: vec![1.0, n as f32],
        payload: Some(JsonMap::new()),
    };
    range.map(document).collect()
}

#[test]
fn the_store_conforms() {
    conformance::run(&EmbeddedFixture::new().unwrap(), "c-").unwrap_or_else(|failures| panic!("{failures}"));
}

#[test]
fn no_lock_is_held_inside_a_hook() {
    let (observer, fixture) = watched();
    let store = Arc::clone(&fixture.store);
    in_time(move || {
        store.create("c", 2, Metric::Cosine).unwrap();
        store.insert("c", &documents(0..3)).unwrap();
        let (expected, patch) = (JsonMap::new(), JsonMap::new());
        store.merge_payload("c", "d0", &expected, &patch).unwrap();
        store.delete("c", &["d0", "d1"]).unwrap();
        store.rename("c", "d").unwrap();
        store.insert("c", &documents(7..8)).unwrap();
        store.drop_collection("c").unwrap();
    });
    let told = observer.told.lock().clone();
    assert_eq!(
        told,
        [
            "Created(\"c\")",
            "c Upsert 3",
            "c Update 1",
            "c Delete 2",
            "Renamed { from: \"c\", to: \"d\" }",
            "d Upsert 1",
            "Deleted(\"d\")",
        ]
    );
}

#[test]
fn each_committed_chunk_is_told_of_also_where_a_later_one_fails() {
    let (observer, fixture) = watched();
    let store = Arc::clone(&fixture.store);
    in_time(move || {
        store.create("c", 2, Metric::Cosine).unwrap();
        let mut many = documents(0..3 * CHUNK);
        many[2 * CHUNK + 100].vector.push(0.0);
        let refused = store.insert("c", &many);
        assert!(matches!(refused, Err(StoreError::Invalid(_))));
        let refused = store.delete("c", &["d0", "d1", "absent", "d2"]);
        assert!(matches!(refused, Err(StoreError::Invalid(_))));
    });
    let told = observer.told.lock()[1..].to_vec();
    assert_eq!(told, ["c Upsert 1000", "c Upsert 1000", "c Delete 2"]);
    assert_eq!(fixture.seen.count("c").unwrap(), 1_998);
}

#[test]
fn what_is_loaded_is_told_of_as_a_reset() {
    let (observer, fixture) = watched();
    fixture.store.create("c", 2, Metric::Cosine).unwrap();
    fixture.store.insert("c", &documents(0..3)).unwrap();
    fixture.store.save().unwrap();
    fixture.store.collections.clear();
    observer.told.lock().clear();
    let store = Arc::clone(&fixture.store);
    in_time(move || {
        assert!(!store.load_all(|| false).unwrap(), "it is told to stop");
        assert!(store.load_all(|| true).unwrap());
        assert!(store.load_all(|| true).unwrap(), "the second time it is there");
    });
    assert_eq!(*observer.told.lock(), ["Reset(\"c\")"]);
    assert_eq!(fixture.seen.count("c").unwrap(), 3);
}

#[test]
fn only_without_the_gate_does_a_question_bring_a_deleted_collection_back() {
    let fixture = EmbeddedFixture::new().unwrap();
    fixture.store.create("c", 2, Metric::Cosine).unwrap();
    fixture.store.save().unwrap();
    fixture.store.drop_collection("c").unwrap();
    assert!(matches!(
        fixture.seen.count("c"),
        Err(StoreError::CollectionNotFound(_))
    ));
    assert!(fixture.seen.collections().unwrap().is_empty());
    assert_eq!(
        Store::count(&*fixture.store, "c").unwrap(),
        0,
        "the store itself loads it"
    );
    assert_eq!(fixture.seen.collections().unwrap().len(), 1);
}

/// Stops in the first hook that tells of an update, until it may go on.
struct Halting {
    arrived: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl MutationObserver for Halting {
    fn changed(&self, _: &str, op: Op, _: &[&str]) {
        if op == Op::Update {
            self.arrived.send(()).unwrap();
            self.go_on.lock().recv().unwrap();
        }
    }

    fn collection(&self, _: CollectionEvent<'_>) {}
}

#[test]
fn who_takes_a_collection_away_waits_for_a_call_of_a_plugin_that_is_inside() {
    for take in [VectorStore::drop_collection, |store: &VectorStore, name: &str| {
        store.rename(name, "another")
    }] {
        let (arrived, has_arrived) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let halting = Halting {
            arrived,
            go_on: Mutex::new(may_go_on),
        };
        let fixture = EmbeddedFixture::observed_by(Arc::new(halting)).unwrap();
        let (store, seen) = (&fixture.store, &fixture.seen);
        store.create("c", 2, Metric::Cosine).unwrap();
        store.insert("c", &documents(0..1)).unwrap();
        thread::scope(|scope| {
            // The hook of a merge is called while the call of the plugin goes on.
            scope.spawn(|| seen.merge_payload("c", "d0", &JsonMap::new(), &JsonMap::new()));
            has_arrived.recv().unwrap();
            let taking = scope.spawn(|| take(store, "c"));
            thread::sleep(Duration::from_millis(50));
            let waits = !taking.is_finished() && store.collections.contains_key("c");
            // Let go before anything is asserted: who fails must not hang.
            go_on.send(()).unwrap();
            taking.join().unwrap().unwrap();
            assert!(waits, "it was taken from under the call");
        });
        assert!(!store.collections.contains_key("c"));
    }
}

#[test]
fn deletions_and_questions_at_once_leave_nothing_behind() {
    let fixture = EmbeddedFixture::new().unwrap();
    let (store, seen) = (Arc::clone(&fixture.store), Arc::clone(&fixture.seen));
    in_time(move || {
        for _ in 0..200 {
            store.create("c", 2, Metric::Cosine).unwrap();
            store.insert("c", &documents(0..10)).unwrap();
            store.save().unwrap();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while seen.count("c").is_ok() {
                            let _ = seen.merge_payload("c", "d3", &JsonMap::new(), &JsonMap::new());
                        }
                    });
                }
                store.drop_collection("c").unwrap();
            });
            assert!(store.collections.is_empty(), "a question brought it back");
        }
    });
}
