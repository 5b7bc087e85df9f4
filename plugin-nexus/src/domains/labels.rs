//! Documents whose domain somebody named, in the configuration or by request.

use std::collections::BTreeMap;

use crate::config::DomainLabel;
use crate::sync::settings_digest;

/// Domains by collection and id. The digest tells of every label.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    by_collection: BTreeMap<String, BTreeMap<String, String>>,
    digest: u64,
}

impl Labels {
    /// Of several labels of one document the last counts.
    #[must_use]
    pub fn of(labels: impl IntoIterator<Item = DomainLabel>) -> Self {
        let mut by_collection: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for DomainLabel {
            collection,
            id,
            domain,
        } in labels
        {
            by_collection.entry(collection).or_default().insert(id, domain);
        }
        let mut all = Self {
            by_collection,
            digest: 0,
        };
        if !all.by_collection.is_empty() {
            all.digest = settings_digest(
                all.iter()
                    .flat_map(|(collection, id, domain)| [collection, id, domain]),
            );
        }
        all
    }

    /// The domain of a document.
    #[must_use]
    pub fn domain(&self, collection: &str, id: &str) -> Option<&str> {
        self.by_collection.get(collection)?.get(id).map(String::as_str)
    }

    /// Collections, ids and domains, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.by_collection.iter().flat_map(|(collection, labels)| {
            labels
                .iter()
                .map(move |(id, domain)| (collection.as_str(), id.as_str(), domain.as_str()))
        })
    }

    /// 0 where there are none.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(collection: &str, id: &str, domain: &str) -> DomainLabel {
        DomainLabel {
            collection: collection.into(),
            id: id.into(),
            domain: domain.into(),
        }
    }

    #[test]
    fn the_last_label_of_a_document_counts_and_its_collection_matters() {
        let labels = Labels::of([
            label("c", "a", "hr"),
            label("c", "a", "legal"),
            label("d", "a", "hr"),
        ]);
        assert_eq!(labels.domain("c", "a"), Some("legal"));
        assert_eq!(
            (labels.domain("d", "a"), labels.domain("d", "b")),
            (Some("hr"), None)
        );
        assert_eq!(labels.iter().count(), 2);
    }

    #[test]
    fn the_digest_tells_of_every_label() {
        let one = Labels::of([label("c", "a", "hr")]);
        assert_ne!(one.digest(), Labels::default().digest());
        assert_ne!(one.digest(), Labels::of([label("c", "a", "legal")]).digest());
        assert_ne!(one.digest(), Labels::of([label("ca", "", "hr")]).digest());
        assert_eq!(Labels::default().digest(), Labels::of([]).digest());
    }
}
