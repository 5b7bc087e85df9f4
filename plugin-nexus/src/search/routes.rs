//! The routes of searches.
//!
//! | | |
//! | --- | --- |
//! | `POST /api/v1/search/hybrid` | what is close or has the words, and what has to do with that |
//! | `POST /api/v1/search/cross-domain` | the same over several domains, each of which has its say |
//! | `GET /api/v1/documents/{collection}/{id}/related` | what has to do with a document by the graph alone |
//! | `GET /api/v1/documents/{collection}/{id}/impact` | what depends on it |
//! | `GET /api/v1/documents/{collection}/{id}/path` | how it has to do with another |

use std::sync::Arc;
use std::time::Instant;

use vectorizer_plugin_api::Access;

use super::answer::{self, Answer};
use super::request::{CrossBody, CrossDomain, HybridBody, IMPACT, Impact, PATH, Path, RELATED, Search};
use super::shown::synced;
use super::{cross, hybrid, impact, path};
use crate::api::{ApiError, Awaited, Call, Endpoint};
use crate::journal::DocumentId;
use crate::sync::Context;

/// What can be asked for.
pub(crate) fn endpoints() -> impl Iterator<Item = Endpoint> {
    let about = |what: &str| format!("/api/v1/documents/{{collection}}/{{id}}/{what}");
    let all = [
        Endpoint::awaited(
            "POST",
            "/api/v1/search/hybrid",
            "What is close or has the words, and what has to do with that",
            |call| timed(call, "hybrid", hybrid),
        )
        .takes::<HybridBody>(),
        Endpoint::awaited(
            "POST",
            "/api/v1/search/cross-domain",
            "The same over several domains, each of which has its say",
            |call| timed(call, "cross_domain", cross_domain),
        )
        .takes::<CrossBody>(),
        Endpoint::awaited(
            "GET",
            &about("related"),
            "What has to do with a document by the graph alone",
            |call| timed(call, "related", related),
        )
        .asks(RELATED),
        Endpoint::awaited("GET", &about("impact"), "What depends on a document", |call| {
            timed(call, "impact", impact)
        })
        .asks(IMPACT),
        Endpoint::awaited(
            "GET",
            &about("path"),
            "How a document has to do with another",
            |call| timed(call, "path", path),
        )
        .asks(PATH),
    ];
    all.into_iter()
        .map(|endpoint| endpoint.for_whom(Access::User).refuses(&[404]))
}

/// Takes the time of an answer, and counts how it came out.
fn timed<T: Answer>(
    call: &Call<'_>,
    kind: &'static str,
    ask: impl FnOnce(&Call<'_>) -> Result<Awaited<T>, ApiError>,
) -> Result<Awaited<T>, ApiError> {
    let (context, begun) = (Arc::clone(call.context()), Instant::now());
    match ask(call) {
        Ok(answer) => Ok(Box::pin(async move {
            let answer = answer.await;
            let result = match &answer {
                Ok(answer) if answer.outcome().degraded => "degraded",
                Ok(_) => "ok",
                Err(ApiError::Field { .. } | ApiError::NotFound(_)) => "refused",
                Err(_) => "failed",
            };
            context.metrics.search.ended(kind, result, begun.elapsed());
            answer
        })),
        Err(error) => {
            context.metrics.search.ended(kind, "refused", begun.elapsed());
            Err(error)
        }
    }
}

fn hybrid(call: &Call<'_>) -> Result<Awaited<answer::Hybrid>, ApiError> {
    call.query()?;
    let context = Arc::clone(call.context());
    let search = Arc::new(Search::parse(&call.request.body, context.lexical.is_some())?);
    Ok(Box::pin(async move { hybrid::run(&context, search).await }))
}

fn cross_domain(call: &Call<'_>) -> Result<Awaited<answer::CrossDomain>, ApiError> {
    call.query()?;
    let context: Arc<Context> = Arc::clone(call.context());
    let knows = |name: &str| context.deriver().knows_domain(name);
    let request = CrossDomain::parse(&call.request.body, context.lexical.is_some(), knows)?;
    Ok(Box::pin(async move { cross::run(&context, request).await }))
}

/// The document that the path names.
fn document(call: &Call<'_>) -> DocumentId {
    DocumentId::new(call.place(0), call.place(1))
}

fn related(call: &Call<'_>) -> Result<Awaited<answer::Hybrid>, ApiError> {
    let context = Arc::clone(call.context());
    let search = Search::related(document(call), synced(&context)?, &call.query()?)?;
    Ok(Box::pin(
        async move { hybrid::run(&context, Arc::new(search)).await },
    ))
}

fn impact(call: &Call<'_>) -> Result<Awaited<answer::Impact>, ApiError> {
    let context = Arc::clone(call.context());
    let request = Impact::parse(document(call), &call.query()?)?;
    Ok(Box::pin(async move { impact::run(&context, request).await }))
}

fn path(call: &Call<'_>) -> Result<Awaited<answer::Path>, ApiError> {
    let context = Arc::clone(call.context());
    let request = Path::parse(document(call), &call.query()?)?;
    Ok(Box::pin(async move { path::run(&context, request).await }))
}
