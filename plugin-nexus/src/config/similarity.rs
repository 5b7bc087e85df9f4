//! Which documents count as similar.

use serde::Deserialize;
use vectorizer_plugin_api::model::Metric;

use super::Faults;

/// `similarity:`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Similarity {
    /// The least score of an edge, by the collection's metric.
    pub threshold: Thresholds,
    /// Most outgoing edges of a document. Default 10.
    pub top_k: usize,
}

impl Default for Similarity {
    fn default() -> Self {
        Self {
            threshold: Thresholds::default(),
            top_k: 10,
        }
    }
}

/// Scores of different metrics are not comparable, hence one threshold each.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Cosine similarity, -1 to 1. Default 0.75.
    pub cosine: f64,
    /// `1 / (1 + distance)`, 0 to 1. Default 0.5.
    pub euclidean: f64,
    /// The logistic function of the dot product, 0 to 1. Default 0.7.
    pub dot: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            cosine: 0.75,
            euclidean: 0.5,
            dot: 0.7,
        }
    }
}

impl Thresholds {
    /// The threshold for a metric.
    #[must_use]
    pub fn of(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Cosine => self.cosine,
            Metric::Euclidean => self.euclidean,
            Metric::Dot => self.dot,
        }
    }
}

/// What one collection has differently.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimilarityOverride {
    /// The least score of an edge, whatever the collection's metric.
    pub threshold: Option<f64>,
    /// Most outgoing edges of a document.
    pub top_k: Option<usize>,
}

const MOST_NEIGHBOURS: u64 = 1_000;

impl Similarity {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Thresholds {
            cosine,
            euclidean,
            dot,
        } = self.threshold;
        for (name, value, least) in [
            ("cosine", cosine, -1.0),
            ("euclidean", euclidean, 0.0),
            ("dot", dot, 0.0),
        ] {
            check_score(&format!("{key}.threshold.{name}"), value, least, faults);
        }
        faults.range(&format!("{key}.top_k"), self.top_k as u64, 1, MOST_NEIGHBOURS);
    }
}

impl SimilarityOverride {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        if let Some(threshold) = self.threshold {
            check_score(&format!("{key}.threshold"), threshold, -1.0, faults);
        }
        if let Some(top_k) = self.top_k {
            faults.range(&format!("{key}.top_k"), top_k as u64, 1, MOST_NEIGHBOURS);
        }
    }

    pub(super) fn over(&self, general: &Similarity) -> Similarity {
        let threshold = match self.threshold {
            Some(score) => Thresholds {
                cosine: score,
                euclidean: score,
                dot: score,
            },
            None => general.threshold,
        };
        Similarity {
            threshold,
            top_k: self.top_k.unwrap_or(general.top_k),
        }
    }
}

fn check_score(key: &str, value: f64, least: f64, faults: &mut Faults) {
    if !(least..=1.0).contains(&value) {
        faults.add(key, &format!("{value} is out of range; allowed are {least} to 1"));
    }
}
