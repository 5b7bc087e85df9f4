//! Graph against journal, some buckets at a time.
//!
//! What the journal remembers is read before the graph and once more behind it: a document that was written meanwhile, or is
//! about to be, is no difference. A node that the journal does not know is looked at whole: only one that has all marks of
//! ours (key, collection, id, bucket, rev, fingerprint, each as the plugin writes it) is an orphan. It is hinted as a
//! document, and the lane deletes it unless the store has it by then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use vectorizer_plugin_api::model::Fields;

use super::super::context::Context;
use super::super::fault::StageFault;
use super::super::fingerprint::fingerprint_text;
use super::page::{Page, Turn};
use super::record::{Cursor, Finding, GraphScope, Phase};
use crate::graph::key::BUCKETS;
use crate::graph::schema::NodeLabel;
use crate::graph::{Bucket, DocumentKey, Graph, GraphError, JsonMap};
use crate::journal::{DocumentId, StateHead, Work};

/// Ids that are held in memory at a time.
const SHELF: usize = 200_000;
/// Buckets that are listed at a time: no more than fit into one statement.
const BUCKETS_A_PAGE: usize = 100;
/// Documents that are compared at a time, unless one bucket holds more.
const PAGE: usize = 4_000;

/// Decides which collections of the graph are read.
///
/// # Errors
/// [`StageFault`].
pub(super) async fn census(
    context: &Arc<Context>,
    graph: &Graph,
    turn: &Turn,
    names: &BTreeSet<String>,
) -> Result<Page, StageFault> {
    let mut page = turn.page();
    let mut wanted = BTreeSet::new();
    if turn.job.order.graph == GraphScope::Full {
        wanted.extend(names.iter().cloned());
    }
    if turn.job.order.collections.is_none() {
        if graph.forms().census {
            let counts = graph.census(NodeLabel::Document).await?;
            let synced = counts
                .keys()
                .filter(|name| !name.is_empty() && context.config().syncs(name));
            wanted.extend(synced.filter(|name| !names.contains(*name)).cloned());
            if turn.job.order.graph == GraphScope::Census {
                let names = names.clone();
                let other = context.blocking(move |context| miscounted(context, names, &counts));
                wanted.extend(other.await?);
            }
        } else {
            page.notes.push(
                "collections that neither store nor journal knows were not looked for: this Nexus has no right form of \
                 census"
                    .to_owned(),
            );
        }
    }
    page.cursor = next(wanted.into_iter().collect());
    Ok(page)
}

/// The collections of which the graph has another number of nodes than the journal remembers. Blocks.
fn miscounted(
    context: &Context,
    names: BTreeSet<String>,
    counts: &BTreeMap<String, u64>,
) -> Result<Vec<String>, StageFault> {
    let mut found = Vec::new();
    for name in names {
        let mut known = 0;
        for id in context.journal.ids_after(&name, None)? {
            id?;
            known += 1;
        }
        if counts.get(&name).copied().unwrap_or_default() != known {
            found.push(name);
        }
    }
    Ok(found)
}

fn next(graph: Vec<String>) -> Cursor {
    Cursor {
        phase: if graph.is_empty() {
            Phase::Draining
        } else {
            Phase::Graph
        },
        collection: graph.first().cloned(),
        graph,
        ..Cursor::default()
    }
}

/// The ids that the journal knows of some buckets of a collection.
#[derive(Debug)]
pub(super) struct Shelf {
    collection: Arc<str>,
    /// Documents of each bucket.
    counts: Vec<u32>,
    ids: BTreeMap<u16, Vec<Arc<str>>>,
    /// The first bucket that is not on it.
    end: u16,
}

impl Shelf {
    /// Fills a shelf with the buckets from `from` on. Blocks.
    fn fill(context: &Context, collection: Arc<str>, from: u16) -> Result<Self, StageFault> {
        let mut counts = vec![0_u32; usize::from(BUCKETS)];
        for id in context.journal.ids_after(&collection, None)? {
            counts[usize::from(Bucket::number_of(&id?))] += 1;
        }
        let mut end = from;
        let mut room = SHELF;
        while end < BUCKETS && (end == from || counts[usize::from(end)] as usize <= room) {
            room = room.saturating_sub(counts[usize::from(end)] as usize);
            end += 1;
        }
        let mut ids: BTreeMap<u16, Vec<Arc<str>>> = BTreeMap::new();
        for id in context.journal.ids_after(&collection, None)? {
            let id = id?;
            let number = Bucket::number_of(&id);
            if (from..end).contains(&number) {
                ids.entry(number).or_default().push(id);
            }
        }
        Ok(Self {
            collection,
            counts,
            ids,
            end,
        })
    }

    /// The first bucket behind a page that begins at `from`.
    fn page_end(&self, from: u16) -> u16 {
        let (mut end, mut documents) = (from, 0);
        while end < self.end
            && usize::from(end - from) < BUCKETS_A_PAGE
            && (end == from || documents + self.counts[usize::from(end)] as usize <= PAGE)
        {
            documents += self.counts[usize::from(end)] as usize;
            end += 1;
        }
        end
    }

    fn take(&mut self, from: u16, end: u16) -> Vec<Arc<str>> {
        (from..end)
            .filter_map(|number| self.ids.remove(&number))
            .flatten()
            .collect()
    }
}

/// A document as the journal remembers it.
struct Remembered {
    id: Arc<str>,
    key: DocumentKey,
    head: StateHead,
}

/// Compares some buckets.
///
/// # Errors
/// [`StageFault`].
pub(super) async fn step(
    context: &Arc<Context>,
    graph: &Graph,
    turn: &Turn,
    shelf: &mut Option<Shelf>,
) -> Result<Page, StageFault> {
    let mut page = turn.page();
    let Some(collection) = turn.job.cursor.graph.first() else {
        page.cursor = next(Vec::new());
        return Ok(page);
    };
    let collection: Arc<str> = collection.as_str().into();
    let from = turn.job.cursor.bucket;
    let is_here = |shelf: &Shelf| shelf.collection == collection && from < shelf.end;
    let filled = match shelf.take().filter(is_here) {
        Some(shelf) => shelf,
        None => {
            let collection = Arc::clone(&collection);
            context
                .blocking(move |context| Shelf::fill(context, collection, from))
                .await?
        }
    };
    let filled = shelf.insert(filled);
    let end = filled.page_end(from);
    let ids = filled.take(from, end);

    let buckets = (from..end)
        .map(|number| Bucket::numbered(&collection, number))
        .collect::<Result<Vec<_>, _>>()
        .map_err(GraphError::from)?;
    let remembered = {
        let collection = Arc::clone(&collection);
        context
            .blocking(move |context| remember(context, &collection, ids))
            .await?
    };
    let listing = graph.list_buckets(&buckets).await?;
    page.looked_at = listing.entries.len().max(remembered.len());
    page.findings.nodes = listing.entries.len() as u64;
    let mut found: HashMap<DocumentKey, _> = listing
        .entries
        .into_iter()
        .map(|entry| (entry.key, entry.version))
        .collect();
    let (mut missing, mut stale) = (Vec::new(), Vec::new());
    for document in remembered {
        match found.remove(&document.key) {
            None => missing.push(document),
            Some(version)
                if version.rev != Some(document.head.rev)
                    || version.fingerprint.as_deref()
                        != Some(fingerprint_text(document.head.fingerprint).as_str()) =>
            {
                stale.push(document);
            }
            Some(_) => {}
        }
    }
    let strangers = strangers(graph, &collection, found.into_keys(), from..end).await?;
    let mut page = {
        let turn = turn.clone();
        let collection = Arc::clone(&collection);
        context
            .blocking(move |context| {
                let missing = unmoved(context, &collection, missing)?;
                let stale = unmoved(context, &collection, stale)?;
                conclude(context, &turn, &collection, &missing, stale, strangers, &mut page)?;
                Ok(page)
            })
            .await?
    };
    if end < BUCKETS {
        page.cursor.bucket = end;
    } else {
        page.cursor = next(turn.job.cursor.graph[1..].to_vec());
    }
    Ok(page)
}

/// Blocks.
fn remember(
    context: &Context,
    collection: &Arc<str>,
    ids: Vec<Arc<str>>,
) -> Result<Vec<Remembered>, StageFault> {
    let mut remembered = Vec::with_capacity(ids.len());
    for id in ids {
        let document = DocumentId::new(Arc::clone(collection), Arc::clone(&id));
        if let Some(head) = context.journal.head(&document)? {
            let key = DocumentKey::new(collection, &id).map_err(GraphError::from)?;
            remembered.push(Remembered { id, key, head });
        }
    }
    Ok(remembered)
}

/// The documents that are as they were before the graph was read, and nobody is about to write. Blocks.
fn unmoved(
    context: &Context,
    collection: &Arc<str>,
    documents: Vec<Remembered>,
) -> Result<Vec<Arc<str>>, StageFault> {
    let mut unmoved = Vec::with_capacity(documents.len());
    for Remembered { id, head, .. } in documents {
        let document = DocumentId::new(Arc::clone(collection), Arc::clone(&id));
        // In this order: what left the journal's queue in between has changed its state.
        if !is_under_way(context, &document) && context.journal.head(&document)?.as_ref() == Some(&head) {
            unmoved.push(id);
        }
    }
    Ok(unmoved)
}

fn is_under_way(context: &Context, document: &DocumentId) -> bool {
    let standby = context.journal.standby(document);
    standby.is_some_and(|standby| standby.work.has(Work::NODE)) || context.journal.is_dead_letter(document)
}

/// The ids of those nodes that the plugin wrote.
async fn strangers(
    graph: &Graph,
    collection: &str,
    keys: impl Iterator<Item = DocumentKey>,
    buckets: std::ops::Range<u16>,
) -> Result<Vec<Arc<str>>, StageFault> {
    let keys: Vec<DocumentKey> = keys.collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let nodes = graph.read_nodes(&keys).await?;
    Ok(nodes
        .iter()
        .filter_map(|(key, node)| written_id(collection, key, node))
        .filter(|id| buckets.contains(&Bucket::number_of(id)))
        .map(Into::into)
        .collect())
}

/// The id of the document that a node was written for, where it has all marks of the plugin.
fn written_id<'a>(collection: &str, key: &DocumentKey, node: &'a JsonMap) -> Option<&'a str> {
    let text = |name: &str| node.get(name).and_then(Value::as_str);
    let id = text("vector_id")?;
    let is_fingerprint =
        |text: &str| text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_ours = text("collection") == Some(collection)
        && DocumentKey::new(collection, id).as_ref() == Ok(key)
        && Bucket::of(collection, id).is_ok_and(|bucket| text("bucket") == Some(bucket.as_str()))
        && text("fingerprint").is_some_and(is_fingerprint)
        && node.get("rev").is_some_and(Value::is_u64);
    is_ours.then_some(id)
}

/// Counts and hints what was found. Blocks.
fn conclude(
    context: &Context,
    turn: &Turn,
    collection: &Arc<str>,
    missing: &[Arc<str>],
    mut stale: Vec<Arc<str>>,
    strangers: Vec<Arc<str>>,
    page: &mut Page,
) -> Result<(), StageFault> {
    let mut orphans = Vec::new();
    for id in strangers {
        let document = DocumentId::new(Arc::clone(collection), Arc::clone(&id));
        if !is_under_way(context, &document) && context.journal.head(&document)?.is_none() {
            orphans.push(id);
        }
    }
    if !orphans.is_empty() {
        let there: HashSet<String> = context
            .documents(collection, &orphans, Fields::NONE)?
            .into_iter()
            .map(|document| document.id)
            .collect();
        // The store has it: it is no orphan, and the journal knows too little of it.
        let (known, unknown) = orphans.into_iter().partition(|id| there.contains(id.as_ref()));
        stale.extend::<Vec<_>>(known);
        orphans = unknown;
    }
    page.note(Finding::Missing, collection, missing);
    page.note(Finding::Stale, collection, &stale);
    page.note(Finding::Orphan, collection, &orphans);
    if !turn.job.order.dry_run {
        context.journal.forget(collection, missing)?;
        context.journal.distrust_all(collection, &stale)?;
    }
    turn.hint(context, collection, missing, Work::ALL)?;
    turn.hint(context, collection, &stale, Work::NODE)?;
    turn.hint(context, collection, &orphans, Work::NODE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(change: impl FnOnce(&mut JsonMap)) -> JsonMap {
        let bucket = Bucket::of("c", "1/ä").unwrap();
        let mut node = json!({
            "key": "c/1%2F%C3%A4",
            "collection": "c",
            "vector_id": "1/ä",
            "bucket": bucket.as_str(),
            "rev": 3,
            "fingerprint": "000000000000000000000000000000ff",
            "title": "any",
        });
        let node = node.as_object_mut().unwrap();
        change(node);
        node.clone()
    }

    #[test]
    fn only_a_node_with_all_marks_of_the_plugin_is_its_own() {
        let key = DocumentKey::new("c", "1/ä").unwrap();
        assert_eq!(written_id("c", &key, &node(|_| {})), Some("1/ä"));
        assert_eq!(written_id("d", &key, &node(|_| {})), None);
        for (name, value) in [
            ("collection", json!("d")),
            ("vector_id", json!("1/a")),
            ("vector_id", json!("")),
            ("bucket", json!("c/0001")),
            ("rev", json!("3")),
            ("rev", json!(-1)),
            ("fingerprint", json!("ff")),
            ("fingerprint", json!("000000000000000000000000000000FF")),
        ] {
            let changed = node(|node| drop(node.insert(name.to_owned(), value.clone())));
            assert_eq!(written_id("c", &key, &changed), None, "{name} {value}");
            let removed = node(|node| drop(node.remove(name)));
            assert_eq!(written_id("c", &key, &removed), None, "{name}");
        }
    }

    #[test]
    fn pages_cover_every_bucket_once_and_stay_small() {
        let mut counts = vec![10_u32; usize::from(BUCKETS)];
        counts[5] = 9_000;
        counts[6] = 0;
        let shelf = Shelf {
            collection: "c".into(),
            counts: counts.clone(),
            ids: BTreeMap::new(),
            end: 700,
        };
        let mut from = 0;
        while from < shelf.end {
            let end = shelf.page_end(from);
            assert!(end > from && usize::from(end - from) <= BUCKETS_A_PAGE);
            let documents: u32 = counts[usize::from(from)..usize::from(end)].iter().sum();
            assert!(documents as usize <= PAGE || end - from == 1, "{from}..{end}");
            from = end;
        }
        assert_eq!(from, 700);
    }
}
