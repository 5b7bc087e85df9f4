//! Routes for administrators: `/admin/sync/*`.
//!
//! Invariant: every route here is registered with [`Access::Admin`], which the host enforces.

mod dead_letters;
mod domains;
mod jobs;

use vectorizer_plugin_api::{Access, Request, Response, Route};

use crate::api;
use crate::sync::Context;

/// The routes to be registered.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    dead_letters::ROUTES
        .iter()
        .chain(&jobs::ROUTES)
        .chain(&domains::ROUTES)
        .map(|(method, path)| Route::new(method, path, Access::Admin))
}

/// Answers a request; `None` where it is for none of these routes. Blocks while the journal works.
pub(crate) fn respond(context: &Context, request: &Request) -> Option<Response> {
    if let Some(answer) = dead_letters::respond(&context.journal, request) {
        return Some(api::response(answer.map(|body| (200, body))));
    }
    domains::respond(context, request)
        .or_else(|| jobs::respond(context, request))
        .map(api::response)
}
