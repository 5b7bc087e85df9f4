//! Which domain is part of which.

use std::collections::BTreeMap;

/// Domains by name, each with the one that holds it. Free of cycles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchy {
    parents: BTreeMap<String, Option<String>>,
}

/// Domains that hold each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is part of itself, by way of its parents")]
pub struct Cycle {
    /// One of them.
    pub name: String,
}

impl Hierarchy {
    /// Puts domains in order. A parent that nobody names is a domain, too.
    ///
    /// # Errors
    /// [`Cycle`].
    pub fn new<'a>(domains: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Result<Self, Cycle> {
        let mut parents: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (name, parent) in domains {
            let known = parents.entry(name.to_owned()).or_default();
            if parent.is_some() {
                *known = parent.map(str::to_owned);
            }
            if let Some(parent) = parent {
                parents.entry(parent.to_owned()).or_default();
            }
        }
        let hierarchy = Self { parents };
        for name in hierarchy.parents.keys() {
            // Nobody has more ancestors than there are domains.
            if hierarchy
                .ancestors(name)
                .take(hierarchy.parents.len() + 1)
                .count()
                > hierarchy.parents.len()
            {
                return Err(Cycle { name: name.clone() });
            }
        }
        Ok(hierarchy)
    }

    /// The domain, the one that holds it, and so on up to the top. Nothing for a domain that does not exist.
    pub fn ancestors<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let first = self.parents.get_key_value(name).map(|(name, _)| name.as_str());
        std::iter::successors(first, |name| self.parent(name))
    }

    /// The domain that holds this one.
    #[must_use]
    pub fn parent(&self, name: &str) -> Option<&str> {
        self.parents.get(name)?.as_deref()
    }

    /// The topmost domain above this one, itself where nothing is.
    #[must_use]
    pub fn top<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.ancestors(name).last()
    }

    /// Whether there is such a domain.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.parents.contains_key(name)
    }

    /// All domains.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parents.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_top() {
        let all = [
            ("leases", Some("contracts")),
            ("contracts", Some("legal")),
            ("hr", None),
        ];
        let hierarchy = Hierarchy::new(all.into_iter()).unwrap();
        assert_eq!(
            hierarchy.ancestors("leases").collect::<Vec<_>>(),
            ["leases", "contracts", "legal"]
        );
        assert_eq!(hierarchy.top("legal"), Some("legal"));
        assert_eq!(hierarchy.top("nothing"), None);
        assert_eq!(hierarchy.names().count(), 4);
    }

    #[test]
    fn domains_that_hold_each_other_are_refused() {
        let all = [
            ("a", Some("b")),
            ("b", Some("c")),
            ("c", Some("a")),
            ("d", Some("a")),
        ];
        assert!(Hierarchy::new(all.into_iter()).is_err());
        assert_eq!(
            Hierarchy::new([("a", Some("a"))].into_iter()).unwrap_err().name,
            "a"
        );
    }
}
