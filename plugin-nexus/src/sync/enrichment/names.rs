//! Names of entities, remembered for a minute: most are mentioned by many documents.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use crate::graph::{EntityKey, Graph, GraphError};

/// Names that are remembered, some 200 bytes each.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);
/// For so long.
const TTL: Duration = Duration::from_secs(60);

/// What an entity is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) kind: String,
}

impl Name {
    fn of(node: &JsonMap) -> Option<Self> {
        let text = |name: &str| node.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            name: text("name")?,
            kind: text("kind")?,
        })
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(in crate::sync) struct EntityNames(Mutex<LruCache<EntityKey, (Instant, Name)>>);

impl Default for EntityNames {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl EntityNames {
    /// The names of these entities. Those without a node are left out.
    ///
    /// # Errors
    /// [`GraphError`].
    pub(super) async fn of(
        &self,
        graph: &Graph,
        entities: BTreeSet<EntityKey>,
    ) -> Result<HashMap<EntityKey, Name>, GraphError> {
        let now = Instant::now();
        let (mut names, mut unknown) = (HashMap::new(), Vec::new());
        for entity in entities {
            match self.remembered(&entity, now) {
                Some(name) => drop(names.insert(entity, name)),
                None => unknown.push(entity),
            }
        }
        if !unknown.is_empty() {
            for (entity, node) in graph.read_nodes(&unknown).await? {
                if let Some(name) = Name::of(&node) {
                    self.remember(&entity, &name, now);
                    names.insert(entity, name);
                }
            }
        }
        Ok(names)
    }

    fn remembered(&self, entity: &EntityKey, now: Instant) -> Option<Name> {
        let mut all = self.0.lock();
        let (since, name) = all.get(entity)?;
        if now.saturating_duration_since(*since) >= TTL {
            all.pop(entity);
            return None;
        }
        Some(name.clone())
    }

    fn remember(&self, entity: &EntityKey, name: &Name, now: Instant) {
        self.0.lock().put(entity.clone(), (now, name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_remembered_for_a_minute() {
        let (names, now) = (EntityNames::default(), Instant::now());
        let entity = EntityKey::new("person", "ann").unwrap();
        let name = Name {
            name: "Ann".to_owned(),
            kind: "person".to_owned(),
        };
        assert_eq!(names.remembered(&entity, now), None);
        names.remember(&entity, &name, now);
        assert_eq!(
            names.remembered(&entity, now + TTL - Duration::from_millis(1)),
            Some(name)
        );
        assert_eq!(names.remembered(&entity, now + TTL), None);
    }
}
