//! Nodes of ours, a few buckets in turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::super::connection::Connection;
use super::super::context::{Context, now_micros};
use super::super::fault::StageFault;
use crate::graph::{BUCKETS, Bucket, GraphError};
use crate::journal::{DocumentId, Work};

/// Buckets that are listed at a time, in one statement.
const AT_A_TIME: u16 = 64;

/// Where the round is.
#[derive(Debug, Default)]
pub(super) struct NodeRound {
    collection: Option<String>,
    bucket: u16,
}

impl NodeRound {
    /// The next buckets. Hints the documents whose nodes somebody else changed; answers how many.
    ///
    /// # Errors
    /// [`StageFault`].
    pub(super) async fn step(
        &mut self,
        context: &Arc<Context>,
        connection: &Connection,
    ) -> Result<usize, StageFault> {
        let Some(collection) = self.place(context)? else {
            return Ok(0);
        };
        let end = (self.bucket + AT_A_TIME).min(BUCKETS);
        let buckets: Vec<Bucket> = (self.bucket..end)
            .map(|number| Bucket::numbered(&collection, number).map_err(GraphError::from))
            .collect::<Result<_, _>>()?;
        self.bucket = end;
        let (mut changed, mut mapped) = (Vec::new(), Vec::new());
        let enrichment = &context.config().enrichment;
        for (key, record) in connection.graph.read_buckets(&buckets).await? {
            let Some((_, id)) = key.names() else {
                // An id too long to be read back from its key stays out of reach here.
                continue;
            };
            let document = DocumentId::new(collection.as_str(), id.as_str());
            let Some(head) = context.journal.head(&document)? else {
                continue;
            };
            let other_rev = record.get("rev").and_then(Value::as_u64) != Some(head.rev);
            let differs = context
                .seen
                .differs(&key, &record, |name| context.copy_rules().owns(name));
            // One that is on its way is looked at again when it has arrived.
            let settled = head.epoch == Some(context.journal.epoch())
                && !context.journal.is_pending(&document.collection, &document.id);
            let is_mapped = |name: &str| enrichment.mapped.iter().any(|rule| rule.property == name);
            if enrichment.enabled
                && !enrichment.mapped.is_empty()
                && context.seen.differs_mapped(&key, &record, is_mapped)
            {
                mapped.push(id.clone());
            }
            if (differs || other_rev) && settled {
                changed.push(id);
            }
        }
        if !mapped.is_empty() {
            let ids = mapped.iter().map(String::as_str);
            context
                .journal
                .add_compared(&collection, ids, Work::ENRICHMENT, now_micros())?;
        }
        if !changed.is_empty() {
            let work = Work::NODE.and(Work::LOOK).and(context.enrichment());
            let ids = changed.iter().map(String::as_str);
            context
                .journal
                .add_compared(&collection, ids, work, now_micros())?;
        }
        Ok(changed.len() + mapped.len())
    }

    /// The collection whose turn it is.
    fn place(&mut self, context: &Context) -> Result<Option<String>, StageFault> {
        let mut all: BTreeSet<String> = context.journal.collections()?;
        all.retain(|name| context.config().syncs(name));
        let goes_on =
            self.bucket < BUCKETS && self.collection.as_ref().is_some_and(|name| all.contains(name));
        if !goes_on {
            let behind = |name: &&String| self.collection.as_ref().is_none_or(|last| *name > last);
            let next = all.iter().find(behind).or(all.first()).cloned();
            self.collection = next;
            self.bucket = 0;
        }
        Ok(self.collection.clone())
    }
}
