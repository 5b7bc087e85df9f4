//! Collections whose documents are neighbours of each other's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vectorizer_plugin_api::model::Metric;

use super::Faults;
use super::similarity::{Thresholds, check_score};

/// One of `similarity.across:`. Its collections need vectors of one model: equal dimension and metric are checked when they are
/// compared, the model is the operator's word.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Across {
    /// The collections, by name; a collection stands in one entry at most.
    pub collections: Vec<String>,
    /// Most edges of a document to all others of the entry together, besides those in its own collection. Default 5.
    #[serde(default = "five")]
    pub top_k: usize,
    /// The least score of such an edge. Default: as `similarity.threshold`.
    #[serde(default)]
    pub threshold: Option<f64>,
}

fn five() -> usize {
    5
}

const MOST_NEIGHBOURS: u64 = 100;
const MOST_COLLECTIONS: u64 = 32;

impl Across {
    /// The least score of an edge, where the vectors have this metric.
    #[must_use]
    pub fn least(&self, general: Thresholds, metric: Metric) -> f64 {
        self.threshold.unwrap_or_else(|| general.of(metric))
    }

    /// The others, for a collection of the entry.
    pub fn others(&self, collection: &str) -> impl Iterator<Item = &str> {
        self.collections
            .iter()
            .map(String::as_str)
            .filter(move |other| *other != collection)
    }

    /// Digest of what decides which neighbours a document has here.
    pub(crate) fn digest(&self, general: Thresholds) -> u64 {
        let Thresholds {
            cosine,
            euclidean,
            dot,
        } = general;
        let threshold = match self.threshold {
            Some(threshold) => threshold.to_string(),
            None => format!("{cosine} {euclidean} {dot}"),
        };
        let numbers = [self.top_k.to_string(), threshold];
        let settings = numbers.iter().chain(&self.collections).map(String::as_str);
        crate::sync::settings_digest(settings)
    }

    pub(super) fn check_all(all: &[Self], key: &str, faults: &mut Faults) {
        let mut seen = Vec::new();
        for (index, across) in all.iter().enumerate() {
            let key = format!("{key}[{index}]");
            let count = across.collections.len() as u64;
            faults.range(&format!("{key}.collections"), count, 2, MOST_COLLECTIONS);
            faults.range(&format!("{key}.top_k"), across.top_k as u64, 1, MOST_NEIGHBOURS);
            if let Some(threshold) = across.threshold {
                check_score(&format!("{key}.threshold"), threshold, -1.0, faults);
            }
            for name in &across.collections {
                if seen.contains(&name) {
                    faults.add(
                        &format!("{key}.collections"),
                        &format!("'{name}' stands in `across` twice"),
                    );
                }
                seen.push(name);
            }
        }
    }
}
