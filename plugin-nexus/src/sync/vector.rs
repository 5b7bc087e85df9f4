//! Which vectors have neighbours at all.
//!
//! A store checks what it is given, but a plugin meets more than one store, and what was stored under another setting. A vector
//! that no search takes is its document's own affair: the document has no edges, and blocks nobody.

use vectorizer_plugin_api::model::{CollectionInfo, Metric};

/// Why a document has no neighbours, whatever lies near it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unsearchable {
    /// Its vector has another number of components than the collection says.
    Dimension,
    /// A component is no finite number.
    NotFinite,
    /// It has no direction, and the metric is the cosine.
    Zero,
    /// The store refuses to search for it.
    Refused,
}

impl Unsearchable {
    /// Its name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Dimension => "dimension",
            Self::NotFinite => "not_finite",
            Self::Zero => "zero",
            Self::Refused => "refused",
        }
    }
}

/// Whether a vector can be searched for in a collection.
///
/// # Errors
/// [`Unsearchable`], never [`Unsearchable::Refused`], which only the store can say.
pub(super) fn searchable(vector: &[f32], collection: &CollectionInfo) -> Result<(), Unsearchable> {
    if vector.len() != collection.dimension as usize {
        Err(Unsearchable::Dimension)
    } else if !vector.iter().all(|component| component.is_finite()) {
        Err(Unsearchable::NotFinite)
    } else if collection.metric == Metric::Cosine && vector.iter().all(|component| *component == 0.0) {
        Err(Unsearchable::Zero)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metric: Metric, vector: &[f32]) -> Result<(), Unsearchable> {
        let collection = CollectionInfo {
            name: "c".to_owned(),
            dimension: 2,
            metric,
            count: 1,
            exact_vectors: true,
        };
        searchable(vector, &collection)
    }

    #[test]
    fn what_has_no_meaning_is_named() {
        assert_eq!(check(Metric::Cosine, &[1.0]), Err(Unsearchable::Dimension));
        assert_eq!(check(Metric::Dot, &[]), Err(Unsearchable::Dimension));
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(
                check(Metric::Euclidean, &[0.0, odd]),
                Err(Unsearchable::NotFinite)
            );
        }
        assert_eq!(check(Metric::Cosine, &[0.0, -0.0]), Err(Unsearchable::Zero));
    }

    #[test]
    fn the_origin_is_a_place_but_no_direction() {
        assert_eq!(check(Metric::Euclidean, &[0.0, 0.0]), Ok(()));
        assert_eq!(check(Metric::Dot, &[0.0, 0.0]), Ok(()));
        assert_eq!(check(Metric::Cosine, &[1e-40, 0.0]), Ok(()));
    }
}
