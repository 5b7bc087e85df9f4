//! Collections: make, list, look at, rename, drop.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use vectorizer_plugin_api::model::{JsonMap, Metric};

use super::extract::{At, Body};
use super::request::{optional_count, optional_text, text};
use super::{ApiError, AppState};
use crate::store::CollectionSummary;
use crate::text::{PROVIDER, TEXT_DIMENSION};

/// `POST /collections`: a collection for texts and for vectors of the same dimension. Collections of any
/// other dimension are made by the Qdrant route.
pub(super) async fn create(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let name = text(&body, "name")?;
            let dimension = optional_count(&body, "dimension")?.unwrap_or(TEXT_DIMENSION);
            let metric = metric(optional_text(&body, "metric")?.unwrap_or("cosine"))?;
            refuse_unsupported(&body)?;
            if dimension != TEXT_DIMENSION {
                return Err(ApiError::ProviderDimension { requested: dimension });
            }
            state.store.create_collection(name, dimension, metric)?;
            Ok(json!({
                "message": format!("Collection '{name}' created successfully"),
                "collection": name,
                "dimension": dimension,
                "metric": metric,
            }))
        })
        .await
}

fn refuse_unsupported(body: &JsonMap) -> Result<(), ApiError> {
    // Clients of Vectorizer name its default provider, which is what they get from any server.
    if let Some(provider) = optional_text(body, "embedding_provider")?
        && ![PROVIDER, "bm25"].contains(&provider)
    {
        return Err(ApiError::UnsupportedProvider(provider.to_owned()));
    }
    let wants_graph = body.get("graph").and_then(|graph| graph.get("enabled")) == Some(&Value::Bool(true));
    if wants_graph {
        return Err(ApiError::validation("graph", "this server has no built-in graph"));
    }
    Ok(())
}

fn metric(name: &str) -> Result<Metric, ApiError> {
    match name.to_ascii_lowercase().as_str() {
        "cosine" => Ok(Metric::Cosine),
        "euclidean" => Ok(Metric::Euclidean),
        "dot" | "dotproduct" => Ok(Metric::Dot),
        _ => Err(ApiError::validation("metric", "must be cosine, euclidean or dot")),
    }
}

/// `GET /collections`.
pub(super) async fn list(State(state): State<AppState>) -> Result<Response, ApiError> {
    state
        .answer(|state| {
            let summaries = state.store.list_collections()?;
            let collections: Vec<Value> = summaries
                .iter()
                .map(|summary| {
                    let count = summary.info.count;
                    let mut shown = describe_common(summary);
                    shown["normalization"] = json!({"enabled": false, "level": "Disabled"});
                    // Searches see a document from its acknowledgement on.
                    shown["indexing_status"] = json!({
                        "status": "completed", "progress": 1.0, "errors": 0,
                        "total_documents": count, "processed_documents": count,
                        "start_time": summary.updated_at, "end_time": summary.updated_at,
                    });
                    shown
                })
                .collect();
            Ok(json!({"total_collections": collections.len(), "collections": collections}))
        })
        .await
}

/// `GET /collections/{name}`.
pub(super) async fn describe(
    State(state): State<AppState>,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let summary = state.store.describe_collection(&name)?;
            let mut shown = describe_common(&summary);
            shown["normalization"] = json!({
                "enabled": false,
                "message": "Text normalization is disabled for this collection",
            });
            shown["vector_count_history"] =
                json!([{"at": summary.updated_at.as_second(), "count": summary.info.count}]);
            shown["status"] = json!("ready");
            Ok(shown)
        })
        .await
}

fn describe_common(summary: &CollectionSummary) -> Value {
    let info = &summary.info;
    let index_bytes = info.count * u64::from(info.dimension) * 4;
    let total_bytes = index_bytes + summary.payload_bytes;
    json!({
        "name": info.name,
        "vector_count": info.count,
        "document_count": summary.parents,
        "dimension": info.dimension,
        "metric": match info.metric {
            Metric::Cosine => "Cosine",
            Metric::Euclidean => "Euclidean",
            Metric::Dot => "DotProduct",
        },
        "embedding_provider": PROVIDER,
        "size": {
            "total": readable(total_bytes), "total_bytes": total_bytes,
            "index": readable(index_bytes), "index_bytes": index_bytes,
            "payload": readable(summary.payload_bytes), "payload_bytes": summary.payload_bytes,
        },
        "quantization": {"enabled": false, "type": "None", "bits": 0},
        "created_at": summary.created_at,
        "updated_at": summary.updated_at,
    })
}

/// A number of bytes for people: `528 B`, `81.9 KB`.
fn readable(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = "KB";
    for larger in ["MB", "GB", "TB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    format!("{size:.1} {unit}")
}

/// `POST /collections/{name}/rename`. The old name stays as an alias.
pub(super) async fn rename(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let new_name = text(&body, "new_name")?;
            let old_name = state.store.rename_collection(&name, new_name)?;
            Ok(json!({
                "old_name": old_name,
                "new_name": new_name,
                "alias_retained": old_name,
                "status": "ok",
            }))
        })
        .await
}

/// `DELETE /collections/{name}`.
pub(super) async fn delete(
    State(state): State<AppState>,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let dropped = state.store.drop_collection(&name)?;
            Ok(json!({"message": format!("Collection '{dropped}' deleted successfully")}))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn sizes_read_as_in_vectorizer() {
        for (bytes, expected) in [
            (0, "0 B"),
            (528, "528 B"),
            (7_300, "7.1 KB"),
            (83_890, "81.9 KB"),
            (1_287_780, "1.2 MB"),
            (1_203_890, "1.1 MB"),
        ] {
            assert_eq!(readable(bytes), expected);
        }
    }
}
