//! Tests of the catalogue: its limits, and that it is the only place with Cypher text.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice::from_ref;

use proptest::prelude::*;

use super::edges::{
    HopForm, count_edges, delete_edges, incoming, neighbours, sweep_edges, two_hops, upsert_edges,
};
use super::limits::MAX_BATCH_BYTES;
use super::nodes::{
    LookupForm, census, count_nodes, count_unreadable, delete_tagged, ensure_indexes, list_buckets,
    list_tagged, look_up_nodes, read_nodes, tag_nodes, upsert_nodes,
};
use super::*;
use crate::graph::key::{Bucket, DocumentKey, EntityKey, NodeKey, RunId, ScratchKey};
use crate::graph::record::{EdgeRecord, JsonMap, NodeRecord};
use crate::graph::schema::{EdgeType, NodeLabel};

const LOOKUPS: [LookupForm; 2] = [LookupForm::LiteralUnion, LookupForm::ParameterList];

fn keys(count: usize) -> Vec<DocumentKey> {
    (0..count)
        .map(|n| DocumentKey::new("c", &n.to_string()).unwrap())
        .collect()
}

fn literals(keys: &[DocumentKey]) -> Vec<&SafeLiteral> {
    keys.iter().map(NodeKey::literal).collect()
}

fn rows_of(statement: &Statement) -> usize {
    statement.params()["rows"].as_array().unwrap().len()
}

fn edge_record(kind: EdgeType) -> EdgeRecord {
    let values = kind
        .properties()
        .iter()
        .map(|name| ((*name).to_owned(), json!(1)));
    EdgeRecord::build(kind, &values.collect(), true).unwrap()
}

/// One statement of every kind and form that the sync sends.
fn all_statements() -> Vec<Statement> {
    let keys = keys(2);
    let (one, both) = (literals(&keys[..1]), [keys[0].literal(), keys[1].literal()]);
    let run = RunId::fresh().unwrap();
    let record = NodeRecord::build("c/0", &JsonMap::new(), None).unwrap();
    let mut all = Vec::new();
    for label in NodeLabel::ALL {
        all.extend(ensure_indexes(label));
        all.extend(upsert_nodes(label, [(both[0], &record)]).unwrap());
        all.extend([
            count_nodes(label),
            census(label),
            count_unreadable(label),
            list_tagged(label, &run),
            delete_tagged(label, &run),
        ]);
        for form in LOOKUPS {
            all.extend(read_nodes(form, label, &one));
            all.extend(look_up_nodes(form, label, &one));
        }
    }
    all.extend(tag_nodes(&keys, &run).unwrap());
    all.extend(list_buckets(
        NodeLabel::Document,
        &[Bucket::of("c", "1").unwrap()],
    ));
    for kind in EdgeType::ALL {
        let record = edge_record(kind);
        all.extend(upsert_edges(kind, [(both[0], both[1], &record)]).unwrap());
        all.extend(delete_edges(kind, [(both[0], both[1])]).unwrap());
        all.extend(sweep_edges(kind, [(both[0], both[1])]).unwrap());
        all.push(count_edges(kind));
        for form in HopForm::ALL {
            all.extend(neighbours(form, &[kind], &one));
            all.extend(two_hops(form, kind, kind, &one));
            all.extend(incoming(form, kind, &one));
        }
    }
    all
}

#[test]
fn a_union_never_has_more_than_a_hundred_branches() {
    let keys = keys(250);
    let keys = literals(&keys);
    for statements in [
        read_nodes(LookupForm::LiteralUnion, NodeLabel::Document, &keys),
        look_up_nodes(LookupForm::LiteralUnion, NodeLabel::Entity, &keys),
        neighbours(HopForm::RangeHop, &[EdgeType::SimilarTo], &keys),
        two_hops(HopForm::PlainHop, EdgeType::PartOf, EdgeType::HasPart, &keys),
        incoming(HopForm::PlainHop, EdgeType::SimilarTo, &keys),
    ] {
        let branches: Vec<_> = statements
            .iter()
            .map(|s| s.text().split("UNION ALL").count())
            .collect();
        assert_eq!(branches, [100, 100, 50]);
    }
    assert!(read_nodes(LookupForm::LiteralUnion, NodeLabel::Document, &[]).is_empty());
}

#[test]
fn every_node_and_type_of_a_neighbourhood_has_its_branch() {
    let keys = keys(3);
    let kinds = [EdgeType::SimilarTo, EdgeType::Mentions];
    let statement = neighbours(HopForm::RangeHop, &kinds, &literals(&keys)).remove(0);
    for n in 0..3 {
        for kind in kinds {
            let branch = format!("(a:Document {{key:'c/{n}'}})-[r:{}*1..1]->(b)", kind.name());
            assert_eq!(
                statement.text().matches(&branch).count(),
                1,
                "{}",
                statement.text()
            );
        }
    }
}

#[test]
fn keys_as_parameters_are_cut_by_rows() {
    let keys = keys(1_201);
    let statements = look_up_nodes(LookupForm::ParameterList, NodeLabel::Document, &literals(&keys));
    let sizes: Vec<_> = statements
        .iter()
        .map(|s| s.params()["keys"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [500, 500, 201]);
    assert!(!statements[0].text().contains('\''));
}

#[test]
fn a_batch_is_cut_by_rows_and_by_bytes_and_keeps_every_row() {
    let tagged = tag_nodes(&keys(1_201), &RunId::fresh().unwrap()).unwrap();
    assert_eq!(tagged.iter().map(rows_of).collect::<Vec<_>>(), [500, 500, 201]);
    assert_eq!(
        tagged.iter().map(Statement::first_row).collect::<Vec<_>>(),
        [0, 500, 1_000]
    );

    let wide: JsonMap = JsonMap::from_iter([("text".to_owned(), "w".repeat(3 << 20).into())]);
    let keys = keys(5);
    let records: Vec<_> = keys
        .iter()
        .map(|k| NodeRecord::build(k.as_str(), &wide, None).unwrap())
        .collect();
    let rows = keys.iter().map(NodeKey::literal).zip(&records);
    let written = upsert_nodes(NodeLabel::Document, rows).unwrap();
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
fn halving_a_statement_keeps_every_row_in_its_place() {
    let mut waiting = tag_nodes(&keys(13), &RunId::fresh().unwrap()).unwrap();
    let mut singles = Vec::new();
    while let Some(statement) = waiting.pop() {
        match statement.halves() {
            Some([front, back]) => waiting.extend([back, front]),
            None => singles.push(statement),
        }
    }
    assert_eq!(singles.len(), 13);
    for (n, single) in singles.iter().enumerate() {
        assert_eq!(single.first_row(), n);
        assert_eq!(single.params()["rows"][0]["key"], format!("c/{n}"));
    }
    assert!(count_nodes(NodeLabel::Document).halves().is_none());
}

#[test]
fn a_row_that_fits_no_statement_is_refused_by_its_position() {
    let refused = batch_ranges("upsert_nodes", &[10, MAX_BATCH_BYTES, MAX_BATCH_BYTES + 1]);
    assert_eq!(
        refused,
        Err(RowTooLarge {
            statement: "upsert_nodes",
            row: 2,
            bytes: MAX_BATCH_BYTES + 1
        })
    );
}

#[test]
fn edges_are_written_with_values_per_row_between_the_labels_of_their_type() {
    let (document, entity) = (
        DocumentKey::new("c", "0").unwrap(),
        EntityKey::new("person", "Ada").unwrap(),
    );
    let record = edge_record(EdgeType::Mentions);
    let ends = (document.literal(), entity.literal(), &record);
    let written = upsert_edges(EdgeType::Mentions, [ends]).unwrap();
    let row = &written[0].params()["rows"][0];
    assert_eq!(
        (&row["a"], &row["b"], &row["active"]),
        (&json!("c/0"), &json!("person/Ada"), &json!(1))
    );
    // A plain SET would give every edge the last row's values.
    let (ends, sets) = written[0].text().split_once("MERGE").unwrap();
    assert!(ends.contains("(a:Document {") && ends.contains("(b:Entity {"));
    assert_eq!(sets.matches("SET").count(), 2);
    assert!(sets.contains("ON CREATE SET") && sets.contains("ON MATCH SET"));
    for name in ["confidence", "count", "active", "pad"] {
        assert_eq!(
            sets.matches(&format!("r.{name} = row.{name}")).count(),
            2,
            "{name}"
        );
    }
}

#[test]
fn no_statement_of_the_sync_relies_on_what_nexus_gets_wrong_without_being_told_that_it_is_right() {
    let optional = ["delete_edges", "sweep_edges", "incoming"];
    for statement in all_statements() {
        let text = statement.text();
        for forbidden in [
            "SKIP",
            "BEGIN",
            ";",
            "DETACH DELETE r",
            "MATCH ()-[r]",
            "SET r +=",
        ] {
            assert!(!text.contains(forbidden), "{}: {forbidden}", statement.name());
        }
        if !optional.contains(&statement.name()) {
            for chosen in ["<-[", "DELETE r"] {
                assert!(!text.contains(chosen), "{}: {chosen}", statement.name());
            }
        }
        // A predicate behind a seek by literal would be dropped.
        assert!(
            !(text.contains("WHERE") && text.contains('\'')),
            "{}: {text}",
            statement.name()
        );
        // Nobody deletes a relationship without naming both ends.
        assert!(!text.contains("DELETE r") || (text.contains("(a:") && text.contains("(b:")));
    }
}

#[test]
fn the_probe_names_the_ends_of_what_it_deletes() {
    let [a, b] = ["a", "b"].map(|name| ScratchKey::new("probe-1", name).unwrap());
    let statement = super::probe::delete_one_edge(&a, &b);
    assert_eq!(statement.params(), &json!({"a": "probe-1/a", "b": "probe-1/b"}));
    assert_eq!(statement.text().matches("VzProbe {key:$").count(), 2);
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
            // Odd pieces are what stands between quotes; the types of edges are quoted too, and never differ.
            text.split('\'').enumerate().map(|(n, piece)| if n % 2 == 0 { piece.to_owned() } else { String::new() }).collect::<Vec<_>>()
        };
        let similar = [EdgeType::SimilarTo];
        let document = NodeLabel::Document;
        let (key, plain) = (key.literal(), plain.literal());
        for (one, other) in [
            (read_nodes(LookupForm::LiteralUnion, document, &[key]), read_nodes(LookupForm::LiteralUnion, document, &[plain])),
            (neighbours(HopForm::RangeHop, &similar, &[key]), neighbours(HopForm::RangeHop, &similar, &[plain])),
            (list_buckets(document, from_ref(&bucket)), list_buckets(document, from_ref(&plain_bucket))),
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
    let catalogue = root.join("graph").join("catalogue");
    assert!(files.iter().filter(|path| path.starts_with(&catalogue)).count() > 3);
    let cypher_in = |path: &&PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        // Doc comments may show a pattern; code may not.
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(contains_cypher)
    };
    let (inside, outside): (Vec<_>, Vec<_>) = files.iter().partition(|path| path.starts_with(&catalogue));
    let offenders: Vec<_> = outside.into_iter().filter(cypher_in).collect();
    assert!(
        offenders.is_empty(),
        "Cypher outside the catalogue: {offenders:?}"
    );
    // The same eyes do see what is in the catalogue.
    for name in ["nodes.rs", "edges.rs", "probe.rs"] {
        let seen = inside.iter().any(|path| path.ends_with(name) && cypher_in(path));
        assert!(seen, "{name}");
    }
}

fn contains_cypher(line: &str) -> bool {
    [
        "MATCH (",
        "MERGE (",
        "UNWIND ",
        "DELETE r",
        "DETACH DELETE",
        "CREATE INDEX",
        "CREATE (",
        "MATCH SET",
        "RETURN ",
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
