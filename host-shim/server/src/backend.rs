//! What the server serves documents from: its own store, or a Vectorizer behind it.

use serde_json::json;
use vectorizer_plugin_api::model::JsonMap;

use crate::store::DocumentStore;

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Collections.
    pub collections: u64,
    /// Documents in all of them.
    pub documents: u64,
}

/// See the [module](self). All methods may block.
pub trait Backend: Send + Sync + 'static {
    /// Whether documents can be read. The reason is for the log.
    ///
    /// # Errors
    /// Why not.
    fn check(&self) -> Result<(), String>;

    /// How much there is; `None` where that cannot be told.
    fn figures(&self) -> Option<Figures>;

    /// What `GET /health` says of it beside that.
    fn details(&self) -> JsonMap;

    /// Metric families of its own, in the Prometheus text format.
    fn metrics(&self) -> String;
}

impl Backend for DocumentStore {
    fn check(&self) -> Result<(), String> {
        Self::check(self).map_err(|error| error.to_string())
    }

    fn figures(&self) -> Option<Figures> {
        let collections = self.list_collections().ok()?;
        Some(Figures {
            collections: collections.len() as u64,
            documents: collections.iter().map(|collection| collection.info.count).sum(),
        })
    }

    fn details(&self) -> JsonMap {
        // No answer is cached here; clients of Vectorizer look for the figures.
        let cache =
            json!({"size": 0, "capacity": 0, "hits": 0, "misses": 0, "evictions": 0, "hit_rate": 0.0});
        [
            ("indexed".to_owned(), self.is_indexed().into()),
            ("cache".to_owned(), cache),
        ]
        .into_iter()
        .collect()
    }

    fn metrics(&self) -> String {
        String::new()
    }
}
