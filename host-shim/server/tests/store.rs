//! What the store promises of collections, their names, and changes to documents.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Told, ids, object, open, put, recorded, upsert};
use serde_json::json;
use vectorizer_host::store::filter::Filter;
use vectorizer_host::store::{
    Atomicity, Change, DbError, MAX_ID_BYTES, Query, Scan, Start, Transfer, Transferred,
};
use vectorizer_host_shim::store::{Store, StoreError};
use vectorizer_plugin_api::model::{Fields, Metric, Op};

fn filter(value: serde_json::Value) -> Filter {
    serde_json::from_value(value).unwrap()
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
