//! Requests handed on to Vectorizer, and what its answers tell handed to the catalogue.
//!
//! Invariants:
//! - Bytes are not changed, in neither direction; of headers only those of one hop and the `X-Forwarded-*` ones are (see
//!   [`headers`]), and an answer that is read is not asked for compressed.
//! - Only exchanges that change something are read, up to [`MOST_READ`](super::body::MOST_READ) bytes; whatever is longer, and all
//!   others, are streamed.
//! - A change is told of when its answer is complete, before the client has it, and whether or not the client is still there.
//! - A request whose outcome is not known is taken for one that may have done anything it could.
//! - A connection that is upgraded (WebSocket) is two streams of bytes from then on.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::{LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::asked::Asked;
use super::body::{BodyError, Read};
use super::catalogue::{Catalogue, Scope, Write};
use super::confirm::Confirmations;
use super::effects::{Effect, effects, possible_effects};
use super::ending::Ending;
use super::headers;
use super::locks::{DocumentLocks, Named, WriteLock};
use super::metrics::{Counters, Handed};
use super::mutation::{Mutation, Protocol};
use crate::correlation::spawn_blocking;
use crate::rest::ApiError;

/// How long a connection to Vectorizer may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request waits for a call, or for a merge, that is under way.
const TURN: Duration = Duration::from_secs(30);
/// Exchanges that are read at the same time.
const MOST_AT_ONCE: usize = 64;

/// See the [module](self).
pub(super) struct Proxy {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
    /// How long Vectorizer may take to begin an answer.
    patience: Duration,
    max_body_bytes: usize,
    reading: Semaphore,
    catalogue: Arc<Catalogue>,
    locks: Arc<DocumentLocks>,
    confirmations: Arc<Confirmations>,
    counters: Arc<Counters>,
}

/// How far requests may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) patience: Duration,
    pub(super) max_body_bytes: usize,
}

/// Why there is no answer of Vectorizer's.
#[derive(Debug)]
struct Unanswered {
    error: ApiError,
    handed: Handed,
    /// Whether Vectorizer cannot have done anything.
    is_unsent: bool,
}

impl Proxy {
    pub(super) fn new(
        upstream: Authority,
        limits: Limits,
        catalogue: Arc<Catalogue>,
        locks: Arc<DocumentLocks>,
        confirmations: Arc<Confirmations>,
        counters: Arc<Counters>,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self {
            client,
            upstream,
            patience: limits.patience,
            max_body_bytes: limits.max_body_bytes,
            reading: Semaphore::new(MOST_AT_ONCE),
            catalogue,
            locks,
            confirmations,
            counters,
        }
    }

    /// Hands a request on.
    pub(super) async fn forward(self: Arc<Self>, request: Request) -> Response {
        if let Err(error) = self.refuse_too_long(&request) {
            return error.into_response();
        }
        let Some(mutation) = Mutation::of(request.method().as_str(), request.uri().path()) else {
            return self.pass(request).await;
        };
        // To its end, even where the client leaves: what it changed has to be told of.
        let exchange = self.exchange(mutation, request).in_current_span();
        match tokio::spawn(exchange).await {
            Ok(response) => response,
            Err(error) => ApiError::Internal(error.to_string()).into_response(),
        }
    }

    /// Hands on a request that changes nothing.
    async fn pass(&self, mut request: Request) -> Response {
        let client = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let mut response = match self.send(parts, body).await {
            Ok(response) => response,
            Err(unanswered) => return self.unanswered(false, unanswered),
        };
        self.counters.request(false, Handed::Answered);
        let is_switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        headers::response(response.headers_mut(), is_switching);
        if is_switching {
            let server = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                if let (Ok(client), Ok(server)) = tokio::join!(client, server) {
                    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                    // One of them goes away in the end.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
        response
    }

    /// Hands on a request that changes something, and tells what.
    async fn exchange(self: Arc<Self>, mutation: Mutation, request: Request) -> Response {
        let Ok(_turn) = self.reading.acquire().await else {
            return ApiError::Internal("nobody closes it".to_owned()).into_response();
        };
        let (mut parts, mut body) = request.into_parts();
        let mut asked = Asked::Unknown;
        if mutation.reads_request() {
            match Read::of(Body::new(Limited::new(body, self.max_body_bytes))).await {
                Ok(read) => {
                    asked = read
                        .whole()
                        .map(|body| Asked::read(&mutation, body))
                        .unwrap_or_default();
                    body = read.into_body();
                }
                Err(error) => return self.unanswered(true, self.of_request(error)),
            }
        }
        if mutation.reads_answer() {
            parts.headers.remove(ACCEPT_ENCODING);
        }
        let (write, lock) = self.begin(&mutation, &asked).await;
        let mut response = match self.send(parts, body).await {
            Ok(response) => response,
            Err(unanswered) => {
                match unanswered.is_unsent {
                    true => write.refused(),
                    false => write.done(possible_effects(&mutation, asked)),
                }
                return self.unanswered(true, unanswered);
            }
        };
        self.counters.request(true, Handed::Answered);
        headers::response(response.headers_mut(), false);
        let status = response.status();
        if status.is_success() {
            return self.observe(&mutation, asked, write, lock, response).await;
        }
        match status.is_server_error() {
            true => write.done(possible_effects(&mutation, asked)),
            false => write.refused(),
        }
        response
    }

    /// A request begins, when nobody is at what it is about to change.
    async fn begin(&self, mutation: &Mutation, asked: &Asked) -> (Write, WriteLock) {
        let write = self.catalogue.begin(scope(mutation, asked));
        let write = match write.may_go_on() {
            true => write,
            false => {
                wait(move || {
                    if !write.wait(TURN) {
                        tracing::warn!("a request did not wait any longer for calls under way");
                    }
                    write
                })
                .await
            }
        };
        let lock = match self.locks.try_write(self.named(mutation, asked)) {
            Ok(lock) => lock,
            Err(named) => {
                let locks = Arc::clone(&self.locks);
                wait(move || locks.write(named, TURN)).await
            }
        };
        (write, lock)
    }

    /// Tells what a successful exchange changed.
    async fn observe(
        &self,
        mutation: &Mutation,
        asked: Asked,
        write: Write,
        lock: WriteLock,
        response: Response,
    ) -> Response {
        if matches!(mutation, Mutation::Command(_)) {
            // It is carried out while its answer comes.
            let effects = effects(mutation, asked, &Value::Null);
            return response.map(|body| {
                Body::new(Ending::new(body, move || {
                    drop(lock);
                    write.done(effects);
                }))
            });
        }
        if !mutation.reads_answer() {
            self.settle(effects(mutation, asked, &Value::Null), write, lock);
            return response;
        }
        let (parts, body) = response.into_parts();
        match Read::of(body).await {
            Ok(read) => {
                let is_plain = !parts.headers.contains_key(CONTENT_ENCODING);
                let answer = read
                    .whole()
                    .filter(|_| is_plain)
                    .and_then(|body| serde_json::from_slice(body).ok())
                    .unwrap_or(Value::Null);
                self.settle(effects(mutation, asked, &answer), write, lock);
                Response::from_parts(parts, read.into_body())
            }
            // It was done, whatever became of the answer.
            Err(error) => {
                self.settle(possible_effects(mutation, asked), write, lock);
                let (reason, handed) = match error {
                    BodyError::Broken(error) => (error.to_string(), Handed::Failed),
                    BodyError::Late => ("its answer stopped coming".to_owned(), Handed::Late),
                };
                self.unanswered(
                    true,
                    Unanswered {
                        error: ApiError::Upstream(reason),
                        handed,
                        is_unsent: false,
                    },
                )
            }
        }
    }

    fn settle(&self, mut effects: Vec<Effect>, write: Write, lock: WriteLock) {
        match effects.pop() {
            Some(Effect::Promised { collection, points }) => {
                self.confirmations.expect(collection, points, write, lock);
            }
            other => {
                effects.extend(other);
                write.done(effects);
            }
        }
    }

    /// Sends a request to Vectorizer.
    async fn send(&self, mut parts: Parts, body: Body) -> Result<Response, Unanswered> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip());
        headers::request(&mut parts.headers, peer);
        let path = parts.uri.path_and_query().cloned();
        let address = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.upstream.clone())
            .path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
            .build();
        parts.uri = match address {
            Ok(address) => address,
            Err(error) => {
                return Err(Unanswered {
                    error: ApiError::Parse(error.to_string()),
                    handed: Handed::Refused,
                    is_unsent: true,
                });
            }
        };
        parts.version = axum::http::Version::HTTP_11;
        let body = Body::new(Limited::new(body, self.max_body_bytes));
        let request = self.client.request(Request::from_parts(parts, body));
        match tokio::time::timeout(self.patience, request).await {
            Ok(Ok(response)) => Ok(response.map(Body::new)),
            Ok(Err(error)) => Err(self.of_client(&error)),
            Err(_) => Err(Unanswered {
                error: ApiError::UpstreamLate(self.patience),
                handed: Handed::Late,
                is_unsent: false,
            }),
        }
    }

    fn refuse_too_long(&self, request: &Request) -> Result<(), ApiError> {
        let header = request.headers().get(CONTENT_LENGTH);
        let length: Option<u64> = header.and_then(|length| length.to_str().ok()?.parse().ok());
        match length {
            Some(length) if length > self.max_body_bytes as u64 => Err(self.too_long()),
            _ => Ok(()),
        }
    }

    fn too_long(&self) -> ApiError {
        ApiError::BodyTooLarge {
            limit: self.max_body_bytes,
        }
    }

    fn of_request(&self, error: BodyError) -> Unanswered {
        let error = match error {
            BodyError::Broken(error) if is_too_long(&error) => self.too_long(),
            BodyError::Broken(error) => ApiError::Parse(format!("the request broke off: {error}")),
            BodyError::Late => ApiError::RequestLate,
        };
        Unanswered {
            error,
            handed: Handed::Refused,
            is_unsent: true,
        }
    }

    fn of_client(&self, error: &hyper_util::client::legacy::Error) -> Unanswered {
        if is_too_long(error) {
            return Unanswered {
                error: self.too_long(),
                handed: Handed::Refused,
                // A part of it was sent, which Vectorizer cannot make anything of.
                is_unsent: true,
            };
        }
        let reason = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Unanswered {
            error: ApiError::Upstream(reason),
            handed: Handed::Failed,
            is_unsent: error.is_connect(),
        }
    }

    fn unanswered(&self, is_write: bool, unanswered: Unanswered) -> Response {
        self.counters.request(is_write, unanswered.handed);
        if unanswered.handed != Handed::Refused {
            tracing::warn!(error = %unanswered.error, "a request got no answer of Vectorizer's");
        }
        unanswered.error.into_response()
    }

    /// The documents that a request names, by the canonical names of their collections. Of a collection that is not known nobody
    /// merges a document.
    fn named(&self, mutation: &Mutation, asked: &Asked) -> Vec<Named> {
        let in_body = match asked {
            Asked::Documents { ids, .. } => ids.clone(),
            Asked::Points(points) => Some(points.iter().map(|point| point.id.clone()).collect()),
            Asked::Unknown | Asked::Nothing | Asked::Drop => None,
        };
        let ids = match mutation {
            Mutation::One { id, .. } => Some(vec![id.clone()]),
            _ => in_body,
        };
        let Scope::Collections(names) = scope(mutation, asked) else {
            return Vec::new();
        };
        let canonical = names.iter().filter_map(|name| self.catalogue.canonical(name));
        canonical
            .map(|collection| Named {
                collection,
                ids: ids.clone(),
            })
            .collect()
    }
}

/// What a request may touch.
fn scope(mutation: &Mutation, asked: &Asked) -> Scope {
    let (in_body, destination) = match asked {
        Asked::Documents {
            collection,
            destination,
            ..
        } => (collection.as_ref(), destination.as_ref()),
        _ => (None, None),
    };
    match mutation {
        Mutation::Insert | Mutation::InsertMany | Mutation::Batch(_) => match in_body {
            Some(name) => Scope::Collections(vec![name.clone()]),
            None => Scope::Anywhere,
        },
        Mutation::Transfer { source, .. } => {
            let names = std::iter::once(source).chain(destination);
            Scope::Collections(names.cloned().collect())
        }
        Mutation::One { collection: name, .. }
        | Mutation::Filtered { collection: name, .. }
        | Mutation::QdrantUpsert(name)
        | Mutation::QdrantDelete(name) => Scope::Collections(vec![name.clone()]),
        Mutation::Drop(name) | Mutation::Rename(name) | Mutation::Reset(name) => Scope::Whole(name.clone()),
        Mutation::Create | Mutation::QdrantCreate(_) | Mutation::Upload => Scope::Anywhere,
        Mutation::Command(Protocol::GraphQl | Protocol::Mcp | Protocol::Umicp) => match asked {
            Asked::Drop => Scope::Everything,
            _ => Scope::Anywhere,
        },
        Mutation::Anything => Scope::Everything,
    }
}

/// Waits on a thread that may.
async fn wait<T: Send + 'static>(until: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(until).await {
        Ok(value) => value,
        // Waiting does not panic, and the runtime waits for whoever waits.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
