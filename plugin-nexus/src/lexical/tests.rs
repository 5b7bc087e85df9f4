//! The index on disk: what is found, what is not shown, and what becomes of damage.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tempfile::TempDir;
use vectorizer_plugin_api::model::Document;

use super::entry::Entry;
use super::index::{Index, Writer, open};
use super::*;
use crate::config::{Permissions, PermissionsMode};

struct Bench {
    folder: TempDir,
    index: Index,
    writer: Writer,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (index, writer) = open(folder.path(), Language::English).unwrap();
        Self {
            folder,
            index,
            writer,
        }
    }

    fn put(&mut self, collection: &str, id: &str, payload: &Value) -> u64 {
        let permissions = Permissions {
            mode: PermissionsMode::Filter,
            ..Permissions::default()
        };
        let document = Document {
            id: id.to_owned(),
            vector: Vec::new(),
            payload: payload.as_object().cloned(),
        };
        let entry = Entry::of(&permissions, collection, &document).unwrap();
        self.writer.put(collection, id, &entry).unwrap();
        entry.digest
    }

    fn text(&mut self, collection: &str, id: &str, text: &str) -> u64 {
        self.put(collection, id, &json!({"content": text}))
    }

    fn commit(&mut self) {
        self.writer.commit(&self.index).unwrap();
    }

    fn found(&self, collection: &str, text: &str, restricted: bool) -> BTreeMap<String, f64> {
        let found = self.index.search(collection, text, restricted, 100).unwrap();
        found
            .into_iter()
            .map(|(document, score)| (document.id.to_string(), score))
            .collect()
    }

    fn order(&self, collection: &str, text: &str) -> Vec<String> {
        let found = self.index.search(collection, text, true, 100).unwrap();
        found
            .into_iter()
            .map(|(document, _)| document.id.to_string())
            .collect()
    }

    fn reopen(self) -> Self {
        let Self {
            folder,
            index,
            writer,
        } = self;
        drop((index, writer));
        let (index, writer) = open(folder.path(), Language::English).unwrap();
        Self {
            folder,
            index,
            writer,
        }
    }
}

#[test]
fn documents_with_rarer_and_more_of_the_words_come_first() {
    let mut bench = Bench::new();
    bench.text("c", "1", "The tenant signs the lease.");
    bench.text(
        "c",
        "2",
        "The landlord and the tenant agree upon a lease of the garden.",
    );
    bench.text("c", "3", "The garden is large, and the tenants like gardening.");
    bench.text("c", "4", "Something else entirely.");
    bench.text("d", "5", "The lease of another collection.");
    bench.commit();
    assert_eq!(bench.order("c", "leases, tenants"), ["1", "2", "3"]);
    assert_eq!(bench.order("c", "landlords"), ["2"]);
    assert_eq!(bench.order("c", "???"), [] as [&str; 0]);
    assert_eq!(bench.order("d", "lease"), ["5"]);
    assert_eq!(bench.order("nowhere", "lease"), [] as [&str; 0]);
}

#[test]
fn what_was_changed_or_deleted_is_found_no_more() {
    let mut bench = Bench::new();
    let first = bench.text("c", "1", "lease");
    bench.text("c", "2", "lease");
    bench.text("e", "9", "lease");
    bench.commit();
    let digests = |bench: &Bench| bench.index.digests("c", ["1", "2", "3"].into_iter()).unwrap();
    assert_eq!(digests(&bench)[0], Some(first));
    let second = bench.text("c", "1", "garden");
    assert!(bench.writer.has_touched("c", "1") && !bench.writer.has_touched("c", "2"));
    assert_eq!(digests(&bench)[0], Some(first), "as of the last commit");
    bench.writer.delete("c", "2");
    bench.writer.delete_collection("e");
    bench.commit();
    assert!(!bench.writer.has_touched("c", "1"));
    assert_eq!(digests(&bench), [Some(second), None, None]);
    assert_eq!(bench.order("c", "lease"), [] as [&str; 0]);
    assert_eq!(bench.order("c", "garden"), ["1"]);
    assert_eq!(bench.index.len(), 1);
    assert_eq!(bench.index.collections().unwrap(), ["c".to_owned()].into());
}

#[test]
fn ids_are_listed_in_pages_and_by_collection() {
    let mut bench = Bench::new();
    for n in 0..25 {
        bench.text("c", &format!("{n:02}"), "x");
        bench.text("cc", &format!("{n:02}"), "x");
        if n % 10 == 0 {
            bench.commit();
        }
    }
    bench.writer.delete("c", "07");
    bench.commit();
    let mut listed = Vec::new();
    loop {
        let page = bench
            .index
            .ids("c", listed.last().map(String::as_str), 10)
            .unwrap();
        let is_last = page.len() < 10;
        listed.extend(page);
        if is_last {
            break;
        }
    }
    let expected: Vec<String> = (0..25).filter(|n| *n != 7).map(|n| format!("{n:02}")).collect();
    assert_eq!(listed, expected);
}

#[test]
fn restricted_documents_are_found_only_where_asked_for_and_change_no_score() {
    let mut bench = Bench::new();
    for n in 0..8 {
        bench.text(
            "c",
            &n.to_string(),
            if n < 2 {
                "a lease of land"
            } else {
                "other words here"
            },
        );
    }
    bench.commit();
    let before = bench.found("c", "lease land", false);
    assert_eq!(before.len(), 2);
    for n in 0..40 {
        let payload = json!({"content": "a lease of land", "acl": ["board"]});
        bench.put("c", &format!("secret{n}"), &payload);
    }
    bench.commit();
    assert_eq!(bench.found("c", "lease land", false), before);
    let all = bench.found("c", "lease land", true);
    assert_eq!(all.len(), 42);
    assert_eq!(all["0"], before["0"]);
    assert_eq!(all["secret7"], before["0"], "ranked by the same counts");
}

#[test]
fn a_long_text_is_searched_by_its_rarest_words() {
    let mut bench = Bench::new();
    for n in 0..200 {
        bench.text("c", &n.to_string(), &format!("common rare{n} words"));
    }
    bench.commit();
    let long: String = (0..100).map(|n| format!("absent{n} common words ")).collect();
    assert_eq!(bench.order("c", &(long + "rare7"))[0], "7");
}

#[test]
fn it_outlives_the_process_and_damage_and_a_change_of_rules_begin_it_anew() {
    let mut bench = Bench::new();
    bench.text("c", "1", "lease");
    bench.commit();
    bench.text("c", "2", "lease");
    let bench = bench.reopen();
    assert_eq!(bench.order("c", "lease"), ["1"], "what was not committed is lost");

    let place = bench.folder.path().join("v1-english");
    std::fs::write(place.join("meta.json"), b"{\"segments\": [7").unwrap();
    let mut bench = bench.reopen();
    assert_eq!(bench.index.len(), 0);
    bench.text("c", "3", "lease");
    bench.commit();
    assert_eq!(bench.order("c", "lease"), ["3"]);

    let Bench {
        folder,
        index,
        writer,
    } = bench;
    drop((index, writer));
    let (index, _writer) = open(folder.path(), Language::German).unwrap();
    assert_eq!(index.len(), 0);
    assert!(!place.exists());
}

#[test]
fn switched_off_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = config::Lexical::default();
    assert!(Lexical::open(&settings, folder.path()).is_some());
    assert!(folder.path().join("lexical").exists());
    settings.enabled = false;
    assert!(Lexical::open(&settings, folder.path()).is_none());
    assert!(!folder.path().join("lexical").exists());
}

#[test]
fn one_that_cannot_be_opened_says_so_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lexical"), b"in the way").unwrap();
    let lexical = Lexical::open(&config::Lexical::default(), folder.path()).unwrap();
    assert!(lexical.report().failure.is_some());
    assert!(matches!(
        lexical.search("c", "x", false, 1),
        Err(LexicalError::Closed(_))
    ));
    std::fs::remove_file(folder.path().join("lexical")).unwrap();
    lexical.reopen().unwrap();
    assert_eq!(lexical.report().failure, None);
}
