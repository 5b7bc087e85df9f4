//! The routes of searches.

use std::sync::Arc;

use vectorizer_plugin_api::{Access, Request, Route};

use super::hybrid;
use super::request::Search;
use crate::api::{self, Reply};
use crate::sync::Context;

const HYBRID: &str = "/api/v1/search/hybrid";

/// The routes to be registered.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    std::iter::once(Route::new("POST", HYBRID, Access::User))
}

/// Answers a request; `None` where it is for none of these routes.
pub(crate) fn respond(context: &Arc<Context>, request: &Request) -> Option<Reply> {
    if request.method != "POST" || request.path != HYBRID {
        return None;
    }
    Some(match Search::parse(&request.body) {
        Ok(search) => {
            let (context, search) = (Arc::clone(context), Arc::new(search));
            Reply::Later(Box::pin(async move {
                let answer = hybrid::run(&context, search).await;
                api::response(answer.map(|body| (200, body)))
            }))
        }
        Err(error) => Reply::Now(api::response(Err(error))),
    })
}
