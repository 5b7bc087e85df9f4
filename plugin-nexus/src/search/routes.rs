//! The routes of searches.
//!
//! | | |
//! | --- | --- |
//! | `POST /api/v1/search/hybrid` | what is close, and what has to do with that |
//! | `GET /api/v1/documents/{collection}/{id}/related` | what has to do with a document by the graph alone |

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use vectorizer_plugin_api::{Access, Request, Route};

use super::hybrid;
use super::request::Search;
use crate::api::{self, ApiError, Query, Reply};
use crate::journal::DocumentId;
use crate::sync::Context;

const HYBRID: &str = "/api/v1/search/hybrid";
const DOCUMENTS: &str = "/api/v1/documents/";
const RELATED: &str = "/api/v1/documents/{collection}/{id}/related";

/// The routes to be registered.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    [("POST", HYBRID), ("GET", RELATED)]
        .into_iter()
        .map(|(method, path)| Route::new(method, path, Access::User))
}

/// Answers a request; `None` where it is for none of these routes. Blocks while the journal is read.
pub(crate) fn respond(context: &Arc<Context>, request: &Request) -> Option<Reply> {
    let search = match (request.method.as_str(), request.path.as_str()) {
        ("POST", HYBRID) => Search::parse(&request.body),
        ("GET", path) => related(context, document(path)?, &request.query),
        _ => return None,
    };
    Some(match search {
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

/// The document that a path of [`RELATED`] names, if the path is one.
fn document(path: &str) -> Option<Result<DocumentId, ApiError>> {
    let rest = path.strip_prefix(DOCUMENTS)?.strip_suffix("/related")?;
    let (collection, id) = rest.split_once('/')?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    Some(match (decoded(collection), decoded(id)) {
        (Some(collection), Some(id)) => Ok(DocumentId::new(collection, id)),
        _ => Err(ApiError::field(
            "path",
            "must name a collection and an id in UTF-8",
        )),
    })
}

fn related(
    context: &Context,
    document: Result<DocumentId, ApiError>,
    query: &str,
) -> Result<Search, ApiError> {
    let query = Query::parse(query, &["types", "limit", "principals", "tenant"])?;
    let mut collections = context.journal.collections()?;
    collections.retain(|name| context.config.syncs(name));
    Search::related(document?, collections.into_iter().collect(), &query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_document_whatever_is_in_its_name() {
        let named = |path: &str| document(path).map(|found| found.map_err(|error| error.to_string()));
        assert_eq!(
            named("/api/v1/documents/a%20b/c%2Fd%27%C3%A4/related"),
            Some(Ok(DocumentId::new("a b", "c/d'ä")))
        );
        assert!(named("/api/v1/documents/c/%FF/related").unwrap().is_err());
        for other in [
            "/api/v1/documents/c/related",
            "/api/v1/documents/c/1",
            "/api/v1/search/hybrid",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
