//! Which edges a document owns, and whose change with it.
//!
//! SIMILAR_TO is the directed graph of nearest neighbours: the out-edges of a document are the `k` closest others whose
//! score is at least the threshold, ties broken by id. Pure functions over search results and remembered states.

use crate::journal::EdgeState;

/// Scores closer than this are one score: no edge is written for the difference.
pub(super) const SCORE_TOLERANCE: f32 = 1e-4;

/// Stands for the life of a node that the journal does not know: the edge was read from the graph, so both ends are there.
pub(super) const SEEN_IN_GRAPH: u64 = 0;

/// Another document found by a search.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// Its id.
    pub(super) id: String,
    /// Its score.
    pub(super) score: f32,
}

/// What has to be written for a document's edges.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct EdgeDiff {
    /// New, or with another score.
    pub(super) assert: Vec<EdgeState>,
    /// No longer among the nearest; the target still exists.
    pub(super) retract: Vec<EdgeState>,
    /// All the document owns afterwards, closest first.
    pub(super) edges: Vec<EdgeState>,
}

/// The candidates that may be neighbours at all, closest first: not the document itself, not below the threshold.
pub(super) fn eligible(id: &str, hits: &[Candidate], threshold: f64) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = hits
        .iter()
        .filter(|hit| hit.id != id && hit.score.is_finite() && f64::from(hit.score) >= threshold)
        .cloned()
        .collect();
    found.sort_by(|one, other| {
        other
            .score
            .total_cmp(&one.score)
            .then_with(|| one.id.cmp(&other.id))
    });
    found.dedup_by(|one, other| one.id == other.id);
    found
}

/// Compares the edges a document has (`known`) with the `k` best of `eligible`. `born` gives the present life of a
/// candidate's node, `None` where there is none yet; such a one is left out, it will find this document itself.
///
/// Of candidates that are as good as the last of the list, those that it has already stay: no edge is written for a tie.
pub(super) fn diff(
    known: &[EdgeState],
    eligible: &[Candidate],
    k: usize,
    mut born: impl FnMut(&str) -> Option<u64>,
) -> EdgeDiff {
    let there: Vec<(&Candidate, u64)> = eligible
        .iter()
        .filter_map(|candidate| Some((candidate, born(&candidate.id)?)))
        .collect();
    let mut diff = EdgeDiff::default();
    for (candidate, target_born) in nearest(&there, k, known) {
        let same = known.iter().find(|edge| {
            edge.target == candidate.id
                && edge.target_born == target_born
                && (edge.score - candidate.score).abs() <= SCORE_TOLERANCE
        });
        let edge = match same {
            Some(edge) => edge.clone(),
            None => {
                let edge = EdgeState {
                    target: candidate.id.clone(),
                    target_born,
                    score: candidate.score,
                };
                diff.assert.push(edge.clone());
                edge
            }
        };
        diff.edges.push(edge);
    }
    // A score that was kept may differ from the present one by the tolerance.
    diff.edges.sort_by(|one, other| other.score.total_cmp(&one.score));
    diff.retract = known
        .iter()
        .filter(|edge| diff.edges.iter().all(|kept| kept.target != edge.target))
        // A node that is gone, or another one by now, took the edge with it.
        .filter(|edge| edge.target_born == SEEN_IN_GRAPH || born(&edge.target) == Some(edge.target_born))
        .cloned()
        .collect();
    diff
}

/// The `k` closest, closest first; of those that tie with the last of them, rather those that are known.
fn nearest<'c>(there: &[(&'c Candidate, u64)], k: usize, known: &[EdgeState]) -> Vec<(&'c Candidate, u64)> {
    let Some((last, _)) = there.get(k.wrapping_sub(1)) else {
        return there.to_vec();
    };
    let clear = there.partition_point(|(candidate, _)| candidate.score > last.score + SCORE_TOLERANCE);
    let ties = &there[clear..];
    let ties =
        &ties[..ties.partition_point(|(candidate, _)| candidate.score >= last.score - SCORE_TOLERANCE)];
    let is_known = |candidate: &Candidate| known.iter().any(|edge| edge.target == candidate.id);
    let (old, new): (Vec<_>, Vec<_>) = ties.iter().partition(|(candidate, _)| is_known(candidate));
    let chosen = there[..clear].iter().copied().chain(old).chain(new);
    let mut chosen: Vec<_> = chosen.take(k).collect();
    chosen.sort_by(|(one, _), (other, _)| other.score.total_cmp(&one.score));
    chosen
}

/// Whether the document `id`, seen at `score` from another one that has `edges`, belongs into that one's list and is not there, or
/// is there with another score. One that only ties with the last of a full list does not enter it.
pub(super) fn enters(edges: &[EdgeState], id: &str, born: u64, score: f32, k: usize) -> bool {
    match edges.iter().find(|edge| edge.target == id) {
        Some(edge) => edge.target_born != born || (edge.score - score).abs() > SCORE_TOLERANCE,
        None => match edges.get(k.saturating_sub(1)) {
            Some(last) => score > last.score + SCORE_TOLERANCE,
            None => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidates(list: &[(&str, f32)]) -> Vec<Candidate> {
        list.iter()
            .map(|(id, score)| Candidate {
                id: (*id).into(),
                score: *score,
            })
            .collect()
    }

    fn edge(target: &str, score: f32) -> EdgeState {
        EdgeState {
            target: target.into(),
            target_born: 1,
            score,
        }
    }

    #[test]
    fn the_document_itself_and_distant_ones_are_no_neighbours() {
        let found = eligible(
            "a",
            &candidates(&[("b", 0.9), ("a", 1.0), ("c", 0.4), ("d", f32::NAN)]),
            0.5,
        );
        assert_eq!(found, candidates(&[("b", 0.9)]));
    }

    #[test]
    fn ties_are_broken_by_id() {
        let found = eligible("x", &candidates(&[("c", 0.5), ("a", 0.5), ("b", 0.5)]), 0.1);
        assert_eq!(found, candidates(&[("a", 0.5), ("b", 0.5), ("c", 0.5)]));
    }

    #[test]
    fn only_what_changed_is_written() {
        let known = [
            edge("same", 0.9),
            edge("moved", 0.8),
            edge("gone", 0.7),
            edge("dead", 0.6),
            edge("reborn", 0.5),
        ];
        let now = candidates(&[
            ("same", 0.90001),
            ("moved", 0.85),
            ("new", 0.75),
            ("unborn", 0.72),
            ("reborn", 0.5),
        ]);
        let diff = diff(&known, &now, 4, |id| match id {
            "dead" | "unborn" => None,
            "reborn" => Some(2),
            _ => Some(1),
        });
        let targets = |edges: &[EdgeState]| edges.iter().map(|edge| edge.target.clone()).collect::<Vec<_>>();
        assert_eq!(targets(&diff.assert), ["moved", "new", "reborn"]);
        assert_eq!(targets(&diff.retract), ["gone"]);
        assert_eq!(targets(&diff.edges), ["same", "moved", "new", "reborn"]);
    }

    #[test]
    fn a_tie_with_the_last_of_the_list_writes_nothing() {
        let known = [edge("x", 0.9), edge("z", 0.5)];
        let now = candidates(&[("x", 0.9), ("a", 0.500_05), ("b", 0.5), ("z", 0.5)]);
        let diff = diff(&known, &now, 2, |_| Some(1));
        assert_eq!((diff.assert.len(), diff.retract.len()), (0, 0));
        assert_eq!(diff.edges, known);
        let better = candidates(&[("x", 0.9), ("a", 0.51), ("z", 0.5)]);
        let diff = super::diff(&known, &better, 2, |_| Some(1));
        assert_eq!(
            (diff.assert[0].target.as_str(), diff.retract[0].target.as_str()),
            ("a", "z")
        );
    }

    #[test]
    fn a_document_enters_a_list_with_room_or_a_worse_last_member() {
        let mut other = vec![edge("b", 0.9)];
        assert!(enters(&other, "a", 1, 0.1, 2), "room");
        other.push(edge("c", 0.5));
        assert!(!enters(&other, "a", 1, 0.4, 2) && enters(&other, "a", 1, 0.6, 2));
        assert!(!enters(&other, "a", 1, 0.5, 2), "a tie");
        assert!(
            !enters(&other, "b", 1, 0.9, 2) && enters(&other, "b", 1, 0.8, 2),
            "another score"
        );
        assert!(enters(&other, "b", 2, 0.9, 2), "another life");
    }

    proptest! {
        #[test]
        fn applying_a_diff_gives_the_list_it_announces(
            known in proptest::collection::btree_map("[a-f]", 0.0_f32..1.0, 0..6),
            now in proptest::collection::btree_map("[a-f]", 0.0_f32..1.0, 0..6),
            k in 1_usize..5,
        ) {
            let known: Vec<EdgeState> = known.iter().map(|(id, score)| edge(id, *score)).collect();
            let now: Vec<Candidate> = now.into_iter().map(|(id, score)| Candidate { id, score }).collect();
            let now = eligible("x", &now, 0.0);
            let diff = diff(&known, &now, k, |_| Some(1));
            let mut graph: std::collections::BTreeMap<_, _> =
                known.iter().map(|edge| (edge.target.clone(), edge.score)).collect();
            for edge in &diff.retract {
                prop_assert!(graph.remove(&edge.target).is_some());
            }
            graph.extend(diff.assert.iter().map(|edge| (edge.target.clone(), edge.score)));
            let announced: std::collections::BTreeMap<_, _> =
                diff.edges.iter().map(|edge| (edge.target.clone(), edge.score)).collect();
            prop_assert_eq!(graph, announced);
            let wanted: Vec<f32> = now.iter().take(k).map(|candidate| candidate.score).collect();
            prop_assert_eq!(diff.edges.len(), wanted.len());
            for (edge, score) in diff.edges.iter().zip(wanted) {
                prop_assert!((edge.score - score).abs() <= 2.0 * SCORE_TOLERANCE);
            }
        }
    }
}
