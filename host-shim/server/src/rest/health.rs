//! `/health`: whether the server can do its work.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;

use super::{ApiError, AppState};

/// `GET /health`, open to everyone. Reads from the store, so a failing disk is an error here.
pub(super) async fn health(State(state): State<AppState>) -> Result<Response, ApiError> {
    state
        .answer(|state| {
            state.store.check()?;
            Ok(json!({
                "status": "healthy",
                "timestamp": Timestamp::now(),
                "version": env!("CARGO_PKG_VERSION"),
                "indexed": state.store.is_indexed(),
                // No answer is cached here; clients of Vectorizer look for the figures.
                "cache": {
                    "size": 0, "capacity": 0, "hits": 0, "misses": 0, "evictions": 0, "hit_rate": 0.0,
                },
            }))
        })
        .await
}
