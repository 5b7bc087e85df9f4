//! Which documents count as similar.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vectorizer_plugin_api::model::Metric;

use super::{Across, Faults};

/// By what documents are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimilarityMethod {
    /// By their vectors.
    #[default]
    Embedding,
    /// By the words that their texts have in common, rare ones weighing more.
    Keyword,
    /// By both.
    Hybrid,
}

impl SimilarityMethod {
    /// Its name, as it stands in the graph.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Keyword => "keyword",
            Self::Hybrid => "hybrid",
        }
    }

    /// Whether texts count.
    #[must_use]
    pub fn reads_texts(self) -> bool {
        self != Self::Embedding
    }
}

/// `similarity:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Similarity {
    /// By what documents are compared: `embedding`, `keyword` or `hybrid`. Default `embedding`.
    pub method: SimilarityMethod,
    /// The least score of an edge of the method `embedding`, by the collection's metric.
    pub threshold: Thresholds,
    /// Most outgoing edges of a document. Default 10.
    pub top_k: usize,
    /// The method `keyword`.
    pub keyword: Keyword,
    /// The method `hybrid`.
    pub hybrid: Hybrid,
    /// Pairs that `keyword` and `hybrid` look at: those whose vectors score at least this, by the collection's metric.
    pub candidates: Candidates,
    /// Searches that are remembered.
    pub cache: SearchCacheSettings,
    /// Collections whose documents are neighbours of each other's, by their vectors. Default none.
    pub across: Vec<Across>,
}

/// `similarity.keyword:`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keyword {
    /// The least overlap of an edge, 0 to 1. Default 0.2.
    pub threshold: f64,
}

impl Default for Keyword {
    fn default() -> Self {
        Self { threshold: 0.2 }
    }
}

/// `similarity.hybrid:`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hybrid {
    /// The least score of an edge, 0 to 1. Default 0.5.
    pub threshold: f64,
    /// How much the vectors count; the words count for the rest. 0 to 1, default 0.7.
    pub vector_weight: f64,
}

impl Default for Hybrid {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            vector_weight: 0.7,
        }
    }
}

/// `similarity.cache:`. What is remembered is used only while nothing changes in the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchCacheSettings {
    /// Searches that are remembered at most, some 10 KiB each; 0: none. Default 1000.
    pub entries: usize,
    /// For how long. Default 300.
    pub ttl_seconds: u64,
}

impl Default for SearchCacheSettings {
    fn default() -> Self {
        Self {
            entries: 1_000,
            ttl_seconds: 300,
        }
    }
}

/// `similarity.candidates:`. Scores as in [`Thresholds`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Candidates {
    /// Default 0.3.
    pub cosine: f64,
    /// Default 0.3.
    pub euclidean: f64,
    /// Default 0.5, which is a product of 0.
    pub dot: f64,
}

impl Default for Candidates {
    fn default() -> Self {
        Self {
            cosine: 0.3,
            euclidean: 0.3,
            dot: 0.5,
        }
    }
}

impl From<Candidates> for Thresholds {
    fn from(candidates: Candidates) -> Self {
        let Candidates {
            cosine,
            euclidean,
            dot,
        } = candidates;
        Self {
            cosine,
            euclidean,
            dot,
        }
    }
}

impl Default for Similarity {
    fn default() -> Self {
        Self {
            method: SimilarityMethod::default(),
            threshold: Thresholds::default(),
            top_k: 10,
            keyword: Keyword::default(),
            hybrid: Hybrid::default(),
            candidates: Candidates::default(),
            cache: SearchCacheSettings::default(),
            across: Vec::new(),
        }
    }
}

/// Scores of different metrics are not comparable, hence one threshold each.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimilarityOverride {
    /// By what its documents are compared.
    pub method: Option<SimilarityMethod>,
    /// The least score of an edge, whatever the collection's metric and method.
    pub threshold: Option<f64>,
    /// Most outgoing edges of a document.
    pub top_k: Option<usize>,
}

const MOST_NEIGHBOURS: u64 = 1_000;
const MOST_REMEMBERED: u64 = 100_000;
const LONGEST_MEMORY: u64 = 86_400;

impl Similarity {
    /// The least score of an edge in a collection of this metric.
    #[must_use]
    pub fn least(&self, metric: Metric) -> f64 {
        match self.method {
            SimilarityMethod::Embedding => self.threshold.of(metric),
            SimilarityMethod::Keyword => self.keyword.threshold,
            SimilarityMethod::Hybrid => self.hybrid.threshold,
        }
    }

    /// The least score of two vectors in a collection of this metric whose documents are compared at all.
    #[must_use]
    pub fn reach(&self, metric: Metric) -> f64 {
        match self.method {
            SimilarityMethod::Embedding => self.threshold.of(metric),
            SimilarityMethod::Keyword | SimilarityMethod::Hybrid => {
                Thresholds::from(self.candidates).of(metric)
            }
        }
    }

    /// Digest of what decides which neighbours a document has: where it changes, all edges are compared again.
    pub(crate) fn digest(&self) -> u64 {
        let thresholds = |thresholds: Thresholds| {
            let Thresholds {
                cosine,
                euclidean,
                dot,
            } = thresholds;
            format!("{cosine} {euclidean} {dot}")
        };
        let method = match self.method {
            SimilarityMethod::Embedding => thresholds(self.threshold),
            SimilarityMethod::Keyword => format!(
                "{} {}",
                self.keyword.threshold,
                thresholds(self.candidates.into())
            ),
            SimilarityMethod::Hybrid => {
                let Hybrid {
                    threshold,
                    vector_weight,
                } = self.hybrid;
                format!(
                    "{threshold} {vector_weight} {}",
                    thresholds(self.candidates.into())
                )
            }
        };
        let settings = [self.method.name(), &method, &self.top_k.to_string()];
        crate::sync::settings_digest(settings.into_iter())
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        self.threshold.check(&format!("{key}.threshold"), faults);
        Thresholds::from(self.candidates).check(&format!("{key}.candidates"), faults);
        Across::check_all(&self.across, &format!("{key}.across"), faults);
        for (name, value) in [
            ("keyword.threshold", self.keyword.threshold),
            ("hybrid.threshold", self.hybrid.threshold),
            ("hybrid.vector_weight", self.hybrid.vector_weight),
        ] {
            check_score(&format!("{key}.{name}"), value, 0.0, faults);
        }
        faults.range(&format!("{key}.top_k"), self.top_k as u64, 1, MOST_NEIGHBOURS);
        faults.range(
            &format!("{key}.cache.entries"),
            self.cache.entries as u64,
            0,
            MOST_REMEMBERED,
        );
        faults.range(
            &format!("{key}.cache.ttl_seconds"),
            self.cache.ttl_seconds,
            1,
            LONGEST_MEMORY,
        );
    }
}

impl Thresholds {
    fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            cosine,
            euclidean,
            dot,
        } = *self;
        for (name, value, least) in [
            ("cosine", cosine, -1.0),
            ("euclidean", euclidean, 0.0),
            ("dot", dot, 0.0),
        ] {
            check_score(&format!("{key}.{name}"), value, least, faults);
        }
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
        let mut own = general.clone();
        if let Some(method) = self.method {
            own.method = method;
        }
        if let Some(score) = self.threshold {
            own.threshold = Thresholds {
                cosine: score,
                euclidean: score,
                dot: score,
            };
            // A negative one means all, where scores begin at 0.
            own.keyword.threshold = score.max(0.0);
            own.hybrid.threshold = score.max(0.0);
        }
        if let Some(top_k) = self.top_k {
            own.top_k = top_k;
        }
        own
    }
}

pub(super) fn check_score(key: &str, value: f64, least: f64, faults: &mut Faults) {
    if !(least..=1.0).contains(&value) {
        faults.add(key, &format!("{value} is out of range; allowed are {least} to 1"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_its_own_threshold() {
        let mut settings = Similarity::default();
        assert_eq!(
            (settings.least(Metric::Cosine), settings.reach(Metric::Cosine)),
            (0.75, 0.75)
        );
        settings.method = SimilarityMethod::Keyword;
        assert_eq!(
            (settings.least(Metric::Dot), settings.reach(Metric::Dot)),
            (0.2, 0.5)
        );
        settings.method = SimilarityMethod::Hybrid;
        assert_eq!(
            (settings.least(Metric::Cosine), settings.reach(Metric::Cosine)),
            (0.5, 0.3)
        );
    }

    #[test]
    fn the_digest_tells_of_what_counts_and_of_nothing_else() {
        let base = Similarity::default();
        let differs = |change: fn(&mut Similarity)| {
            let mut other = Similarity::default();
            change(&mut other);
            other.digest() != base.digest()
        };
        assert!(differs(|other| other.top_k = 9));
        assert!(differs(|other| other.threshold.dot = 0.1));
        assert!(differs(|other| other.method = SimilarityMethod::Hybrid));
        assert!(!differs(|other| other.cache.entries = 7));
        assert!(
            !differs(|other| other.keyword.threshold = 0.9),
            "it is not the method"
        );
    }

    #[test]
    fn a_collection_may_have_a_method_and_a_threshold_of_its_own() {
        let own = SimilarityOverride {
            method: Some(SimilarityMethod::Keyword),
            threshold: Some(-1.0),
            top_k: Some(3),
        };
        let own = own.over(&Similarity::default());
        assert_eq!((own.least(Metric::Cosine), own.top_k), (0.0, 3));
    }
}
