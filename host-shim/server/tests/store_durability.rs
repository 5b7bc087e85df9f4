//! What a restart finds, also after kill -9; and who may open a folder.
//!
//! A loss of power is not simulated: against that stands the durable commit of every call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{Recorder, ids, open, put};
use vectorizer_host::store::{DbError, DocumentStore, StoreOptions};
use vectorizer_plugin_api::model::Metric;

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
