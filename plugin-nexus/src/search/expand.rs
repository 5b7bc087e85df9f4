//! What the graph leads to from the best hits.
//!
//! | over | from hit to | worth |
//! | --- | --- | --- |
//! | SIMILAR_TO | its nearest | the score |
//! | MENTIONS | others that mention the same entity | both edges' confidence, less for entities that many mention |
//! | PART_OF | other parts of the same source | a half |
//! | types that the search names | what they lead to | one |
//!
//! times the strength of the hit and the share of it that spreads. A document's worth is the sum over all ways that lead to it (spreading
//! activation, one step).
//!
//! Invariants: edges are read in a few statements, however many hits there are; an entity or a source that leads to more documents
//! than the fan-out is passed over, which a bounded look into the journal tells.

use std::collections::HashMap;
use std::sync::Arc;

use super::request::Expansion;
use crate::graph::schema::{EdgeType, NodeLabel};
use crate::graph::{DocumentKey, EntityKey, ForeignType, Graph, Neighbour, SourceKey};
use crate::journal::{DocumentId, JournalError, Thing};
use crate::sync::{Context, StageFault};

/// Ways that are shown of one document.
const MOST_WAYS: usize = 3;
/// Members that are looked at, for each that is allowed.
const LOOKED_AT: usize = 4;
/// What a part of the same source is worth.
const PART: f64 = 0.5;

/// A way from a hit to a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Way {
    pub(super) from: DocumentId,
    /// The edge's type.
    pub(super) kind: String,
    /// The key of the entity or the source that both have to do with.
    pub(super) via: Option<String>,
    pub(super) worth: f64,
}

/// A document that the graph leads to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reached {
    pub(super) worth: f64,
    /// The best first.
    pub(super) ways: Vec<Way>,
}

impl Reached {
    /// Takes in other ways to the same document.
    pub(super) fn join(&mut self, other: Self) {
        self.worth += other.worth;
        self.ways.extend(other.ways);
        self.keep_best();
    }

    fn keep_best(&mut self) {
        self.ways.sort_by(|one, other| {
            other
                .worth
                .total_cmp(&one.worth)
                .then_with(|| (&one.from, &one.kind, &one.via).cmp(&(&other.from, &other.kind, &other.via)))
        });
        self.ways.truncate(MOST_WAYS);
    }
}

/// Follows the graph from hits, of which each has a strength.
///
/// # Errors
/// [`StageFault`].
pub(super) async fn expand(
    context: &Arc<Context>,
    graph: &Graph,
    hits: &[(DocumentId, f64)],
    expansion: &Expansion,
) -> Result<HashMap<DocumentId, Reached>, StageFault> {
    let mut keys = HashMap::new();
    for (document, strength) in hits {
        if let Ok(key) = DocumentKey::new(&document.collection, &document.id) {
            keys.insert(key.as_str().to_owned(), (key, document.clone(), *strength));
        }
    }
    let sources: Vec<DocumentKey> = keys.values().map(|(key, ..)| key.clone()).collect();
    let kinds: Vec<EdgeType> = [
        (expansion.similar, EdgeType::SimilarTo),
        (expansion.mentions, EdgeType::Mentions),
        (expansion.parts, EdgeType::PartOf),
    ]
    .into_iter()
    .filter_map(|(wanted, kind)| wanted.then_some(kind))
    .collect();
    // Without keys or types, nothing is sent.
    let own = async { Ok::<_, StageFault>(graph.neighbours(&kinds, &sources).await?) };
    let foreign = async {
        let types = known(context, &expansion.types).await?;
        Ok(graph.foreign_edges(&types, &sources).await?)
    };
    let (own, foreign) = tokio::try_join!(own, foreign)?;

    let (fan_out, spread) = (expansion.fan_out, expansion.spread);
    context
        .blocking(move |context| {
            let mut ways = Ways::default();
            for edge in own.into_iter().filter(|edge| edge.active == Some(true)) {
                if let Some((_, from, strength)) = keys.get(&edge.source) {
                    follow(context, (from, *strength * spread), &edge, fan_out, &mut ways)?;
                }
            }
            for edge in foreign {
                if let (Some((_, from, strength)), Some((collection, id))) =
                    (keys.get(edge.source.as_str()), edge.target)
                {
                    ways.add(
                        DocumentId::new(collection, id),
                        from,
                        edge.kind,
                        None,
                        *strength * spread,
                    );
                }
            }
            Ok(ways.0)
        })
        .await
}

/// The types of this search that Nexus knows: a read of another one would add it to Nexus's catalogue.
pub(super) async fn known(context: &Context, types: &[ForeignType]) -> Result<Vec<ForeignType>, StageFault> {
    if types.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = context.foreign_types().await?;
    known.retain(|kind| types.iter().any(|wanted| wanted.as_str() == kind.as_str()));
    Ok(known)
}

fn follow(
    context: &Context,
    (from, strength): (&DocumentId, f64),
    edge: &Neighbour,
    fan_out: usize,
    ways: &mut Ways,
) -> Result<(), StageFault> {
    let weight = edge.weight.as_f64().unwrap_or_default().clamp(0.0, 1.0);
    let kind = edge.kind.name();
    let label = match edge.kind {
        EdgeType::SimilarTo => {
            if let Some(target) = document(&edge.target) {
                ways.add(target, from, kind.to_owned(), None, strength * weight);
            }
            return Ok(());
        }
        EdgeType::Mentions if EntityKey::parse(&edge.target).is_ok() => NodeLabel::Entity,
        EdgeType::PartOf if SourceKey::parse(&edge.target).is_ok() => NodeLabel::Source,
        _ => return Ok(()),
    };
    let thing = Thing {
        label,
        key: edge.target.clone(),
    };
    let members = members(context, &thing, from, fan_out)?;
    if members.len() > fan_out {
        return Ok(());
    }
    let worth = match edge.kind {
        EdgeType::Mentions => weight / (members.len() as f64 + 1.0).ln(),
        _ => PART,
    };
    for member in members.into_iter().filter(|member| member != from) {
        let via = Some(edge.target.clone());
        ways.add(member, from, kind.to_owned(), via, strength * worth);
    }
    Ok(())
}

/// The members of a thing that everybody may see who may see the hit, `most` and one at most: nobody else's count shows, not even in
/// what the others are worth.
fn members(
    context: &Context,
    thing: &Thing,
    hit: &DocumentId,
    most: usize,
) -> Result<Vec<DocumentId>, StageFault> {
    let access = |document: &DocumentId| -> Result<Option<u64>, JournalError> {
        if context.config().permissions.is_ignored() {
            return Ok(Some(0));
        }
        Ok(context.journal.state(document)?.map(|state| state.access))
    };
    let own = access(hit)?;
    let mut found = Vec::new();
    for member in context.journal.members(thing, None)?.take(most * LOOKED_AT) {
        let document = member?.document;
        let theirs = access(&document)?;
        if theirs == Some(0) || theirs.is_some() && theirs == own {
            found.push(document);
        }
        if found.len() > most {
            break;
        }
    }
    Ok(found)
}

/// `None` for an id that was too long to be read back from its key.
fn document(key: &str) -> Option<DocumentId> {
    let (collection, id) = DocumentKey::parse(key).ok()?.names()?;
    Some(DocumentId::new(collection, id))
}

#[derive(Default)]
struct Ways(HashMap<DocumentId, Reached>);

impl Ways {
    fn add(&mut self, to: DocumentId, from: &DocumentId, kind: String, via: Option<String>, worth: f64) {
        if to == *from {
            return;
        }
        let reached = self.0.entry(to).or_default();
        reached.worth += worth;
        reached.ways.push(Way {
            from: from.clone(),
            kind,
            via,
            worth,
        });
        reached.keep_best();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_add_up_and_the_best_are_shown() {
        let mut ways = Ways::default();
        let to = DocumentId::new("c", "to");
        for (n, worth) in [0.1, 0.4, 0.2, 0.3].into_iter().enumerate() {
            let from = DocumentId::new("c", n.to_string());
            ways.add(to.clone(), &from, "SIMILAR_TO".to_owned(), None, worth);
        }
        ways.add(to.clone(), &to, "SIMILAR_TO".to_owned(), None, 9.0);
        let reached = &ways.0[&to];
        assert!((reached.worth - 1.0).abs() < 1e-12, "none leads to itself");
        let shown: Vec<f64> = reached.ways.iter().map(|way| way.worth).collect();
        assert_eq!(shown, [0.4, 0.3, 0.2]);
    }
}
