//! A route of the plugin: where it is, who may call it, what it takes and answers, and what it does.
//!
//! The types of bodies and answers describe themselves, so the description of the API ([`super::openapi`]) is made of what is
//! served.

use std::pin::Pin;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vectorizer_plugin_api::{Access, Request, Response};

use super::{ApiError, Parameter, Query};
use crate::sync::{Context, Engine};

/// Where the plugin's own routes are, and where they are, too.
pub(crate) const BASE: &str = "/api/v1/sync/nexus";
const ALIAS: &str = "/admin/sync";

/// A request to an endpoint.
pub(crate) struct Call<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) request: &'a Request,
    /// What stands in the path for its parameters, decoded, in order.
    pub(crate) place: Vec<String>,
    pub(super) parameters: &'static [Parameter],
    /// The description of the API, in JSON.
    pub(crate) description: &'a [u8],
    /// What ties it to all that comes of it.
    pub(crate) correlation_id: &'a str,
}

impl Call<'_> {
    /// What all parts share.
    pub(crate) fn context(&self) -> &Arc<Context> {
        self.engine.context()
    }

    /// The query, read strictly.
    pub(crate) fn query(&self) -> Result<Query, ApiError> {
        Query::parse(&self.request.query, self.parameters)
    }

    /// The body, read strictly.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        super::body(&self.request.body)
    }

    /// The body, read strictly; none is the default.
    pub(crate) fn body_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, ApiError> {
        match self.request.body.as_slice() {
            [] => Ok(T::default()),
            body => super::body(body),
        }
    }

    /// What stands in the path for a parameter.
    pub(crate) fn place(&self, at: usize) -> &str {
        self.place.get(at).map_or("", String::as_str)
    }
}

/// An answer that takes its time.
pub(crate) type Awaited<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send>>;

/// An answer, or one that takes its time.
pub(crate) enum Reply {
    /// It is there.
    Now(Response),
    /// It comes.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;
/// Is given the status of an answer that is no error.
type Answer = Box<dyn Fn(&Call<'_>, u16) -> Reply + Send + Sync>;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// See the [module](self).
pub(crate) struct Endpoint {
    pub(super) method: &'static str,
    /// One or more, the first counts in descriptions.
    pub(super) paths: Vec<String>,
    pub(super) access: Access,
    /// What it does, in a sentence without a full stop.
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) body: Option<SchemaOf>,
    pub(super) body_required: bool,
    /// The status of an answer that is no error.
    pub(super) status: u16,
    pub(super) answer: SchemaOf,
    /// Answers with this status, too, of the same form.
    pub(super) also: Option<u16>,
    /// Errors besides those that any route may answer.
    pub(super) errors: &'static [u16],
    /// Whether it is steering of the plugin, of which there is not much, so that its rate is limited.
    pub(super) steers: bool,
    /// Whether it stands in the description of the API: what is made for people is no part of it.
    pub(super) is_described: bool,
    pub(super) call: Answer,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} {})", self.method, self.paths.join(", "))
    }
}

/// The answer `T` with its status, or the error.
pub(crate) fn respond<T: Serialize>(status: u16, answer: Result<T, ApiError>) -> Response {
    let body = answer.and_then(|answer| {
        serde_json::to_value(answer).map_err(|error| ApiError::Internal(error.to_string()))
    });
    match body {
        Ok(body) => Response::json(status, &body),
        Err(error) => error.response(),
    }
}

impl Endpoint {
    /// Answers at once, on the thread of the call, which may block.
    pub(crate) fn new<T: Serialize + JsonSchema + 'static>(
        method: &'static str,
        path: &str,
        summary: &'static str,
        call: fn(&Call<'_>) -> Result<T, ApiError>,
    ) -> Self {
        let call = move |asked: &Call<'_>, status| Reply::Now(respond(status, call(asked)));
        Self::with(method, path, summary, schema_of::<T>, Box::new(call))
    }

    /// Answers with a status of its choice among those that are declared.
    pub(crate) fn choosing<T: Serialize + JsonSchema + 'static>(
        method: &'static str,
        path: &str,
        summary: &'static str,
        call: fn(&Call<'_>) -> Result<(u16, T), ApiError>,
    ) -> Self {
        let call = move |asked: &Call<'_>, _| {
            Reply::Now(match call(asked) {
                Ok((status, answer)) => respond(status, Ok(answer)),
                Err(error) => error.response(),
            })
        };
        Self::with(method, path, summary, schema_of::<T>, Box::new(call))
    }

    /// Reads the request at once, and answers when the work is done.
    pub(crate) fn awaited<T: Serialize + JsonSchema + Send + 'static>(
        method: &'static str,
        path: &str,
        summary: &'static str,
        call: fn(&Call<'_>) -> Result<Awaited<T>, ApiError>,
    ) -> Self {
        let call = move |asked: &Call<'_>, status| match call(asked) {
            Ok(answer) => Reply::Later(Box::pin(async move { respond(status, answer.await) })),
            Err(error) => Reply::Now(error.response()),
        };
        Self::with(method, path, summary, schema_of::<T>, Box::new(call))
    }

    /// Answers something other than JSON, or describes its answers by `T` alone.
    pub(crate) fn raw<T: JsonSchema>(
        method: &'static str,
        path: &str,
        summary: &'static str,
        call: fn(&Call<'_>) -> Response,
    ) -> Self {
        let call = move |asked: &Call<'_>, _| Reply::Now(call(asked));
        Self::with(method, path, summary, schema_of::<T>, Box::new(call))
    }

    /// Answers the same to everybody, who need no credentials for it: a file of a page. It is not described.
    pub(crate) fn file(path: &str, response: Response) -> Self {
        let call = move |_: &Call<'_>, _| Reply::Now(response.clone());
        let endpoint = Self::with("GET", path, "A file", schema_of::<()>, Box::new(call));
        Self {
            access: Access::Public,
            is_described: false,
            ..endpoint
        }
    }

    fn with(method: &'static str, path: &str, summary: &'static str, answer: SchemaOf, call: Answer) -> Self {
        Self {
            method,
            paths: vec![path.to_owned()],
            access: if method == "GET" {
                Access::User
            } else {
                Access::Admin
            },
            summary,
            parameters: &[],
            body: None,
            body_required: false,
            status: 200,
            answer,
            also: None,
            errors: &[],
            steers: false,
            is_described: true,
            call,
        }
    }

    /// The path is below [`BASE`] and its alias.
    #[must_use]
    pub(crate) fn steering(mut self) -> Self {
        let Some(path) = self.paths.pop() else {
            return self;
        };
        self.paths = [BASE, ALIAS].map(|base| format!("{base}{path}")).into();
        self.steers = true;
        self
    }

    /// Whether its path has a parameter.
    pub(crate) fn has_place(&self) -> bool {
        self.paths.iter().any(|path| path.contains('{'))
    }

    /// Who may call, where it is not users for `GET` and administrators for the rest.
    #[must_use]
    pub(crate) fn for_whom(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    #[must_use]
    pub(crate) fn asks(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    #[must_use]
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema_of::<T>);
        self.body_required = true;
        self
    }

    /// Takes a body that may be left out.
    #[must_use]
    pub(crate) fn may_take<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema_of::<T>);
        self
    }

    /// The status of an answer that is no error, where it is not 200: 201 where something was made, 202 where it is yet to be done.
    #[must_use]
    pub(crate) fn answers(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Another status that it chooses at times.
    #[must_use]
    pub(crate) fn also_answers(mut self, status: u16) -> Self {
        self.also = Some(status);
        self
    }

    #[must_use]
    pub(crate) fn refuses(mut self, errors: &'static [u16]) -> Self {
        self.errors = errors;
        self
    }
}
