//! What the index holds of a document, and under which names.
//!
//! Words are indexed apart for each collection, and in each apart for documents that everybody may see who may see the collection,
//! and for restricted ones: how rare a word is, which decides what it is worth, is counted among the former only. So no score
//! shows that a restricted document has a word.

use vectorizer_plugin_api::model::{Document, JsonMap};

use crate::access::Access;
use crate::config::Permissions;
use crate::journal::DocumentId;
use crate::payload::text;
use crate::sync::settings_digest;

/// Bytes of a text that are indexed at most.
const MOST_TEXT: usize = 1 << 20;
/// A longer name is no document's, and would fit no term.
const LONGEST_KEY: usize = 16 << 10;

/// Who the words of a document are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shelf {
    /// Everybody who may see the collection.
    Open,
    /// Some of those.
    Restricted,
}

/// What each word of a collection begins with. Alone it stands for each of its documents.
pub(super) fn words_prefix(collection: &str) -> String {
    format!("{:016x}", settings_digest([collection].into_iter()))
}

/// A document with words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) title: &'a str,
    pub(super) body: &'a str,
    pub(super) shelf: Shelf,
    /// Changes with all of these.
    pub(super) digest: u64,
}

impl<'a> Entry<'a> {
    /// What is to be indexed of a document; `None` where it has no words, or none that may be read.
    pub(super) fn of(permissions: &Permissions, collection: &str, document: &'a Document) -> Option<Self> {
        let payload = document.payload.as_ref()?;
        let text = text(payload);
        if text.title.is_empty() && text.body.is_empty() || key_length(collection, &document.id) > LONGEST_KEY
        {
            return None;
        }
        let bounded = |text: &'a str| &text[..text.floor_char_boundary(MOST_TEXT)];
        let (title, body) = (bounded(text.title), bounded(text.body));
        let shelf = shelf(permissions, collection, payload);
        let access = match shelf {
            Shelf::Open => "open",
            Shelf::Restricted => "restricted",
        };
        Some(Self {
            title,
            body,
            shelf,
            digest: settings_digest([title, body, access].into_iter()),
        })
    }
}

fn shelf(permissions: &Permissions, collection: &str, payload: &JsonMap) -> Shelf {
    // A tenant's collection is that tenant's as a whole.
    match Access::of(permissions, collection, Some(payload)).principals {
        None => Shelf::Open,
        Some(_) => Shelf::Restricted,
    }
}

fn key_length(collection: &str, id: &str) -> usize {
    4 + collection.len() + id.len()
}

/// The name of a document in the index: the length of the collection's name (4 bytes, big-endian), that name, the id. Those of a
/// collection stand together, in the order of their ids.
pub(super) fn key(collection: &str, id: &str) -> Vec<u8> {
    let mut key = prefix(collection);
    key.extend(id.as_bytes());
    key
}

/// What the names of a collection's documents begin with.
pub(super) fn prefix(collection: &str) -> Vec<u8> {
    let length = u32::try_from(collection.len()).unwrap_or(u32::MAX);
    let mut prefix = length.to_be_bytes().to_vec();
    prefix.extend(collection.as_bytes());
    prefix
}

/// The document of a name; `None` for what is none.
pub(super) fn document(key: &[u8]) -> Option<DocumentId> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let (collection, id) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some(DocumentId::new(
        std::str::from_utf8(collection).ok()?,
        std::str::from_utf8(id).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::PermissionsMode;

    fn indexed(payload: &serde_json::Value, mode: PermissionsMode) -> Option<(String, Shelf, u64)> {
        let document = Document {
            id: "1".to_owned(),
            vector: Vec::new(),
            payload: payload.as_object().cloned(),
        };
        let permissions = Permissions {
            mode,
            ..Permissions::default()
        };
        let entry = Entry::of(&permissions, "c", &document)?;
        Some((
            format!("{}|{}", entry.title, entry.body),
            entry.shelf,
            entry.digest,
        ))
    }

    #[test]
    fn whatever_changes_what_is_found_changes_the_digest() {
        let plain = json!({"title": "T", "content": "words"});
        let (text, shelf, digest) = indexed(&plain, PermissionsMode::Filter).unwrap();
        assert_eq!((text.as_str(), shelf), ("T|words", Shelf::Open));
        let listed = json!({"title": "T", "content": "words", "acl": ["hr"]});
        let (_, shelf, other) = indexed(&listed, PermissionsMode::Filter).unwrap();
        assert_eq!(shelf, Shelf::Restricted);
        assert_ne!(digest, other);
        assert_eq!(indexed(&listed, PermissionsMode::Ignore).unwrap().2, digest);
        let moved = json!({"title": "Twords", "content": ""});
        assert_ne!(indexed(&moved, PermissionsMode::Filter).unwrap().2, digest);
    }

    #[test]
    fn what_has_no_words_or_none_to_be_read_is_not_indexed() {
        let sealed = json!({"nonce": "a", "tag": "b", "encrypted_data": "c", "ephemeral_public_key": "d", "title": "t"});
        for payload in [json!({}), json!({"content": "  "}), json!({"content": 7}), sealed] {
            assert_eq!(indexed(&payload, PermissionsMode::Filter), None, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_read_back_and_stands_with_its_collection(collection in "\\PC{0,20}", id in "\\PC{0,20}", other in "\\PC{0,20}") {
            let name = key(&collection, &id);
            prop_assert_eq!(document(&name), Some(DocumentId::new(collection.as_str(), id.as_str())));
            prop_assert!(name.starts_with(&prefix(&collection)));
            prop_assert_eq!(key(&collection, &other).cmp(&name), other.as_bytes().cmp(id.as_bytes()));
        }

        #[test]
        fn any_bytes_are_a_name_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(found) = document(&bytes) {
                prop_assert_eq!(key(&found.collection, &found.id), bytes);
            }
        }
    }
}
