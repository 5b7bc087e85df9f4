//! What the store promises beyond single documents: collections, names, atomicity, durability, concurrency.

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Recorder, Told, open, settle};
use serde_json::json;
use vectorizer_host::store::filter::Filter;
use vectorizer_host::store::{
    Atomicity, Change, ChangeObserver, DbError, DocumentStore, MAX_ID_BYTES, Query, Scan, Start,
    StoreOptions, Transfer, Transferred,
};
use vectorizer_host_shim::store::{Store, StoreError};
use vectorizer_plugin_api::model::{CollectionEvent, Fields, JsonMap, Metric, Op};

fn upsert(id: &str, vector: &[f32]) -> Change {
    Change::Upsert {
        id: id.to_owned(),
        vector: vector.to_vec(),
        payload: Some(object(json!({"id": id}))),
    }
}

fn object(value: serde_json::Value) -> JsonMap {
    value.as_object().cloned().unwrap()
}

fn put(store: &DocumentStore, collection: &str, ids: &[&str]) {
    let changes = ids.iter().map(|id| upsert(id, &[1.0, id.len() as f32])).collect();
    store.apply(collection, changes, Atomicity::AllOrNothing).unwrap();
}

fn ids(store: &DocumentStore, collection: &str) -> Vec<String> {
    let scan = Scan {
        start: Start::Beginning,
        limit: 1_000_000,
        fields: Fields::NONE,
        filter: None,
    };
    let page = store.scan_page(collection, &scan).unwrap();
    page.documents
        .into_iter()
        .map(|(document, _)| document.id)
        .collect()
}

fn filter(value: serde_json::Value) -> Filter {
    serde_json::from_value(value).unwrap()
}

fn recorded() -> (tempfile::TempDir, DocumentStore, Arc<Recorder>) {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    let store =
        DocumentStore::open(folder.path(), StoreOptions::default(), Arc::clone(&recorder) as _).unwrap();
    (folder, store, recorder)
}

#[test]
fn a_second_opener_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let second = DocumentStore::open(
        folder.path(),
        StoreOptions::default(),
        Arc::new(Recorder::default()),
    );
    let refused = second.err().unwrap();
    assert_eq!(refused, DbError::InUse(folder.path().to_owned()));
    assert!(
        refused.to_string().contains("in use by another process"),
        "{refused}"
    );
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectors.redb");
    std::fs::write(&file, b"something else entirely").unwrap();
    let refused = DocumentStore::open(
        folder.path(),
        StoreOptions::default(),
        Arc::new(Recorder::default()),
    );
    assert!(refused.is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"something else entirely");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let (_folder, store, recorder) = recorded();
    for name in ["", "  ", "a/b", "a\nb", &"x".repeat(256)] {
        assert!(
            matches!(
                store.create_collection(name, 2, Metric::Dot),
                Err(DbError::Invalid { .. })
            ),
            "{name:?}"
        );
    }
    for dimension in [0, 65_537] {
        assert!(store.create_collection("c", dimension, Metric::Dot).is_err());
    }
    assert_eq!(store.list_collections().unwrap(), []);
    assert_eq!(recorder.take(), []);
    store
        .create_collection("Ünïcode:42 x", 65_536, Metric::Dot)
        .unwrap();
}

#[test]
fn a_renamed_collection_answers_to_both_names() {
    let (folder, store, recorder) = recorded();
    store.create_collection("old", 2, Metric::Euclidean).unwrap();
    put(&store, "old", &["a"]);
    recorder.take();
    assert_eq!(store.rename_collection("old", "new").unwrap(), "old");
    assert_eq!(recorder.take(), [Told::Renamed("old".into(), "new".into())]);
    put(&store, "old", &["b"]);
    assert_eq!(
        recorder.take(),
        [Told::Changed("new".into(), Op::Upsert, vec!["b".into()])]
    );
    assert_eq!(ids(&store, "new"), ["a", "b"]);

    // The alias is taken, also for a rename of another collection, but not for its own.
    let taken = DbError::CollectionExists {
        name: "old".into(),
        alias_of: Some("new".into()),
    };
    assert_eq!(store.create_collection("old", 2, Metric::Dot), Err(taken.clone()));
    store.create_collection("other", 2, Metric::Dot).unwrap();
    assert_eq!(store.rename_collection("other", "old"), Err(taken));
    assert!(matches!(
        store.rename_collection("other", "new"),
        Err(DbError::CollectionExists { .. })
    ));
    assert!(store.rename_collection("new", "new").is_err());

    // Aliases follow a second rename, and outlive a restart.
    store.rename_collection("old", "newer").unwrap();
    drop(store);
    let store = open(folder.path());
    for name in ["old", "new", "newer"] {
        assert_eq!(store.describe_collection(name).unwrap().info.name, "newer");
    }
    store.rename_collection("newer", "old").unwrap();
    assert_eq!(store.describe_collection("newer").unwrap().info.name, "old");

    // Dropping takes the aliases along.
    assert_eq!(store.drop_collection("newer").unwrap(), "old");
    for name in ["old", "new", "newer"] {
        assert_eq!(
            store.describe_collection(name),
            Err(DbError::CollectionNotFound(name.into()))
        );
    }
    store.create_collection("new", 3, Metric::Dot).unwrap();
    assert_eq!(store.count_documents("new", None), Ok(0));
}

#[test]
fn a_dropped_collection_leaves_nothing_to_its_namesake() {
    let (_folder, store, recorder) = recorded();
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    put(&store, "c", &["a", "b", "c"]);
    let page = store.scan_page(
        "c",
        &Scan {
            start: Start::Beginning,
            limit: 1,
            fields: Fields::NONE,
            filter: None,
        },
    );
    let cursor = page.unwrap().next.unwrap();
    recorder.take();
    store.drop_collection("c").unwrap();
    assert_eq!(recorder.take(), [Told::Deleted("c".into())]);
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    assert_eq!(ids(&store, "c"), Vec::<String>::new());
    assert!(
        Store::search(&store, "c", &[1.0, 1.0], 5, Fields::NONE)
            .unwrap()
            .is_empty()
    );
    let stale = Store::scan(&store, "c", Some(&cursor), 1, Fields::NONE);
    assert!(matches!(stale, Err(StoreError::Invalid(_))), "{stale:?}");
}

#[test]
fn a_wrong_document_stores_nothing_and_names_its_fault() {
    let (_folder, store, recorder) = recorded();
    store.create_collection("c", 2, Metric::Cosine).unwrap();
    recorder.take();
    let long = "x".repeat(MAX_ID_BYTES + 1);
    for (wrong, word) in [
        (upsert("a", &[1.0]), "dimension 2"),
        (upsert("a", &[1.0, f32::NAN]), "component 1"),
        (upsert("a", &[f32::INFINITY, 1.0]), "component 0"),
        (upsert("a", &[0.0, 0.0]), "zero vector"),
        (upsert("", &[1.0, 0.0]), "id"),
        (upsert(&long, &[1.0, 0.0]), "id"),
    ] {
        let outcome = store
            .apply("c", vec![wrong.clone()], Atomicity::EachAlone)
            .unwrap()
            .remove(0);
        assert!(
            outcome.as_ref().unwrap_err().to_string().contains(word),
            "{outcome:?}"
        );
        // With others: alone it spoils nothing, together it spoils everything.
        let both = vec![upsert("good", &[1.0, 0.0]), wrong];
        assert!(store.apply("c", both.clone(), Atomicity::AllOrNothing).is_err());
        assert_eq!((ids(&store, "c"), recorder.take()), (vec![], vec![]));
        let outcomes = store.apply("c", both, Atomicity::EachAlone).unwrap();
        assert!(outcomes[0].is_ok() && outcomes[1].is_err());
        assert_eq!(ids(&store, "c"), ["good"]);
        store
            .apply(
                "c",
                vec![Change::Delete { id: "good".into() }],
                Atomicity::EachAlone,
            )
            .unwrap();
        recorder.take();
    }
    assert!(upsert(&"y".repeat(MAX_ID_BYTES), &[1.0, 0.0]) != upsert("", &[]));
    let longest = upsert(&"y".repeat(MAX_ID_BYTES), &[1.0, 0.0]);
    store.apply("c", vec![longest], Atomicity::AllOrNothing).unwrap();
}

#[test]
fn wrong_searches_are_refused() {
    let (_folder, store, _) = recorded();
    store.create_collection("c", 2, Metric::Cosine).unwrap();
    put(&store, "c", &["a"]);
    let search = |vector: &[f32], limit| Store::search(&store, "c", vector, limit, Fields::NONE);
    for (vector, limit) in [
        (&[1.0][..], 1),
        (&[f32::NAN, 0.0], 1),
        (&[0.0, 0.0], 1),
        (&[1.0, 0.0], 0),
        (&[1.0, 0.0], 10_001),
    ] {
        assert!(
            matches!(search(vector, limit), Err(StoreError::Invalid(_))),
            "{vector:?} {limit}"
        );
    }
    assert_eq!(search(&[1.0, 1.0], 10_000).unwrap().len(), 1);
    let unknown = Store::search(&store, "nope", &[1.0], 1, Fields::NONE);
    assert!(matches!(unknown, Err(StoreError::CollectionNotFound(name)) if name == "nope"));
}

#[test]
fn fields_that_are_not_asked_for_do_not_come() {
    let (_folder, store, _) = recorded();
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    put(&store, "c", &["a"]);
    for fields in [Fields::NONE, Fields::PAYLOAD, Fields::VECTOR, Fields::ALL] {
        let found = [
            Store::get(&store, "c", &["a", "missing"], fields)
                .unwrap()
                .remove(0),
            Store::scan(&store, "c", None, 1, fields)
                .unwrap()
                .documents
                .remove(0),
            Store::search(&store, "c", &[1.0, 1.0], 1, fields)
                .unwrap()
                .remove(0)
                .document,
        ];
        for document in found {
            assert_eq!(document.payload.is_some(), fields.payload);
            assert_eq!(document.vector.len(), if fields.vector { 2 } else { 0 });
        }
    }
}

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
                    assert!(Store::merge_payload(store, "c", "a", &patch).unwrap());
                }
            });
        }
    });
    let merged = store.get_one("c", "a", Fields::PAYLOAD).unwrap().payload.unwrap();
    assert_eq!(merged["n"].as_object().unwrap().len(), 100);
    assert!(!Store::merge_payload(&store, "c", "gone", &JsonMap::new()).unwrap());
}

#[test]
fn a_moved_document_is_in_one_collection_and_both_are_told() {
    let (_folder, store, recorder) = recorded();
    store.create_collection("from", 2, Metric::Euclidean).unwrap();
    store.create_collection("to", 2, Metric::Cosine).unwrap();
    store.create_collection("narrow", 1, Metric::Euclidean).unwrap();
    store
        .apply(
            "from",
            vec![upsert("zero", &[0.0, 0.0]), upsert("a", &[3.0, 4.0])],
            Atomicity::AllOrNothing,
        )
        .unwrap();
    recorder.take();

    let outcomes = store
        .transfer("from", "to", &["a", "missing", "zero"], Transfer::Move)
        .unwrap();
    assert_eq!(outcomes[0], Transferred::Done);
    assert!(matches!(outcomes[1], Transferred::MissingInSource(_)));
    assert!(
        matches!(outcomes[2], Transferred::RefusedByDestination(_)),
        "no direction, no cosine"
    );
    assert_eq!(
        (ids(&store, "from"), ids(&store, "to")),
        (vec!["zero".to_owned()], vec!["a".to_owned()])
    );
    assert_eq!(
        store.get_one("to", "a", Fields::VECTOR).unwrap().vector,
        [0.6, 0.8]
    );
    assert_eq!(
        recorder.take(),
        [
            Told::Changed("to".into(), Op::Upsert, vec!["a".into()]),
            Told::Changed("from".into(), Op::Delete, vec!["a".into()]),
        ]
    );

    let copied = store.transfer("to", "from", &["a"], Transfer::Copy).unwrap();
    assert_eq!(copied, [Transferred::Done]);
    assert_eq!((ids(&store, "from").len(), ids(&store, "to").len()), (2, 1));
    let refused = store.transfer("from", "narrow", &["a"], Transfer::Copy).unwrap();
    assert!(matches!(
        refused[0],
        Transferred::RefusedByDestination(DbError::DimensionMismatch { .. })
    ));
    assert!(store.transfer("from", "from", &["a"], Transfer::Move).is_err());
    assert_eq!(
        store.transfer("from", "nowhere", &["a"], Transfer::Move),
        Err(DbError::CollectionNotFound("nowhere".into()))
    );
}

#[test]
fn bulk_changes_touch_what_the_filter_finds() {
    let (_folder, store, recorder) = recorded();
    store.create_collection("c", 2, Metric::Euclidean).unwrap();
    put(&store, "c", &["a", "b", "c"]);
    let bare = Change::Upsert {
        id: "bare".into(),
        vector: vec![1.0, 1.0],
        payload: None,
    };
    store.apply("c", vec![bare], Atomicity::AllOrNothing).unwrap();
    recorder.take();

    let everything = filter(json!({}));
    let patched = store
        .merge_where("c", &everything, &object(json!({"seen": true})))
        .unwrap();
    assert_eq!(
        (patched.scanned, patched.ids.as_slice()),
        (4, ["a", "b", "c"].map(String::from).as_slice())
    );
    assert_eq!(store.get_one("c", "bare", Fields::ALL).unwrap().payload, None);
    assert!(store.delete_where("c", &everything).is_err());

    let one = filter(json!({"must": [{"type": "match", "key": "id", "match_value": "b"}]}));
    assert_eq!(store.count_documents("c", Some(&one)), Ok(1));
    recorder.take();
    assert_eq!(store.delete_where("c", &one).unwrap().ids, ["b"]);
    assert_eq!(
        recorder.take(),
        [Told::Changed("c".into(), Op::Delete, vec!["b".into()])]
    );
    assert_eq!(ids(&store, "c"), ["a", "c", "bare"]);
}

#[test]
fn a_filtered_search_finds_the_closest_of_those_that_pass() {
    let (_folder, store, _) = recorded();
    store.create_collection("c", 1, Metric::Euclidean).unwrap();
    let changes = (0u16..500)
        .map(|n| Change::Upsert {
            id: n.to_string(),
            vector: vec![f32::from(n)],
            payload: Some(object(json!({"even": n % 2 == 0, "n": n}))),
        })
        .collect();
    store.apply("c", changes, Atomicity::AllOrNothing).unwrap();
    let far_and_even = filter(json!({"must": [
        {"type": "range", "key": "n", "range": {"gte": 400}},
        {"type": "match", "key": "even", "match_value": true},
    ]}));
    let query = Query {
        vector: vec![0.0],
        limit: 3,
        fields: Fields::NONE,
        filter: Some(&far_and_even),
        min_score: None,
    };
    let found: Vec<String> = store
        .find_similar("c", query)
        .unwrap()
        .into_iter()
        .map(|hit| hit.document.id)
        .collect();
    assert_eq!(found, ["400", "402", "404"]);
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

impl ChangeObserver for Reentrant {
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

const CHILD: &str = "VECTORIZER_HOST_TEST_WRITER";

/// Not a test of its own: the process that the next test kills. Writes one document after the other and
/// says the number of each when it is acknowledged.
#[test]
fn writer_for_the_kill_test() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open(Path::new(&folder));
    store.ensure_collection("c", 2, Metric::Euclidean).unwrap();
    for n in store.count_documents("c", None).unwrap().. {
        put(&store, "c", &[&format!("d{n}")]);
        println!("acknowledged {n}");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=3u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_for_the_kill_test", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let target = acknowledged + 20 * round;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = number.parse::<u64>().unwrap() + 1;
                if acknowledged >= target {
                    break;
                }
            }
        }
        // At whatever it is doing now.
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged >= target, "the writer ended by itself");

        let store = open(folder.path());
        let found = ids(&store, "c");
        let expected: Vec<String> = (0..found.len()).map(|n| format!("d{n}")).collect();
        assert_eq!(found, expected, "in order and without gaps");
        assert!(
            found.len() as u64 >= acknowledged,
            "{} of {acknowledged}",
            found.len()
        );
        assert_eq!(store.count_documents("c", None), Ok(found.len() as u64));
        acknowledged = found.len() as u64;
    }
}
