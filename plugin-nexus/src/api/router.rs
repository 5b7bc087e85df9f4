//! From a request to the endpoint that answers it.
//!
//! The host has found the route and checked the caller already; both are done again here, since it costs nothing and a host may err.

use std::time::Instant;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use tracing::Instrument as _;
use vectorizer_plugin_api::correlation::HEADER;
use vectorizer_plugin_api::{Access, Request, Response, Role, Route};

use super::admission::Admission;
use super::endpoint::{Call, Endpoint, Reply};
use super::{ApiError, openapi};
use crate::correlation;
use crate::strict_json;
use crate::sync::Engine;

/// An endpoint as it is served.
#[derive(Debug)]
struct Served {
    endpoint: Endpoint,
    /// The schema of its body with all that it refers to. One that anybody may call has none, since nothing that comes to it is read before
    /// it is known to be genuine.
    form: Option<Value>,
}

impl Served {
    fn new(endpoint: Endpoint) -> Self {
        let form = match endpoint.access {
            Access::Public => None,
            Access::User | Access::Admin => endpoint.body.map(openapi::schema),
        };
        Self { endpoint, form }
    }

    /// What stands in a path for the parameters of this one's, if it is of it.
    fn place<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let mut paths = self.endpoint.paths.iter();
        paths.find_map(|pattern| place(pattern, path))
    }

    /// Refuses lists in place of objects. What is no JSON the endpoint refuses itself.
    fn check(&self, body: &[u8]) -> Result<(), ApiError> {
        let Some((form, body)) = self.form.as_ref().zip(serde_json::from_slice(body).ok()) else {
            return Ok(());
        };
        match strict_json::misplaced_lists(&body, form).into_iter().next() {
            None => Ok(()),
            Some(field) => {
                let field = if field.is_empty() { "body" } else { &field };
                Err(ApiError::field(field, "must be an object, not a list"))
            }
        }
    }
}

/// All endpoints.
#[derive(Debug)]
pub(crate) struct Router {
    served: Vec<Served>,
    admission: Admission,
    description: Vec<u8>,
}

impl Router {
    /// A router to these endpoints.
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            description: openapi::describe(&endpoints).to_string().into_bytes(),
            served: endpoints.into_iter().map(Served::new).collect(),
            admission: Admission::default(),
        }
    }

    /// The routes to be registered with the host.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Route> {
        self.served.iter().flat_map(|Served { endpoint, .. }| {
            let paths = endpoint.paths.iter();
            paths.map(|path| Route::new(endpoint.method, path.as_str(), endpoint.access))
        })
    }

    /// Answers a request. Blocks while the journal or files are worked with.
    pub(crate) fn answer(&self, engine: &Engine, request: &Request) -> Reply {
        let begun = Instant::now();
        let correlation_id = correlation::of_request(request);
        let span = tracing::info_span!(
            "request",
            correlation_id,
            method = request.method,
            path = request.path,
            caller = request.caller.name,
        );
        let reply = span.in_scope(|| self.reply(engine, request, &correlation_id));
        let finish = move |mut response: Response| {
            let took_ms = begun.elapsed().as_secs_f64() * 1e3;
            tracing::debug!(status = response.status, took_ms, "a request was answered");
            response.headers.push((HEADER.to_owned(), correlation_id));
            response
        };
        match reply {
            Reply::Now(response) => Reply::Now(span.in_scope(|| finish(response))),
            Reply::Later(response) => {
                Reply::Later(Box::pin(async move { finish(response.await) }.instrument(span)))
            }
        }
    }

    fn reply(&self, engine: &Engine, request: &Request, correlation_id: &str) -> Reply {
        match self.admit(engine, request) {
            Ok((endpoint, place)) => {
                let call = Call {
                    engine,
                    request,
                    place,
                    parameters: endpoint.parameters,
                    description: &self.description,
                    correlation_id,
                };
                (endpoint.call)(&call, endpoint.status)
            }
            Err(error) => Reply::Now(error.response()),
        }
    }

    /// The endpoint of a request that may be answered, and what its path holds.
    fn admit(&self, engine: &Engine, request: &Request) -> Result<(&Endpoint, Vec<String>), ApiError> {
        let (served, place) = self.find(request)?;
        let (endpoint, caller) = (&served.endpoint, &request.caller);
        if !caller.role.may(endpoint.access) {
            return Err(match caller.role {
                Role::Anonymous => ApiError::Unauthorized,
                Role::User | Role::Admin => ApiError::Forbidden,
            });
        }
        if endpoint.steers {
            let config = engine.context().config();
            let rate = match endpoint.method {
                "GET" => config.admin.reads_per_second,
                _ => config.admin.changes_per_second,
            };
            self.admission
                .admit(endpoint.method == "GET", caller, rate)
                .map_err(|wait| ApiError::RateLimited { wait })?;
        }
        let place: Result<Vec<String>, ApiError> = place.into_iter().map(decoded).collect();
        served.check(&request.body)?;
        Ok((endpoint, place?))
    }

    fn find<'a>(&self, request: &'a Request) -> Result<(&Served, Vec<&'a str>), ApiError> {
        let mut exists = false;
        for served in &self.served {
            if let Some(place) = served.place(&request.path) {
                if served.endpoint.method == request.method {
                    return Ok((served, place));
                }
                exists = true;
            }
        }
        Err(match exists {
            true => ApiError::Method,
            false => ApiError::NotFound("no such route"),
        })
    }
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(String::from)
        .map_err(|_| ApiError::field("path", "must be UTF-8"))
}

/// What stands in a path for the parameters of a pattern, if it is of it.
fn place<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut found = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => found.push(given),
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_stands_for_the_parameters_of_its_pattern() {
        assert_eq!(place("/a/{x}/b/{y}", "/a/1/b/%2F"), Some(vec!["1", "%2F"]));
        assert_eq!(place("/a", "/a"), Some(vec![]));
        for other in ["/a//b/1", "/a/1/b", "/a/1/b/2/3", "/b/1/b/2", ""] {
            assert_eq!(place("/a/{x}/b/{y}", other), None, "{other}");
        }
        assert_eq!(decoded("a%20b%2Fc%27%C3%A4").unwrap(), "a b/c'ä");
        assert!(decoded("%FF").is_err());
    }
}
