//! Keys: nothing that names a document can mean another one, or anything but itself inside a statement.

use std::sync::LazyLock;

use crate::graph::Statement;
use crate::graph::canary::Perch;
use crate::graph::catalogue::edges::{HopForm, incoming, neighbours, two_hops};
use crate::graph::catalogue::nodes::{LookupForm, list_buckets, look_up_nodes, read_nodes};
use crate::graph::key::{Bucket, DocumentKey, NodeKey, ScratchKey};
use crate::graph::literal::{MAX_PART_BYTES, Part, SafeLiteral};
use crate::graph::schema::{EdgeType, NodeLabel};

/// Two documents, each a collection and an id: their keys round trip, are equal only when the documents are, and change no
/// statement.
pub fn documents(one: (&str, &str), other: (&str, &str)) {
    let key = document(one);
    let other_key = document(other);
    if let Some(key) = key {
        assert_eq!(
            one == other,
            other_key.is_some_and(|other| other == key),
            "{one:?} {other:?}"
        );
        let bucket = Bucket::of(one.0, one.1).unwrap();
        assert_safe(bucket.as_str());
        statements(key.literal(), &bucket);
    }
}

/// The key of a document whose names are not empty.
fn document((collection, id): (&str, &str)) -> Option<DocumentKey> {
    let Ok(key) = DocumentKey::new(collection, id) else {
        assert!(collection.is_empty() || id.is_empty());
        return None;
    };
    assert_safe(key.as_str());
    assert!(key.as_str().len() <= 2 * MAX_PART_BYTES + 1);
    assert_eq!(DocumentKey::parse(key.as_str()), Ok(key.clone()));
    let (first, second) = key.parts().unwrap();
    for (part, original) in [(first, collection), (second, id)] {
        match part {
            Part::Text(text) => assert_eq!(text, original),
            Part::Digest(_) => assert!(3 * original.len() > MAX_PART_BYTES),
        }
    }
    Some(key)
}

/// Any text as a literal, a key or a mark of the canary: what is accepted is what is printed.
pub fn text(text: &str) {
    let is_safe = !text.is_empty() && text.bytes().all(is_safe);
    let literal = SafeLiteral::verify(text);
    assert_eq!(literal.is_ok(), is_safe);
    if let Ok(literal) = &literal {
        assert_eq!(literal.as_str(), text);
        assert_eq!(serde_json::from_value(text.into()).ok().as_ref(), Some(literal));
    }
    if let Ok(key) = DocumentKey::parse(text) {
        assert_eq!(key.as_str(), text);
        if let (Part::Text(collection), Part::Text(id)) = key.parts().unwrap() {
            assert_eq!(DocumentKey::new(&collection, &id), Ok(key));
        }
    }
    if let Ok(key) = ScratchKey::parse(text) {
        assert_eq!(key.as_str(), text);
    }
    if let Some(perch) = Perch::parse(text) {
        assert_eq!(perch.mark(), text);
        assert!(perch.number.checked_add(1).is_some());
    }
}

/// Every statement that quotes a key or a bucket is the one for a plain key, with that key instead.
fn statements(key: &SafeLiteral, bucket: &Bucket) {
    static STANDARD: LazyLock<(DocumentKey, Bucket, Vec<Statement>)> = LazyLock::new(|| {
        let (key, bucket) = (DocumentKey::new("c", "1").unwrap(), Bucket::of("c", "1").unwrap());
        let statements = quoting(key.literal(), &bucket);
        (key, bucket, statements)
    });
    let (plain, plain_bucket, standard) = &*STANDARD;
    let given = quoting(key, bucket);
    assert_eq!(given.len(), standard.len());
    for (given, standard) in given.iter().zip(standard) {
        let expected = standard
            .text()
            .replace(&format!("'{plain}'"), &format!("'{key}'"))
            .replace(&format!("'{plain_bucket}'"), &format!("'{bucket}'"));
        assert_eq!(given.text(), expected);
        if let Some(keys) = given.params().get("keys") {
            assert_eq!(keys, &serde_json::json!([key.as_str()]));
            assert_eq!(given.text(), standard.text());
        }
    }
}

/// One statement of every form that is made for a key or a bucket.
fn quoting(key: &SafeLiteral, bucket: &Bucket) -> Vec<Statement> {
    let mut all = list_buckets(NodeLabel::Document, std::slice::from_ref(bucket));
    for form in [LookupForm::LiteralUnion, LookupForm::ParameterList] {
        for label in NodeLabel::ALL {
            all.extend(read_nodes(form, label, &[key]));
            all.extend(look_up_nodes(form, label, &[key]));
        }
    }
    for form in HopForm::ALL {
        for kind in EdgeType::ALL {
            all.extend(neighbours(form, &[kind], &[key]));
            all.extend(two_hops(form, kind, kind, &[key]));
            all.extend(incoming(form, kind, &[key]));
        }
    }
    all
}

fn assert_safe(text: &str) {
    assert!(!text.is_empty() && text.bytes().all(is_safe), "{text}");
}

/// The alphabet again, so that a letter more in the codec's does not pass unseen.
fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._~%:/@+=-".contains(&byte)
}
