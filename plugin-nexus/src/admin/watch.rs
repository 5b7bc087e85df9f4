//! How the plugin does: its status, what Nexus can do, its health, and the description of the API.

use vectorizer_plugin_api::Response;

use crate::api::{ApiError, Call, Endpoint};
use crate::health::Health;
use crate::status::{CapabilityReport, Status};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("GET", "/status", "How the sync does", status),
        Endpoint::new(
            "GET",
            "/capabilities",
            "Which form of each operation is right on this Nexus, and what the others did",
            capabilities,
        ),
        Endpoint::choosing("GET", "/health", "Whether all is well, check by check", health).also_answers(503),
        Endpoint::raw::<serde_json::Map<String, serde_json::Value>>(
            "GET",
            "/openapi.json",
            "This description",
            |call| Response {
                status: 200,
                headers: vec![("content-type".into(), "application/json".into())],
                body: call.description.to_vec(),
            },
        ),
    ]
}

fn status(call: &Call<'_>) -> Result<Status, ApiError> {
    call.query()?;
    Ok(Status::of(call.engine))
}

fn capabilities(call: &Call<'_>) -> Result<CapabilityReport, ApiError> {
    call.query()?;
    Ok(CapabilityReport::of(call.context()))
}

/// 503 where something is broken, so that a probe needs not read the answer.
fn health(call: &Call<'_>) -> Result<(u16, Health), ApiError> {
    call.query()?;
    let health = Health::of(call.context());
    Ok((if health.is_broken() { 503 } else { 200 }, health))
}
