//! Whether a graph says which e-mail addresses documents mention and that every document has a domain, and keeps no entity or domain
//! that no document has: judged from the store's documents alone.
//!
//! For documents whose `content` holds addresses as words of their own. Entities of other kinds are only looked at for orphans.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::TestError;
use crate::nexus::{Nexus, Node};
use crate::vectorizer::Vectorizer;

/// Compares all documents of the store with the whole graph; answers how many mentions hold, and the differences in sentences.
///
/// # Errors
/// [`TestError`] where either cannot be read.
pub fn compare(store: &Vectorizer, graph: &Nexus) -> Result<(usize, Vec<String>), TestError> {
    let mut wanted = BTreeSet::new();
    for (collection, _) in store.collections()? {
        for document in store.documents(&collection)? {
            let content = document.payload["content"].as_str().unwrap_or_default();
            for address in content.split_whitespace().filter(|word| word.contains('@')) {
                wanted.insert((format!("{collection}/{}", document.id), address.to_owned()));
            }
        }
    }
    let documents: BTreeMap<String, String> = graph
        .documents()?
        .into_iter()
        .map(|node| {
            let name = format!("{}/{}", text(&node, "collection"), text(&node, "vector_id"));
            (node.key, name)
        })
        .collect();
    let entities: BTreeMap<String, Node> = graph
        .nodes("Entity")?
        .into_iter()
        .map(|node| (node.key.clone(), node))
        .collect();
    let mut mismatches = Vec::new();

    let there = active(graph, "Document", "MENTIONS", "Entity")?;
    let back = active(graph, "Entity", "MENTIONED_IN", "Document")?;
    let back: BTreeSet<_> = back
        .into_iter()
        .map(|(entity, document)| (document, entity))
        .collect();
    for (document, entity) in there.symmetric_difference(&back) {
        mismatches.push(format!(
            "{document} and {entity} are related in one direction only"
        ));
    }
    let mentioned: BTreeSet<&String> = there.iter().map(|(_, entity)| entity).collect();
    for orphan in entities.keys().filter(|entity| !mentioned.contains(entity)) {
        mismatches.push(format!("the entity {orphan} is an orphan"));
    }
    let mut found = BTreeSet::new();
    for (document, entity) in &there {
        let (Some(document), Some(entity)) = (documents.get(document), entities.get(entity)) else {
            mismatches.push(format!(
                "{document} mentions {entity}, and one of them is no node of ours"
            ));
            continue;
        };
        if text(entity, "kind") == "email" {
            found.insert((document.clone(), text(entity, "name")));
        }
    }
    for (document, address) in wanted.difference(&found) {
        mismatches.push(format!(
            "{document} mentions {address}, the graph does not say so"
        ));
    }
    for (document, address) in found.difference(&wanted) {
        mismatches.push(format!("{document} does not mention {address}"));
    }

    let belongs = active(graph, "Document", "BELONGS_TO", "Domain")?;
    let placed: BTreeSet<&String> = belongs.iter().map(|(document, _)| document).collect();
    for document in documents.keys().filter(|document| !placed.contains(document)) {
        mismatches.push(format!("{document} has no domain"));
    }
    let used: BTreeSet<&String> = belongs.iter().map(|(_, domain)| domain).collect();
    for node in graph.nodes("Domain")? {
        if !used.contains(&node.key) {
            mismatches.push(format!("the domain {} is an orphan", node.key));
        }
    }
    Ok((found.len(), mismatches))
}

fn active(graph: &Nexus, from: &str, kind: &str, to: &str) -> Result<BTreeSet<(String, String)>, TestError> {
    let edges = graph.edges(from, kind, to, "active")?.into_iter();
    Ok(edges
        .filter(|edge| edge.active)
        .map(|edge| (edge.source, edge.target))
        .collect())
}

fn text(node: &Node, name: &str) -> String {
    let value = node.properties.get(name).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}
