//! The routes of searches.
//!
//! | | |
//! | --- | --- |
//! | `POST /api/v1/search/hybrid` | what is close or has the words, and what has to do with that |
//! | `POST /api/v1/search/cross-domain` | the same over several domains, each of which has its say |
//! | `GET /api/v1/documents/{collection}/{id}/related` | what has to do with a document by the graph alone |
//! | `GET /api/v1/documents/{collection}/{id}/impact` | what depends on it |
//! | `GET /api/v1/documents/{collection}/{id}/path` | how it has to do with another |

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use vectorizer_plugin_api::{Access, Request, Route};

use super::request::{CrossDomain, Impact, Path, Search};
use super::shown::synced;
use super::{cross, hybrid, impact, path};
use crate::api::{self, ApiError, Query, Reply};
use crate::journal::DocumentId;
use crate::sync::Context;

const HYBRID: &str = "/api/v1/search/hybrid";
const CROSS_DOMAIN: &str = "/api/v1/search/cross-domain";
const DOCUMENTS: &str = "/api/v1/documents/";

/// A question about one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Related,
    Impact,
    Path,
}

impl About {
    const ALL: [Self; 3] = [Self::Related, Self::Impact, Self::Path];

    fn name(self) -> &'static str {
        match self {
            Self::Related => "related",
            Self::Impact => "impact",
            Self::Path => "path",
        }
    }
}

/// The routes to be registered.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    let posted = [HYBRID, CROSS_DOMAIN]
        .into_iter()
        .map(|path| Route::new("POST", path, Access::User));
    let asked = About::ALL.into_iter().map(|about| {
        let path = format!("{DOCUMENTS}{{collection}}/{{id}}/{}", about.name());
        Route::new("GET", path.as_str(), Access::User)
    });
    posted.chain(asked)
}

type Answer = Pin<Box<dyn Future<Output = Result<Value, ApiError>> + Send>>;

/// Answers a request; `None` where it is for none of these routes. Blocks while the journal is read.
pub(crate) fn respond(context: &Arc<Context>, request: &Request) -> Option<Reply> {
    let (kind, answer) = match (request.method.as_str(), request.path.as_str()) {
        ("POST", HYBRID) => ("hybrid", hybrid(context, &request.body)),
        ("POST", CROSS_DOMAIN) => ("cross_domain", cross_domain(context, &request.body)),
        ("GET", path) => {
            let (about, document) = document(path)?;
            let answer = document.and_then(|document| ask(context, about, document, &request.query));
            (about.name(), answer)
        }
        _ => return None,
    };
    let begun = Instant::now();
    Some(match answer {
        Ok(answer) => {
            let context = Arc::clone(context);
            Reply::Later(Box::pin(async move {
                let answer = answer.await;
                let result = match &answer {
                    Ok(body) if body["degraded"] == true => "degraded",
                    Ok(_) => "ok",
                    Err(ApiError::Field { .. } | ApiError::NotFound(_)) => "refused",
                    Err(_) => "failed",
                };
                context.metrics.search.ended(kind, result, begun.elapsed());
                api::response(answer.map(|body| (200, body)))
            }))
        }
        Err(error) => {
            context.metrics.search.ended(kind, "refused", begun.elapsed());
            Reply::Now(api::response(Err(error)))
        }
    })
}

fn hybrid(context: &Arc<Context>, body: &[u8]) -> Result<Answer, ApiError> {
    let search = Arc::new(Search::parse(body, context.lexical.is_some())?);
    let context = Arc::clone(context);
    Ok(Box::pin(async move { hybrid::run(&context, search).await }))
}

fn cross_domain(context: &Arc<Context>, body: &[u8]) -> Result<Answer, ApiError> {
    let knows = |name: &str| context.deriver.knows_domain(name);
    let request = CrossDomain::parse(body, context.lexical.is_some(), knows)?;
    let context = Arc::clone(context);
    Ok(Box::pin(async move { cross::run(&context, request).await }))
}

fn ask(context: &Arc<Context>, about: About, document: DocumentId, query: &str) -> Result<Answer, ApiError> {
    let shared = Arc::clone(context);
    Ok(match about {
        About::Related => {
            let query = Query::parse(query, &["types", "hops", "limit", "principals", "tenant"])?;
            let search = Arc::new(Search::related(document, synced(context)?, &query)?);
            Box::pin(async move { hybrid::run(&shared, search).await })
        }
        About::Impact => {
            let request = Impact::parse(document, query)?;
            Box::pin(async move { impact::run(&shared, request).await })
        }
        About::Path => {
            let request = Path::parse(document, query)?;
            Box::pin(async move { path::run(&shared, request).await })
        }
    })
}

/// The question and the document that a path names, if it is one.
fn document(path: &str) -> Option<(About, Result<DocumentId, ApiError>)> {
    let (rest, last) = path.strip_prefix(DOCUMENTS)?.rsplit_once('/')?;
    let about = About::ALL.into_iter().find(|about| about.name() == last)?;
    let (collection, id) = rest.split_once('/')?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let named = match (decoded(collection), decoded(id)) {
        (Some(collection), Some(id)) => Ok(DocumentId::new(collection, id)),
        _ => Err(ApiError::field(
            "path",
            "must name a collection and an id in UTF-8",
        )),
    };
    Some((about, named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_document_whatever_is_in_its_name() {
        let named = |path: &str| {
            document(path).map(|(about, found)| (about, found.map_err(|error| error.to_string())))
        };
        assert_eq!(
            named("/api/v1/documents/a%20b/c%2Fd%27%C3%A4/related"),
            Some((About::Related, Ok(DocumentId::new("a b", "c/d'ä"))))
        );
        assert!(named("/api/v1/documents/c/%FF/impact").unwrap().1.is_err());
        for other in [
            "/api/v1/documents/c/related",
            "/api/v1/documents/c/1",
            "/api/v1/search/hybrid",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
