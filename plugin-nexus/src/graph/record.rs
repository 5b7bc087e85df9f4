//! The one codec that builds property records. No other code sets properties.
//!
//! Nexus writes a shorter record in place without padding and loses everything behind it at its
//! next start. Hence the invariants:
//!
//! - the *width* of a record is the number of bytes of the compact JSON of **all** its properties;
//! - the width of a node is a multiple of [`NODE_STEP`] and never falls; the slack is spaces in
//!   `_pad`, and everything goes out in one map, so that no shorter record exists in between;
//! - a property that vanished is sent as null, and the padding makes up for it;
//! - every edge of a type has the one width of its type ([`EdgeType::width`]), which must never be lowered; only the
//!   canary's grows;
//! - every float survives the server's own reading and printing (see [`super::float`]), so a record
//!   does not change its width when the server rewrites it.
//!
//! What is known about a stored record is its [`RecordShape`]. It must be remembered with the
//! document, or read back with [`RecordShape::of_stored`] before the next write.

use std::collections::BTreeSet;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::float;
use super::schema::EdgeType;

/// Properties by name.
pub type JsonMap = Map<String, Value>;

/// Node records are padded to a multiple of this many bytes.
pub const NODE_STEP: u32 = 256;

/// Widest node record in bytes.
pub const MAX_NODE_WIDTH: u32 = 4 * 1024 * 1024;

/// Deepest nesting of lists and maps in one property. JSON readers give up at 128.
pub const MAX_DEPTH: usize = 32;

/// The property that names a node; it is part of the pattern, never of the map that is sent.
pub const KEY: &str = "key";

/// The property that carries a node's padding.
pub const PAD: &str = "_pad";

/// The property that marks a node for deletion.
pub const GC: &str = "gc";

/// The edge property that says whether the edge holds: 1, or 0 for one that is retracted.
pub const ACTIVE: &str = "active";

/// The property that carries an edge's padding.
pub const EDGE_PAD: &str = "pad";

/// What the server adds to a node that it returns whole starts with this.
const DECORATION: &str = "_nexus_";

/// Bytes that an empty `_pad` adds to a record that has other properties: `,"_pad":""`.
const PAD_COST: u32 = 10;

/// Why no record can be built. The document is at fault, not the server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The property name belongs to the server or to the codec.
    #[error("property name `{name}` is reserved")]
    ReservedName {
        /// The refused name.
        name: String,
    },
    /// The property nests deeper than [`MAX_DEPTH`].
    #[error("property `{name}` nests deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// The refused property.
        name: String,
    },
    /// The record is wider than its bound.
    #[error("the record needs {width} bytes, the limit is {limit}")]
    TooWide {
        /// Bytes needed without padding.
        width: u64,
        /// Bytes allowed.
        limit: u32,
    },
    /// A score that is not a number.
    #[error("the score is not a finite number")]
    ScoreNotFinite,
    /// An edge with other properties than its type has.
    #[error("a {kind} edge has the properties {expected:?} and no others")]
    EdgeProperties {
        /// The type.
        kind: &'static str,
        /// Its properties.
        expected: &'static [&'static str],
    },
}

/// What is known about the record that the server holds for one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordShape {
    /// Bytes of the stored record, as far as it is ours.
    pub width: u32,
    /// Names of our properties in it, without `key` and `_pad`.
    pub names: BTreeSet<String>,
}

impl RecordShape {
    /// The shape of a record that was read back whole. Properties that are not `ours` are left
    /// out, so they are neither removed nor counted; `key`, `_pad` and `gc` always are.
    ///
    /// # Errors
    ///
    /// [`RecordError::TooWide`] when the width exceeds 32 bits.
    pub fn of_stored(stored: &JsonMap, ours: impl Fn(&str) -> bool) -> Result<Self, RecordError> {
        let own: JsonMap = stored
            .iter()
            .filter(|(name, _)| !name.starts_with(DECORATION))
            .filter(|(name, _)| matches!(name.as_str(), KEY | PAD | GC) || ours(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let width = checked_width(width_of(&own), u32::MAX)?;
        let names = own
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| name != KEY && name != PAD)
            .collect();
        Ok(Self { width, names })
    }
}

/// A node record ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRecord {
    props: JsonMap,
    shape: RecordShape,
}

impl NodeRecord {
    /// Builds the map that turns the stored record into `desired`.
    ///
    /// `before` is what the server holds, `None` for a node that does not exist. A null in
    /// `desired` means that the property is not wanted. `desired` may contain `key` only with the
    /// value `key`.
    ///
    /// # Errors
    ///
    /// [`RecordError::ReservedName`], [`RecordError::TooDeep`], [`RecordError::TooWide`].
    pub fn build(key: &str, desired: &JsonMap, before: Option<&RecordShape>) -> Result<Self, RecordError> {
        let mut stored = JsonMap::new();
        for (name, value) in desired {
            check_name(name, value, key)?;
            if value.is_null() || name == KEY {
                continue;
            }
            if depth(value) > MAX_DEPTH {
                return Err(RecordError::TooDeep { name: name.clone() });
            }
            let mut value = value.clone();
            float::stabilise(&mut value);
            stored.insert(name.clone(), value);
        }
        let names: BTreeSet<String> = stored.iter().map(|(name, _)| name.clone()).collect();

        stored.insert(KEY.to_owned(), Value::from(key));
        let bare = checked_width(width_of(&stored) + u64::from(PAD_COST), MAX_NODE_WIDTH)?;
        let floor = bare.max(before.map_or(0, |shape| shape.width));
        let width = floor
            .checked_next_multiple_of(NODE_STEP)
            .ok_or(RecordError::TooWide {
                width: u64::from(floor),
                limit: MAX_NODE_WIDTH,
            })?;

        let mut props = stored;
        props.remove(KEY);
        props.insert(PAD.to_owned(), padding(width - bare));
        let gone = before
            .into_iter()
            .flat_map(|shape| &shape.names)
            .filter(|name| !names.contains(*name));
        props.extend(gone.map(|name| (name.clone(), Value::Null)));
        Ok(Self {
            props,
            shape: RecordShape { width, names },
        })
    }

    /// The map to send, without `key`: values, nulls for what vanished, and the padding.
    pub fn props(&self) -> &JsonMap {
        &self.props
    }

    /// What the server will hold afterwards; to be remembered.
    pub fn shape(&self) -> &RecordShape {
        &self.shape
    }
}

/// The properties of one edge, padded to the width of its type.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeRecord {
    props: JsonMap,
}

impl EdgeRecord {
    /// A record with these values and `active` as 1 or 0, so that retracting an edge keeps its width.
    ///
    /// # Errors
    ///
    /// [`RecordError::EdgeProperties`] when `values` are not exactly the type's properties or one is null, which the server
    /// would not store; [`RecordError::TooWide`] when they do not fit.
    pub fn build(kind: EdgeType, values: &JsonMap, active: bool) -> Result<Self, RecordError> {
        Self::with_width(kind, values, active, kind.width())
    }

    /// The record of a SIMILAR_TO edge.
    ///
    /// # Errors
    ///
    /// [`RecordError::ScoreNotFinite`]; [`RecordError::TooWide`] when the values do not fit.
    pub fn similar(score: f64, method: &str, updated_at: &str, active: bool) -> Result<Self, RecordError> {
        if !score.is_finite() {
            return Err(RecordError::ScoreNotFinite);
        }
        let values = JsonMap::from_iter([
            ("score".to_owned(), Value::from(score)),
            ("method".to_owned(), Value::from(method)),
            ("updated_at".to_owned(), Value::from(updated_at)),
        ]);
        Self::build(EdgeType::SimilarTo, &values, active)
    }

    /// The canary's record, of any width from its type's on.
    ///
    /// # Errors
    ///
    /// [`RecordError::TooWide`] when `width` does not hold it.
    pub fn canary(mark: &str, width: u32) -> Result<Self, RecordError> {
        let values = JsonMap::from_iter([("mark".to_owned(), Value::from(mark))]);
        Self::with_width(EdgeType::Canary, &values, true, width)
    }

    fn with_width(kind: EdgeType, values: &JsonMap, active: bool, width: u32) -> Result<Self, RecordError> {
        let expected = kind.properties();
        let is_there = |name: &&str| values.get(*name).is_some_and(|value| !value.is_null());
        if values.len() != expected.len() || !expected.iter().all(is_there) {
            return Err(RecordError::EdgeProperties {
                kind: kind.name(),
                expected,
            });
        }
        let mut props = values.clone();
        props.values_mut().for_each(float::stabilise);
        props.insert(ACTIVE.to_owned(), Value::from(u8::from(active)));
        props.insert(EDGE_PAD.to_owned(), Value::from(""));
        let bare = checked_width(width_of(&props), width)?;
        props.insert(EDGE_PAD.to_owned(), padding(width - bare));
        Ok(Self { props })
    }

    /// The type's properties, `active` and `pad` by name.
    pub fn props(&self) -> &JsonMap {
        &self.props
    }
}

/// Width in bytes of a record with exactly these properties.
pub fn width_of(properties: &JsonMap) -> u64 {
    json_bytes(properties)
}

/// Bytes of the compact JSON of `value`.
pub(super) fn json_bytes(value: &impl Serialize) -> u64 {
    let mut counter = ByteCounter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        // Maps with text keys always serialise; a value that does not must never look small.
        Err(_) => u64::MAX,
    }
}

/// The properties of a node that the server returned whole, without what the server added.
pub(super) fn without_decorations(mut node: JsonMap) -> JsonMap {
    node.retain(|name, _| !name.starts_with(DECORATION));
    node
}

struct ByteCounter(u64);

impl io::Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn check_name(name: &str, value: &Value, key: &str) -> Result<(), RecordError> {
    let reserved = match name {
        KEY => value != key,
        "" | PAD | GC | "_id" => true,
        _ => name.starts_with(DECORATION),
    };
    if reserved {
        Err(RecordError::ReservedName {
            name: name.to_owned(),
        })
    } else {
        Ok(())
    }
}

fn checked_width(width: u64, limit: u32) -> Result<u32, RecordError> {
    match u32::try_from(width) {
        Ok(fits) if fits <= limit => Ok(fits),
        _ => Err(RecordError::TooWide { width, limit }),
    }
}

fn padding(bytes: u32) -> Value {
    Value::from(" ".repeat(bytes as usize))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
