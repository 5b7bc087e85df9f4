//! Changing all documents that a filter finds.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::extract::{At, Body};
use super::request::filter;
use super::{ApiError, AppState};
use crate::store::Bulk;

/// `POST /collections/{name}/vectors/delete_by_filter`. A filter without conditions is refused.
pub(super) async fn delete_by_filter(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let filter = filter(&body.object()?)?;
            Ok(report(state.store.delete_where(&name, &filter)?, "deleted"))
        })
        .await
}

/// `POST /collections/{name}/vectors/bulk_update_metadata`: merges `patch` by RFC 7396. A filter without
/// conditions finds all documents that have a payload.
pub(super) async fn bulk_update_metadata(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let filter = filter(&body)?;
            let patch = match body.get("patch") {
                Some(Value::Object(patch)) => patch,
                Some(_) => return Err(ApiError::validation("patch", "patch must be an object")),
                None => return Err(ApiError::validation("patch", "missing patch field")),
            };
            Ok(report(state.store.merge_where(&name, &filter, patch)?, "updated"))
        })
        .await
}

fn report(bulk: Bulk, done: &str) -> Value {
    let results: Vec<Value> = bulk
        .ids
        .iter()
        .map(|id| json!({"id": id, "status": done}))
        .collect();
    json!({"scanned": bulk.scanned, "matched": results.len(), done: results.len(), "results": results})
}
