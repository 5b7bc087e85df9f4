//! Whether a graph says which chunks make up which files, in which order: judged from the store's documents alone.
//!
//! For documents that name their file in `file_path` and their position in `chunk_index`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::TestError;
use crate::nexus::{Nexus, Node};
use crate::vectorizer::Vectorizer;

/// An edge between two things, each by collection and id or path.
type Edge = (&'static str, (String, String), (String, String));

/// Compares all chunks of the store with the whole graph; answers how many edges hold, and the differences in sentences.
///
/// # Errors
/// [`TestError`] where either cannot be read.
pub fn compare(store: &Vectorizer, graph: &Nexus) -> Result<(usize, Vec<String>), TestError> {
    let wanted = wanted(store)?;
    let documents = names(graph.documents()?, "vector_id");
    let sources = names(graph.nodes("Source")?, "path");
    let mut mismatches = Vec::new();

    let wanted_sources: BTreeSet<_> = wanted
        .iter()
        .filter(|(kind, ..)| *kind == "PART_OF")
        .map(|(_, _, source)| source.clone())
        .collect();
    let found_sources: BTreeSet<_> = sources.values().cloned().collect();
    if sources.len() != found_sources.len() {
        mismatches.push(format!(
            "{} nodes for {} sources",
            sources.len(),
            found_sources.len()
        ));
    }
    for source in wanted_sources.symmetric_difference(&found_sources) {
        mismatches.push(format!("the node of {source:?} is missing, or is an orphan"));
    }

    let mut found = BTreeSet::new();
    for (from, kind, to) in [
        ("Document", "PART_OF", "Source"),
        ("Source", "HAS_PART", "Document"),
        ("Document", "NEXT", "Document"),
    ] {
        let name = |label: &str, key: &str| match label {
            "Source" => sources.get(key).cloned(),
            _ => documents.get(key).cloned(),
        };
        for edge in graph.edges(from, kind, to, "active")? {
            if !edge.active {
                continue;
            }
            match (name(from, &edge.source), name(to, &edge.target)) {
                (Some(source), Some(target)) => {
                    if !found.insert((kind, source, target)) {
                        mismatches.push(format!(
                            "{kind} from {} to {} is there twice",
                            edge.source, edge.target
                        ));
                    }
                }
                _ => mismatches.push(format!(
                    "{kind} from {} to {} has a nameless end",
                    edge.source, edge.target
                )),
            }
        }
    }
    for edge in wanted.difference(&found) {
        mismatches.push(format!("missing: {edge:?}"));
    }
    for edge in found.difference(&wanted) {
        mismatches.push(format!("false: {edge:?}"));
    }
    Ok((found.len(), mismatches))
}

/// The edges there should be.
fn wanted(store: &Vectorizer) -> Result<BTreeSet<Edge>, TestError> {
    let mut wanted = BTreeSet::new();
    for (collection, _) in store.collections()? {
        let mut files: BTreeMap<String, BTreeSet<(u64, String)>> = BTreeMap::new();
        for document in store.documents(&collection)? {
            let payload = &document.payload;
            if let (Some(path), Some(index)) =
                (payload["file_path"].as_str(), payload["chunk_index"].as_u64())
            {
                files
                    .entry(path.to_owned())
                    .or_default()
                    .insert((index, document.id.clone()));
            }
        }
        let at = |name: &String| (collection.clone(), name.clone());
        for (path, chunks) in &files {
            for (_, id) in chunks {
                wanted.insert(("PART_OF", at(id), at(path)));
                wanted.insert(("HAS_PART", at(path), at(id)));
            }
            let following = chunks.iter().zip(chunks.iter().skip(1));
            wanted.extend(following.map(|((_, one), (_, next))| ("NEXT", at(one), at(next))));
        }
    }
    Ok(wanted)
}

/// Nodes by key: their collection, and the property that names them there.
fn names(nodes: Vec<Node>, name: &str) -> BTreeMap<String, (String, String)> {
    let text = |node: &Node, name: &str| {
        let value = node.properties.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    nodes
        .into_iter()
        .map(|node| (node.key.clone(), (text(&node, "collection"), text(&node, name))))
        .collect()
}
