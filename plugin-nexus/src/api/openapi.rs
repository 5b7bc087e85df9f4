//! The description of the API, in OpenAPI 3.1, made from the endpoints and their types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};
use vectorizer_plugin_api::Access;

use super::endpoint::{Endpoint, SchemaOf};

/// An error, as all routes answer it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody {
    /// What kind of error it is: `validation_error` (400), `unauthorized` (401), `forbidden` (403), `not_found` (404),
    /// `method_not_allowed` (405), `request_timeout` (408), `conflict` (409), `payload_too_large` (413), `unsupported_media_type` (415),
    /// `rate_limited` (429), `internal_error` (500), `unavailable` (503). These names stay as they are.
    pub(super) error_type: &'static str,
    /// What failed and what to do; begins with the field's name where it is one's fault.
    pub(super) message: String,
    /// More of it, by `error_type`; null where there is no more.
    pub(super) details: Value,
    /// The status of the answer.
    pub(super) status_code: u16,
}

/// The schema of a type with all that it refers to.
pub(super) fn schema(of: SchemaOf) -> Value {
    let mut generator = SchemaGenerator::default();
    let mut schema = json!(of(&mut generator));
    if let Some(entries) = schema.as_object_mut() {
        entries.insert("$defs".to_owned(), generator.take_definitions(true).into());
    }
    schema
}

/// Describes these endpoints, but for those that are no part of the API.
pub(super) fn describe(endpoints: &[Endpoint]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.is_described) {
        for path in &endpoint.paths {
            let operation = operation(endpoint, path, &mut generator);
            let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
            item[endpoint.method.to_ascii_lowercase()] = operation;
        }
    }
    generator.subschema_for::<ErrorBody>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "vectorizer-plugin-nexus",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Steers and watches the plugin that keeps the Nexus graph database true to the vector database, and searches both.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    })
}

fn operation(endpoint: &Endpoint, path: &str, generator: &mut SchemaGenerator) -> Value {
    let in_path = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect();
    parameters.extend(endpoint.parameters.iter().map(|parameter| parameter.described()));
    let answer = (endpoint.answer)(generator);
    let mut responses = Map::new();
    for status in [Some(endpoint.status), endpoint.also].into_iter().flatten() {
        let content = json!({"application/json": {"schema": answer}});
        responses.insert(
            status.to_string(),
            json!({"description": endpoint.summary, "content": content}),
        );
    }
    let mut errors = vec![500, 503];
    if endpoint.access != Access::Public {
        errors.extend([400, 401, 403]);
    }
    if endpoint.steers {
        errors.push(429);
    }
    if endpoint.body.is_some() {
        errors.extend([400, 408, 413]);
    }
    errors.extend(endpoint.errors);
    errors.sort_unstable();
    errors.dedup();
    for status in errors {
        let described = json!({
            "description": reason(status),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        });
        responses.entry(status.to_string()).or_insert(described);
    }
    let mut operation = json!({
        "operationId": name(endpoint.method, path),
        "summary": endpoint.summary,
        "tags": [tag(path)],
        "parameters": parameters,
        "responses": responses,
    });
    match endpoint.access {
        Access::Public => operation["security"] = json!([]),
        Access::User => operation["description"] = json!("For users."),
        Access::Admin => operation["description"] = json!("For administrators."),
    }
    if let Some(body) = endpoint.body {
        operation["requestBody"] = json!({
            "required": endpoint.body_required,
            "content": {"application/json": {"schema": body(generator)}},
        });
    }
    operation
}

fn name(method: &str, path: &str) -> String {
    let words = path
        .split(['/', '-', '.', '{', '}', '_'])
        .filter(|word| !word.is_empty());
    words.fold(method.to_ascii_lowercase(), |name, word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{name}{}{rest}", first.to_ascii_uppercase())
    })
}

fn tag(path: &str) -> &'static str {
    match path {
        path if path.starts_with("/api/v1/search/") || path.starts_with("/api/v1/documents/") => "search",
        path if path.contains("/webhooks/") => "webhooks",
        _ => "sync",
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Something in the request is not usable; the message begins with its name",
        401 => "Credentials are missing or wrong",
        403 => "The caller may not do this",
        404 => "It does not exist",
        405 => "The route has other methods",
        408 => "The body did not come in time",
        409 => "It is not possible now",
        413 => "The body is too long",
        415 => "The body is of another type",
        429 => "Too much was asked lately; see Retry-After",
        503 => "Something that is needed is not usable at present",
        _ => "A fault of the server",
    }
}
