//! Keys of the journal on disk.
//!
//! A key begins with its kind. A document is the length of its collection's name (2 bytes, big-endian), the name, the id.
//! Under [`REVERSE`] the id is preceded by its length (4 bytes, big-endian), so that the source can follow. A claim is its
//! number (8 bytes, big-endian).

use super::DocumentId;
use super::error::JournalError;

pub(super) const HINT: u8 = b'h';
pub(super) const STATE: u8 = b's';
pub(super) const FAILURE: u8 = b'f';
pub(super) const DEAD: u8 = b'd';
pub(super) const CLAIM: u8 = b'c';
pub(super) const REVERSE: u8 = b'r';

pub(super) fn collection_prefix(kind: u8, collection: &str) -> Result<Vec<u8>, JournalError> {
    let length = u16::try_from(collection.len()).map_err(|_| JournalError::NameTooLong(collection.len()))?;
    let mut key = vec![kind];
    key.extend(length.to_be_bytes());
    key.extend(collection.as_bytes());
    Ok(key)
}

pub(super) fn key(kind: u8, document: &DocumentId) -> Result<Vec<u8>, JournalError> {
    let mut key = collection_prefix(kind, &document.collection)?;
    key.extend(document.id.as_bytes());
    Ok(key)
}

/// A document with the length of its id, so that more can follow.
pub(super) fn sized_key(kind: u8, document: &DocumentId) -> Result<Vec<u8>, JournalError> {
    let id = &document.id;
    let mut key = collection_prefix(kind, &document.collection)?;
    let length = u32::try_from(id.len()).map_err(|_| JournalError::NameTooLong(id.len()))?;
    key.extend(length.to_be_bytes());
    key.extend(id.as_bytes());
    Ok(key)
}

/// The least key under a collection's prefix that is behind this document; without one, the prefix.
pub(super) fn behind(prefix: &[u8], id: Option<&str>) -> Vec<u8> {
    let mut from = prefix.to_vec();
    if let Some(id) = id {
        from.extend(id.as_bytes());
        from.push(0);
    }
    from
}

pub(super) fn reverse_prefix(target: &DocumentId) -> Result<Vec<u8>, JournalError> {
    sized_key(REVERSE, target)
}

pub(super) fn reverse_key(source: &DocumentId, target: &str) -> Result<Vec<u8>, JournalError> {
    let mut key = reverse_prefix(&DocumentId::new(source.collection.clone(), target))?;
    key.extend(source.id.as_bytes());
    Ok(key)
}

pub(super) fn parse_key(key: &[u8]) -> Result<DocumentId, JournalError> {
    let damaged = || JournalError::Damaged { what: "key" };
    let (length, rest) = key
        .get(1..)
        .and_then(|rest| rest.split_first_chunk::<2>())
        .ok_or_else(damaged)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (collection, id) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| damaged());
    Ok(DocumentId::new(text(collection)?, text(id)?))
}

pub(super) fn claim_key(number: u64) -> Vec<u8> {
    let mut key = vec![CLAIM];
    key.extend(number.to_be_bytes());
    key
}
