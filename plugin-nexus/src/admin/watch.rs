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
        Endpoint::choosing(
            "GET",
            "/health",
            "Whether all is well, check by check; 503 where somebody has to look",
            |call| answer(call, |health| !health.is_broken()),
        )
        .also_answers(503),
        Endpoint::choosing(
            "GET",
            "/health/live",
            "Whether all tasks run; 503 where only a restart of the host helps",
            |call| answer(call, |health| health.live),
        )
        .also_answers(503),
        Endpoint::choosing(
            "GET",
            "/health/ready",
            "Whether a change that comes now is in the graph soon; 503 where it is not",
            |call| answer(call, |health| health.ready),
        )
        .also_answers(503),
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

/// 503 where it is not as it should be, so that a probe needs not read the answer.
fn answer(call: &Call<'_>, is_well: fn(&Health) -> bool) -> Result<(u16, Health), ApiError> {
    call.query()?;
    let health = Health::of(call.context());
    Ok((if is_well(&health) { 200 } else { 503 }, health))
}
