//! From a request to the endpoint that answers it.
//!
//! The host has found the route and checked the caller already; both are done again here, since it costs nothing and a host may err.

use percent_encoding::percent_decode_str;
use vectorizer_plugin_api::{Request, Role, Route};

use super::admission::Admission;
use super::endpoint::{Call, Endpoint, Reply};
use super::{ApiError, openapi};
use crate::sync::Engine;

/// All endpoints.
#[derive(Debug)]
pub(crate) struct Router {
    endpoints: Vec<Endpoint>,
    admission: Admission,
    description: Vec<u8>,
}

impl Router {
    /// A router to these endpoints.
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            description: openapi::describe(&endpoints).to_string().into_bytes(),
            endpoints,
            admission: Admission::default(),
        }
    }

    /// The routes to be registered with the host.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Route> {
        self.endpoints.iter().flat_map(|endpoint| {
            let paths = endpoint.paths.iter();
            paths.map(|path| Route::new(endpoint.method, path.as_str(), endpoint.access))
        })
    }

    /// Answers a request. Blocks while the journal or files are worked with.
    pub(crate) fn answer(&self, engine: &Engine, request: &Request) -> Reply {
        match self.find(engine, request) {
            Ok((endpoint, place)) => (endpoint.call)(&Call {
                engine,
                request,
                place,
                parameters: endpoint.parameters,
                description: &self.description,
            }),
            Err(error) => Reply::Now(error.response()),
        }
    }

    fn find(&self, engine: &Engine, request: &Request) -> Result<(&Endpoint, Vec<String>), ApiError> {
        let fits = |endpoint: &Endpoint| {
            let mut paths = endpoint.paths.iter();
            paths.find_map(|path| place(path, &request.path))
        };
        let mut of_path = self
            .endpoints
            .iter()
            .filter_map(|endpoint| fits(endpoint).map(|place| (endpoint, place)));
        let mut exists = false;
        let found = of_path.find(|(endpoint, _)| {
            exists = true;
            endpoint.method == request.method
        });
        let Some((endpoint, place)) = found else {
            return Err(match exists {
                true => ApiError::Method,
                false => ApiError::NotFound("no such route"),
            });
        };
        let caller = &request.caller;
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
        Ok((endpoint, place?))
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
