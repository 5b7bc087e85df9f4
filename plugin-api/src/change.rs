//! The change batch: which documents changed, borrowed from the writer, nothing allocated.
//!
//! A batch says *that* documents changed, never *how*: its reader asks the store for their state when it works.
//! That makes repeats harmless and order between batches irrelevant.

use crate::abi::{ChangeBatchC, RStr};
use crate::model::Op;

/// Most ids in one call of [`crate::Plugin::notify`]; a longer list arrives in several calls.
pub const NOTIFY_CHUNK: usize = 256;

/// The ids of one collection that one operation touched.
#[derive(Clone, Copy)]
pub struct ChangeBatch<'a> {
    raw: &'a ChangeBatchC<'a>,
}

impl<'a> ChangeBatch<'a> {
    pub(crate) fn new(raw: &'a ChangeBatchC<'a>) -> Self {
        Self { raw }
    }

    /// The canonical name of the collection.
    #[must_use]
    pub fn collection(&self) -> &'a str {
        self.raw.collection.as_str()
    }

    /// What happened. An operation that this release does not know reads as [`Op::Update`]: the reader looks
    /// at the store in any case.
    #[must_use]
    pub fn op(&self) -> Op {
        match self.raw.op {
            1 => Op::Upsert,
            3 => Op::Delete,
            _ => Op::Update,
        }
    }

    /// The ids, in the writer's order; one may come twice.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &'a str> + Clone + use<'a> {
        self.raw.ids.as_slice().iter().map(|id| id.as_str())
    }

    /// How many ids there are, at most [`NOTIFY_CHUNK`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.ids.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the host told of the change: microseconds since the Unix epoch.
    #[must_use]
    pub fn at_unix_micros(&self) -> u64 {
        self.raw.at_unix_micros
    }
}

impl std::fmt::Debug for ChangeBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeBatch")
            .field("collection", &self.collection())
            .field("op", &self.op())
            .field("ids", &self.len())
            .finish()
    }
}

/// Cuts `ids` into batches of at most [`NOTIFY_CHUNK`] on the stack and hands each to `deliver`.
///
/// # Errors
/// The first error of `deliver`; later batches are not delivered then.
pub fn in_chunks<E>(
    collection: &str,
    op: Op,
    at_unix_micros: u64,
    ids: &[&str],
    mut deliver: impl FnMut(ChangeBatch<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = [RStr::from_str(""); NOTIFY_CHUNK];
    for chunk in ids.chunks(NOTIFY_CHUNK) {
        for (slot, id) in buffer.iter_mut().zip(chunk) {
            *slot = RStr::from_str(id);
        }
        let raw = ChangeBatchC {
            collection: RStr::from_str(collection),
            ids: buffer[..chunk.len()].into(),
            op: match op {
                Op::Upsert => 1,
                Op::Update => 2,
                Op::Delete => 3,
            },
            at_unix_micros,
        };
        deliver(ChangeBatch::new(&raw))?;
    }
    Ok(())
}

impl<'a> ChangeBatch<'a> {
    #[cfg(feature = "host")]
    pub(crate) fn raw(&self) -> &'a ChangeBatchC<'a> {
        self.raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_arrives_whole_and_in_order_in_bounded_batches() {
        let names: Vec<String> = (0..1000).map(|n| format!("id{n}")).collect();
        let ids: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut seen = Vec::new();
        in_chunks::<()>("c", Op::Delete, 7, &ids, |batch| {
            assert!(batch.len() <= NOTIFY_CHUNK);
            assert_eq!(
                (batch.collection(), batch.op(), batch.at_unix_micros()),
                ("c", Op::Delete, 7)
            );
            seen.extend(batch.ids().map(str::to_owned));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, names);
    }

    #[test]
    fn no_ids_make_no_call() {
        in_chunks("c", Op::Upsert, 0, &[], |_| Err("called")).unwrap();
    }
}
