//! Ranked lists of several sources, made one.
//!
//! - **Reciprocal rank fusion** (Cormack, Clarke and Büttcher, SIGIR 2009): a document scores `weight / (k + rank)` in each list, ranks
//!   from 1. Needs no scores, so sources of any scale fit together.
//! - **Weighted sum** of scores that were brought to one scale, list by list: by their least and greatest, or by mean and deviation.
//!
//! Invariants: the order of the lists makes no difference; a document that stands higher in a list, all else equal, does not stand lower in
//! the result; ties are broken by the document's name; of a document that is in a list twice the first place counts.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::journal::DocumentId;

/// How lists are made one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// By ranks.
    ReciprocalRank {
        /// The larger, the less the first places count; 60 in the paper.
        k: f64,
    },
    /// By scores.
    WeightedSum(Normalisation),
}

/// How scores are brought to one scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// The least score of a list is 0, the greatest 1.
    #[default]
    MinMax,
    /// Deviations from the mean, within three of which a score lies between 0 and 1.
    ZScore,
}

/// One source's list, best first.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The source's name.
    pub source: &'static str,
    /// How much it counts.
    pub weight: f64,
    /// Documents with their scores, of which higher ones are better.
    pub hits: Vec<(DocumentId, f64)>,
}

/// Where a document stands in one list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The source.
    pub source: &'static str,
    /// From 1.
    pub rank: usize,
    /// By the source's own measure.
    pub score: f64,
    /// What it adds to the result.
    pub share: f64,
}

/// A document in the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// The document.
    pub document: DocumentId,
    /// The sum of its shares.
    pub score: f64,
    /// Where it stands, by source.
    pub places: Vec<Place>,
}

/// The order of results: by score, ties by the document's name.
pub(super) fn best_first(one: (&DocumentId, f64), other: (&DocumentId, f64)) -> Ordering {
    other.1.total_cmp(&one.1).then_with(|| one.0.cmp(other.0))
}

/// Puts hits in that order.
pub(super) fn sort(hits: &mut [(DocumentId, f64)]) {
    hits.sort_by(|one, other| best_first((&one.0, one.1), (&other.0, other.1)));
}

/// Makes lists one, best first.
#[must_use]
pub fn fuse(fusion: Fusion, lists: &[Ranked]) -> Vec<Fused> {
    let mut places: BTreeMap<DocumentId, Vec<Place>> = BTreeMap::new();
    for list in lists {
        let scale = Scale::of(fusion, &list.hits);
        let mut rank = 0;
        for (document, score) in &list.hits {
            let found = places.entry(document.clone()).or_default();
            if found.iter().any(|place| place.source == list.source) {
                continue;
            }
            rank += 1;
            found.push(Place {
                source: list.source,
                rank,
                score: *score,
                share: list.weight * scale.share(rank, *score),
            });
        }
    }
    let mut fused: Vec<Fused> = places
        .into_iter()
        .map(|(document, mut places)| {
            // Summed in one order, so that the order of the lists does not show in the last digit.
            places.sort_by_key(|place| place.source);
            Fused {
                score: places.iter().map(|place| place.share).sum(),
                document,
                places,
            }
        })
        .collect();
    fused.sort_by(|one, other| best_first((&one.document, one.score), (&other.document, other.score)));
    fused
}

/// What a place in one list is worth.
enum Scale {
    Rank { k: f64 },
    Linear { zero: f64, one: f64 },
}

impl Scale {
    fn of(fusion: Fusion, hits: &[(DocumentId, f64)]) -> Self {
        let scores = || hits.iter().map(|(_, score)| *score);
        match fusion {
            Fusion::ReciprocalRank { k } => Self::Rank { k },
            Fusion::WeightedSum(Normalisation::MinMax) => Self::Linear {
                zero: scores().fold(f64::INFINITY, f64::min),
                one: scores().fold(f64::NEG_INFINITY, f64::max),
            },
            Fusion::WeightedSum(Normalisation::ZScore) => {
                let count = hits.len().max(1) as f64;
                let mean = scores().sum::<f64>() / count;
                let variance = scores().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
                let reach = 3.0 * variance.sqrt();
                Self::Linear {
                    zero: mean - reach,
                    one: mean + reach,
                }
            }
        }
    }

    /// From 0 to 1.
    fn share(&self, rank: usize, score: f64) -> f64 {
        match *self {
            Self::Rank { k } => 1.0 / (k + rank as f64),
            // All alike: none is worse than another.
            Self::Linear { zero, one } if one - zero <= f64::EPSILON => 1.0,
            Self::Linear { zero, one } => ((score - zero) / (one - zero)).clamp(0.0, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RRF: Fusion = Fusion::ReciprocalRank { k: 60.0 };

    fn document(n: u8) -> DocumentId {
        DocumentId::new("c", n.to_string())
    }

    fn list(source: &'static str, weight: f64, documents: &[u8]) -> Ranked {
        let hits = documents.iter().enumerate();
        Ranked {
            source,
            weight,
            hits: hits
                .map(|(at, n)| (document(*n), 1.0 / (at + 1) as f64))
                .collect(),
        }
    }

    fn ids(fused: &[Fused]) -> Vec<&str> {
        fused.iter().map(|fused| fused.document.id.as_ref()).collect()
    }

    #[test]
    fn ranks_are_fused_as_the_paper_says() {
        let fused = fuse(RRF, &[list("a", 1.0, &[1, 2, 3]), list("b", 2.0, &[3, 4])]);
        assert_eq!(ids(&fused), ["3", "4", "1", "2"]);
        assert!((fused[0].score - (1.0 / 63.0 + 2.0 / 61.0)).abs() < 1e-12);
        assert_eq!(
            fused[0].places.iter().map(|place| place.rank).collect::<Vec<_>>(),
            [3, 1]
        );
    }

    #[test]
    fn scores_are_summed_on_one_scale() {
        let wide = Ranked {
            source: "a",
            weight: 1.0,
            hits: vec![(document(1), 300.0), (document(2), 200.0), (document(3), 100.0)],
        };
        let same = list("b", 0.5, &[2]);
        let fused = fuse(Fusion::WeightedSum(Normalisation::MinMax), &[wide.clone(), same]);
        let scores: Vec<f64> = fused.iter().map(|fused| fused.score).collect();
        assert_eq!((ids(&fused), scores), (vec!["1", "2", "3"], vec![1.0, 1.0, 0.0]));
        let fused = fuse(Fusion::WeightedSum(Normalisation::ZScore), &[wide]);
        assert!((fused[1].score - 0.5).abs() < 1e-12);
    }

    fn lists() -> impl Strategy<Value = Vec<Ranked>> {
        let one = (
            prop::collection::vec((0..12_u8, 0..1_000_i32), 0..12),
            0.0..4.0_f64,
        );
        prop::collection::vec(one, 1..4).prop_map(|lists| {
            let named = ["a", "b", "c"].into_iter().zip(lists);
            named
                .map(|(source, (mut hits, weight))| {
                    hits.sort_by_key(|(_, score)| -score);
                    let hits = hits.into_iter().map(|(n, score)| (document(n), f64::from(score)));
                    Ranked {
                        source,
                        weight,
                        hits: hits.collect(),
                    }
                })
                .collect()
        })
    }

    fn fusion() -> impl Strategy<Value = Fusion> {
        prop_oneof![
            (0.0..1_000.0_f64).prop_map(|k| Fusion::ReciprocalRank { k }),
            Just(Fusion::WeightedSum(Normalisation::MinMax)),
            Just(Fusion::WeightedSum(Normalisation::ZScore)),
        ]
    }

    proptest! {
        #[test]
        fn the_order_of_the_lists_makes_no_difference(fusion in fusion(), lists in lists(), turn in 0..3_usize) {
            let mut turned = lists.clone();
            let len = turned.len();
            turned.rotate_left(turn % len);
            prop_assert_eq!(fuse(fusion, &lists), fuse(fusion, &turned));
        }

        #[test]
        fn every_document_is_there_once_and_within_bounds(fusion in fusion(), lists in lists()) {
            let fused = fuse(fusion, &lists);
            let names: std::collections::BTreeSet<_> = fused.iter().map(|fused| &fused.document).collect();
            let given: std::collections::BTreeSet<_> =
                lists.iter().flat_map(|list| &list.hits).map(|(document, _)| document).collect();
            prop_assert_eq!(&names, &given);
            prop_assert_eq!(names.len(), fused.len());
            let most: f64 = lists.iter().map(|list| list.weight).sum();
            for pair in fused.windows(2) {
                prop_assert!(pair[0].score >= pair[1].score);
            }
            for fused in &fused {
                prop_assert!((0.0..=most + 1e-9).contains(&fused.score));
            }
        }

        #[test]
        fn a_document_that_rises_in_a_list_does_not_fall_in_the_result(
            fusion in fusion(), lists in lists(), at: prop::sample::Index,
        ) {
            let mut better = lists;
            let hits = &mut better[0].hits;
            // Of documents that are named once, so that the swap is a rise.
            let mut seen = std::collections::BTreeSet::new();
            hits.retain(|(document, _)| seen.insert(document.clone()));
            if hits.len() < 2 {
                return Ok(());
            }
            let before = fuse(fusion, &better);
            let hits = &mut better[0].hits;
            let at = 1 + at.index(hits.len() - 1);
            let risen = hits[at].0.clone();
            // They change places, with the score that a place has.
            hits[at].0 = std::mem::replace(&mut hits[at - 1].0, risen.clone());
            let after = fuse(fusion, &better);
            let place = |fused: &[Fused]| fused.iter().position(|fused| fused.document == risen);
            prop_assert!(place(&after) <= place(&before));
        }
    }
}
