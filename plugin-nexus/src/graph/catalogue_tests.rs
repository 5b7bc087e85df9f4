//! Tests of the catalogue: its limits, and that it is the only place with Cypher text.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice::from_ref;

use proptest::prelude::*;

use super::*;
use crate::graph::record::JsonMap;

fn keys(count: usize) -> Vec<DocumentKey> {
    (0..count)
        .map(|n| DocumentKey::new("c", &n.to_string()).unwrap())
        .collect()
}

fn rows_of(statement: &Statement) -> usize {
    statement.params()["rows"].as_array().unwrap().len()
}

#[test]
fn a_union_never_has_more_than_a_hundred_branches() {
    for statements in [
        read_documents(&keys(250)),
        existing_documents(&keys(250)),
        outgoing_similar(&keys(250)),
    ] {
        let branches: Vec<_> = statements
            .iter()
            .map(|s| s.text().split("UNION ALL").count())
            .collect();
        assert_eq!(branches, [100, 100, 50]);
    }
    assert!(read_documents(&[]).is_empty());
}

#[test]
fn a_batch_is_cut_by_rows_and_by_bytes_and_keeps_every_row() {
    let tagged = tag_documents(&keys(1_201), &RunId::fresh().unwrap()).unwrap();
    assert_eq!(tagged.iter().map(rows_of).collect::<Vec<_>>(), [500, 500, 201]);

    let wide: JsonMap = JsonMap::from_iter([("text".to_owned(), "w".repeat(3 << 20).into())]);
    let keys = keys(5);
    let records: Vec<_> = keys
        .iter()
        .map(|k| NodeRecord::build(k.as_str(), &wide, None).unwrap())
        .collect();
    let written = upsert_documents(keys.iter().zip(&records)).unwrap();
    assert_eq!(written.iter().map(rows_of).collect::<Vec<_>>(), [2, 2, 1]);
    for statement in &written {
        assert!(serde_json::to_vec(statement.params()).unwrap().len() < 9 << 20);
    }
    let sent: Vec<_> = written
        .iter()
        .flat_map(|s| s.params()["rows"].as_array().unwrap())
        .collect();
    assert_eq!(
        sent.iter()
            .map(|row| row["key"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["c/0", "c/1", "c/2", "c/3", "c/4"]
    );
}

#[test]
fn a_row_that_fits_no_statement_is_refused_by_its_position() {
    let refused = batch_ranges("upsert_documents", &[10, MAX_BATCH_BYTES, MAX_BATCH_BYTES + 1]);
    assert_eq!(
        refused,
        Err(RowTooLarge {
            statement: "upsert_documents",
            row: 2,
            bytes: MAX_BATCH_BYTES + 1
        })
    );
}

#[test]
fn edges_are_written_with_values_per_row() {
    let keys = keys(2);
    let record = EdgeRecord::similar(0.5, "cosine", "2026-01-01T00:00:00Z", false).unwrap();
    let written = upsert_similar([(&keys[0], &keys[1], record)]).unwrap();
    let row = &written[0].params()["rows"][0];
    assert_eq!(
        (&row["a"], &row["b"], &row["active"]),
        (&json!("c/0"), &json!("c/1"), &json!(0))
    );
    // A plain SET would give every edge the last row's values.
    let (_, sets) = written[0].text().split_once("MERGE").unwrap();
    assert_eq!(sets.matches("SET").count(), 2);
    assert!(sets.contains("ON CREATE SET") && sets.contains("ON MATCH SET"));
}

#[test]
fn no_statement_walks_backwards_or_deletes_a_relationship() {
    let key = keys(1);
    let run = RunId::fresh().unwrap();
    let mut all = read_documents(&key);
    all.extend(ensure_indexes());
    all.extend(existing_documents(&key));
    all.extend(outgoing_similar(&key));
    all.extend(tag_documents(&key, &run).unwrap());
    all.extend([
        list_tagged(&run),
        delete_tagged(&run),
        count_documents(),
        count_similar(),
    ]);
    all.push(list_bucket(&Bucket::of("c", "1").unwrap()));
    for statement in &all {
        let text = statement.text();
        for forbidden in ["<-[", "WHERE", "SKIP", "DELETE r", "BEGIN", ";"] {
            assert!(!text.contains(forbidden), "{}: {forbidden}", statement.name());
        }
    }
}

proptest! {
    /// Every statement that quotes a key has the same text around it whatever the key.
    #[test]
    fn no_key_changes_a_statement(collection in any::<String>(), id in any::<String>()) {
        prop_assume!(!collection.is_empty() && !id.is_empty());
        let key = DocumentKey::new(&collection, &id).unwrap();
        let bucket = Bucket::of(&collection, &id).unwrap();
        let plain = DocumentKey::new("c", "1").unwrap();
        let plain_bucket = Bucket::of("c", "1").unwrap();
        let shape = |text: &str| {
            // Odd pieces are what stands between quotes.
            text.split('\'').enumerate().map(|(n, piece)| if n % 2 == 0 { piece.to_owned() } else { String::new() }).collect::<Vec<_>>()
        };
        for (one, other) in [
            (read_documents(from_ref(&key)), read_documents(from_ref(&plain))),
            (outgoing_similar(from_ref(&key)), outgoing_similar(from_ref(&plain))),
            (vec![list_bucket(&bucket)], vec![list_bucket(&plain_bucket)]),
        ] {
            prop_assert_eq!(shape(one[0].text()), shape(other[0].text()));
            prop_assert!(!one[0].text().contains('\\'));
        }
    }

    #[test]
    fn batch_ranges_cover_everything_in_order(sizes in prop::collection::vec(1_u64..MAX_BATCH_BYTES, 0..40)) {
        let ranges = batch_ranges("s", &sizes).unwrap();
        let covered: Vec<usize> = ranges.iter().cloned().flatten().collect();
        prop_assert_eq!(covered, (0..sizes.len()).collect::<Vec<_>>());
        for range in ranges {
            prop_assert!(!range.is_empty() && sizes[range].iter().sum::<u64>() <= MAX_BATCH_BYTES);
        }
    }
}

#[test]
fn no_other_source_file_contains_cypher() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect_sources(&root, &mut files);
    let catalogue: Vec<_> = ["catalogue.rs", "catalogue_tests.rs"]
        .iter()
        .map(|name| root.join("graph").join(name))
        .collect();
    assert!(catalogue.iter().all(|path| files.contains(path)));
    let offenders: Vec<_> = files
        .iter()
        .filter(|path| !catalogue.contains(path))
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            // Doc comments may show a pattern; code may not.
            text.lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(contains_cypher)
        })
        .collect();
    assert!(
        offenders.is_empty(),
        "Cypher outside the catalogue: {offenders:?}"
    );
    assert!(contains_cypher("MATCH (d) RETURN d") && !contains_cypher("match (a, b) {"));
}

fn contains_cypher(line: &str) -> bool {
    [
        "MATCH (",
        "MERGE (",
        "UNWIND ",
        "DETACH DELETE",
        "CREATE INDEX",
        "CREATE (",
        "ON MATCH SET",
    ]
    .iter()
    .any(|keyword| line.contains(keyword))
}

fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_sources(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}
