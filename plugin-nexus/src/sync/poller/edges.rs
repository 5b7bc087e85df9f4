//! Edges of ours, and whether nodes are there at all: a few documents in turn, against what the journal remembers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::across::key;
use super::super::connection::Connection;
use super::super::context::{Context, now_micros};
use super::super::enrichment::OWNED;
use super::super::fault::StageFault;
use super::super::relations::edge_type;
use crate::graph::DocumentKey;
use crate::graph::schema::EdgeType;
use crate::journal::{DocumentId, RelationKind, Work};

/// Documents that are looked at at a time: a branch each for the node, and one for each type of edges.
const AT_A_TIME: usize = 20;

/// Edges by type and the key they lead to.
type Ends = BTreeSet<(EdgeType, String)>;

/// Where the round is.
#[derive(Debug, Default)]
pub(super) struct EdgeRound {
    collection: Option<String>,
    after: Option<String>,
}

impl EdgeRound {
    /// The next documents. Hints those whose edges or node somebody else changed; answers how many.
    ///
    /// # Errors
    /// [`StageFault`].
    pub(super) async fn step(
        &mut self,
        context: &Arc<Context>,
        connection: &Connection,
    ) -> Result<usize, StageFault> {
        let documents = self.place(context)?;
        let mut expected: BTreeMap<DocumentKey, (DocumentId, Ends)> = BTreeMap::new();
        for document in documents {
            if let Some(ends) = remembered(context, &document)? {
                expected.insert(key(&document)?, (document, ends));
            }
        }
        if expected.is_empty() {
            return Ok(0);
        }
        let keys: Vec<DocumentKey> = expected.keys().cloned().collect();
        let there = connection.graph.look_up(&keys).await?;
        let mut held: HashMap<String, Ends> = HashMap::new();
        for edge in connection.graph.neighbours(&OWNED, &keys).await? {
            if edge.active == Some(true) {
                held.entry(edge.source)
                    .or_default()
                    .insert((edge.kind, edge.target));
            }
        }
        let mut changed: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        for (key, (document, ends)) in expected {
            let held = held.remove(key.as_str()).unwrap_or_default();
            let same = there.contains_key(&key) && held == ends;
            // A lane may have written meanwhile.
            if !same && remembered(context, &document)?.as_ref() == Some(&ends) {
                changed.entry(document.collection).or_default().push(document.id);
            }
        }
        let mut found = 0;
        let work = Work::NODE.and(Work::EDGES).and(Work::RELATIONS).and(Work::LOOK);
        for (collection, ids) in changed {
            found += ids.len();
            let ids = ids.iter().map(AsRef::as_ref);
            context
                .journal
                .add_compared(&collection, ids, work.and(context.enrichment()), now_micros())?;
        }
        Ok(found)
    }

    /// The documents whose turn it is; none at the end of a collection.
    fn place(&mut self, context: &Context) -> Result<Vec<DocumentId>, StageFault> {
        let mut all = context.journal.collections()?;
        all.retain(|name| context.config().syncs(name));
        if !self.collection.as_ref().is_some_and(|name| all.contains(name)) {
            self.after = None;
            self.collection = all.first().cloned();
        }
        let Some(collection) = self.collection.clone() else {
            return Ok(Vec::new());
        };
        let ids: Vec<Arc<str>> = context
            .journal
            .ids_after(&collection, self.after.as_deref())?
            .take(AT_A_TIME)
            .collect::<Result<_, _>>()?;
        self.after = ids.last().map(ToString::to_string);
        if ids.len() < AT_A_TIME {
            let next = all.iter().find(|name| **name > collection).or(all.first());
            self.collection = next.cloned();
            self.after = None;
        }
        let collection: Arc<str> = collection.into();
        let documents = ids
            .into_iter()
            .map(|id| DocumentId::new(Arc::clone(&collection), id));
        Ok(documents.collect())
    }
}

/// The edges that a document should have; `None` where that is not known for certain, or about to change.
fn remembered(context: &Context, document: &DocumentId) -> Result<Option<Ends>, StageFault> {
    let epoch = Some(context.journal.epoch());
    if context.journal.is_pending(&document.collection, &document.id) {
        return Ok(None);
    }
    let Some(state) = context.journal.state(document)? else {
        return Ok(None);
    };
    let across = context.journal.across(document)?;
    let relations = context.journal.relations(document)?;
    let is_known = state.epoch == epoch
        && state.edges_epoch == epoch
        && across.as_ref().is_none_or(|across| across.epoch == epoch)
        && relations
            .as_ref()
            .is_none_or(|relations| relations.epoch == epoch);
    if !is_known {
        return Ok(None);
    }
    let mut ends = Ends::new();
    for edge in &state.edges {
        let target = DocumentId::new(Arc::clone(&document.collection), edge.target.as_str());
        ends.insert((EdgeType::SimilarTo, key(&target)?.as_str().to_owned()));
    }
    for edge in across.iter().flat_map(|across| &across.edges) {
        ends.insert((EdgeType::SimilarTo, key(&edge.target())?.as_str().to_owned()));
    }
    for edge in relations.iter().flat_map(|relations| &relations.edges) {
        let target = match edge.kind {
            RelationKind::Next => {
                let next = DocumentId::new(Arc::clone(&document.collection), edge.target.as_str());
                key(&next)?.as_str().to_owned()
            }
            _ => edge.target.clone(),
        };
        ends.insert((edge_type(edge.kind), target));
    }
    Ok(Some(ends))
}
