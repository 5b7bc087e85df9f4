//! What a chunk is a part of, and where it stands in it: read off the shapes that Vectorizer writes
//! (`contracts/vectorizer.md` section 2).
//!
//! Invariants: a pure function of the document's id and payload; everything it answers is bounded; an encrypted payload
//! says nothing.

use std::borrow::Cow;

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use crate::payload::{field, is_encrypted};

/// Longest path that is copied to a node, in bytes.
const MAX_PATH: usize = 2_048;
/// The path that Vectorizer gives texts that have none.
const NO_PATH: &str = "text_input";

/// A chunk's place in what it is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Names the whole within the collection: by the first of `parent_id`, `file_path`, and the id before `#` that there is.
    pub source: String,
    /// The file's path where there is one, else as `source`; bounded.
    pub path: String,
    /// Its position from 0 in reading order: `chunk_index`, or the number at the end of the id; 0 where neither says.
    pub index: u64,
}

/// The place of a document, `None` where it is a part of nothing.
#[must_use]
pub fn place(id: &str, payload: Option<&JsonMap>) -> Option<Place> {
    if payload.is_some_and(is_encrypted) {
        return None;
    }
    let text = |name| payload.and_then(|payload| named(field(payload, name)?));
    let parent = text("parent_id");
    let path = text("file_path").filter(|path| path != NO_PATH);
    let in_id = numbered(id);
    let source = parent.or_else(|| path.clone()).or_else(|| {
        in_id
            .filter(|part| part.separator == '#')
            .map(|part| part.whole.into())
    })?;
    let index = payload
        .and_then(|payload| count(field(payload, "chunk_index")?))
        .or_else(|| in_id.map(|part| part.number))
        .unwrap_or(0);
    Some(Place {
        path: bounded(path.as_ref().unwrap_or(&source)).to_owned(),
        source: source.into_owned(),
        index,
    })
}

/// An id that ends with a number, as `guide#12` of a chunked text, and `src/main.rs_12` of the file watcher.
#[derive(Debug, Clone, Copy)]
struct Numbered<'a> {
    whole: &'a str,
    separator: char,
    number: u64,
}

fn numbered(id: &str) -> Option<Numbered<'_>> {
    let at = id.rfind(['#', '_'])?;
    let (whole, rest) = id.split_at_checked(at)?;
    let digits = rest.get(1..)?;
    if whole.is_empty() || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Numbered {
        whole,
        separator: rest.chars().next()?,
        number: digits.parse().ok()?,
    })
}

/// A name: a text that is not blank, or a number, since some writers turn every value into a text and others do not.
fn named(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.trim())
            .filter(|text| !text.is_empty())
            .map(Cow::Borrowed),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_PATH)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn placed(id: &str, payload: Value) -> Option<(String, String, u64)> {
        place(id, payload.as_object()).map(|place| (place.source, place.path, place.index))
    }

    fn at(source: &str, path: &str, index: u64) -> Option<(String, String, u64)> {
        Some((source.into(), path.into(), index))
    }

    #[test]
    fn the_shapes_that_vectorizer_writes_have_their_places() {
        let chunked = json!({"content": "x", "file_path": "text_input", "chunk_index": 3, "parent_id": "p"});
        assert_eq!(placed("p#3", chunked), at("p", "p", 3));
        let named = json!({"content": "x", "file_path": "a/b.md", "chunk_index": 3, "parent_id": "p"});
        assert_eq!(placed("p#3", named), at("p", "a/b.md", 3));
        let uploaded = json!({"content": "x", "metadata": {"file_path": "a.md", "chunk_index": "2"}});
        assert_eq!(placed("0b0e", uploaded), at("a.md", "a.md", 2));
        let watched = json!({"content": "x", "file_path": "src/main.rs"});
        assert_eq!(
            placed("src/main.rs_12", watched),
            at("src/main.rs", "src/main.rs", 12)
        );
        assert_eq!(placed("guide#7", json!({})), at("guide", "guide", 7));
        assert_eq!(place("guide#7", None).unwrap().index, 7);
    }

    #[test]
    fn a_document_that_names_no_whole_is_a_part_of_none() {
        for (id, payload) in [
            ("a", json!({})),
            ("a", json!({"file_path": "text_input"})),
            ("a", json!({"parent_id": "  ", "file_path": ["x"]})),
            ("a#", json!({})),
            ("#1", json!({})),
            ("a#1b", json!({})),
            ("a_1", json!({"title": "an ordinary id"})),
            ("a#99999999999999999999", json!({})),
        ] {
            assert_eq!(placed(id, payload.clone()), None, "{id} {payload}");
        }
    }

    #[test]
    fn an_encrypted_payload_says_nothing() {
        let payload = json!({"nonce": "a", "tag": "b", "encrypted_data": "c", "ephemeral_public_key": "d"});
        assert_eq!(placed("guide#7", payload), None);
    }

    proptest! {
        #[test]
        fn any_id_and_path_have_a_bounded_place(id in "\\PC{0,40}", path in "\\PC{0,3000}", index: u64) {
            if let Some(place) = place(&id, json!({"file_path": path, "chunk_index": index}).as_object()) {
                prop_assert!(place.path.len() <= MAX_PATH && !place.source.is_empty());
                prop_assert_eq!(place.index, index);
            }
        }
    }
}
