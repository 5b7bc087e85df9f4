//! What must hold of every request that users send.

use super::fusion::Fusion;
use super::request::{CrossDomain, IMPACT, Impact, PATH, Path, Search, Subject};
use crate::api::Query;
use crate::journal::DocumentId;

/// Any bytes as the body of a search: one that is taken is bounded, and one that is not is refused with the field.
pub fn body(bytes: &[u8]) {
    for has_lexical in [false, true] {
        match Search::parse(bytes, has_lexical) {
            Ok(search) => bounded(&search, has_lexical),
            Err(error) => refused(&error.to_string()),
        }
        match CrossDomain::parse(bytes, has_lexical, |name| name.len() < 8) {
            Ok(cross) => {
                bounded(&cross.search, has_lexical);
                assert!(cross.least <= 20 && cross.domains.len() <= 100);
                assert!(
                    cross
                        .domain_weights
                        .values()
                        .all(|weight| (0.0..=100.0).contains(weight))
                );
            }
            Err(error) => refused(&error.to_string()),
        }
    }
}

/// Any text as the query of a question about a document.
pub fn query(text: &str) {
    let document = || DocumentId::new("c", "1");
    match Query::parse(text, IMPACT).and_then(|query| Impact::parse(document(), &query)) {
        Ok(impact) => assert!((1..=6).contains(&impact.hops) && (1..=500).contains(&impact.limit)),
        Err(error) => refused(&error.to_string()),
    }
    match Query::parse(text, PATH).and_then(|query| Path::parse(document(), &query)) {
        Ok(path) => assert!((1..=6).contains(&path.hops) && path.types.len() <= 16),
        Err(error) => refused(&error.to_string()),
    }
}

fn bounded(search: &Search, has_lexical: bool) {
    assert!((1..=100).contains(&search.limit) && search.offset <= 1_000);
    assert!(search.collections.len() <= 100 && search.expansion.types.len() <= 16);
    assert!((1..=3).contains(&search.expansion.hops) && (1..=50).contains(&search.expansion.seeds));
    assert!((10..=30_000).contains(&search.budget_ms));
    let weights = [
        search.weights.vector,
        search.weights.lexical,
        search.weights.graph,
    ];
    assert!(weights.iter().all(|weight| (0.0..=100.0).contains(weight)) && weights.iter().sum::<f64>() > 0.0);
    assert!(has_lexical || search.weights.lexical == 0.0);
    if let Fusion::ReciprocalRank { k } = search.fusion {
        assert!((1.0..=10_000.0).contains(&k));
    }
    match &search.subject {
        Subject::Vector(vector) => assert!(vector.iter().all(|component| component.is_finite())),
        Subject::Text { text, .. } => assert!(!text.trim().is_empty() && text.len() <= 64 << 10),
        Subject::Document(_) => {}
    }
}

/// A fault names its field, and does not repeat what was sent at length.
fn refused(message: &str) {
    assert!(message.contains(": ") && message.len() < 4_096, "{message}");
}
