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

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::Value;
use tokio::sync::oneshot;
use tower_http::timeout::TimeoutBody;
use tracing::Instrument;

use super::asked::Asked;
use super::body::{Budget, Held, PART, Read};
use super::catalogue::{Catalogue, Write};
use super::confirm::Confirmations;
use super::effects::{Effect, effects, possible_effects};
use super::ending::Ending;
use super::headers;
use super::locks::{DocumentLocks, WriteLock};
use super::metrics::{Counters, Handed};
use super::mutation::Mutation;
use super::scope::{named, scope};
use super::unanswered::Unanswered;
use crate::correlation::spawn_blocking;
use crate::rest::ApiError;

/// How long a connection to Vectorizer may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request waits for a call, or for a merge, that is under way.
const TURN: Duration = Duration::from_secs(30);

/// See the [module](self).
pub(super) struct Proxy {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
    /// How long Vectorizer may take to begin an answer.
    patience: Duration,
    max_body_bytes: usize,
    budget: Budget,
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
            budget: Budget::default(),
            catalogue,
            locks,
            confirmations,
            counters,
        }
    }

    /// Hands a request on.
    pub(super) async fn forward(self: Arc<Self>, request: Request) -> Response {
        // It asks for a tunnel to anywhere.
        if request.method() == Method::CONNECT {
            return ApiError::MethodNotAllowed.into_response();
        }
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
        let (mut parts, mut body) = request.into_parts();
        let mut asked = Asked::Unknown;
        let mut _held = Held::default();
        // What may take a collection away is read as well, so that nobody is waited for who is slow with it.
        if mutation.reads_request() || mutation.is_of_whole_collections() {
            match Read::of(self.limited(body), &self.budget).await {
                Ok(read) => {
                    asked = match read.whole() {
                        Some(body) if mutation.reads_request() => Asked::read(&mutation, body),
                        Some(_) => Asked::Unknown,
                        None => Asked::unread(&mutation),
                    };
                    (body, _held) = read.into_body();
                }
                Err(error) => {
                    let refused = Unanswered::of_request(error, self.max_body_bytes);
                    return self.unanswered(true, refused);
                }
            }
        }
        if mutation.reads_answer() {
            parts.headers.remove(ACCEPT_ENCODING);
        }
        let (write, lock) = match self.begin(&mutation, &asked).await {
            Ok(begun) => begun,
            Err(busy) => return self.unanswered(true, busy),
        };
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
        match may_have_done_something(&mutation, status) {
            true => write.done(possible_effects(&mutation, asked)),
            false => write.refused(),
        }
        response
    }

    /// A request begins, when nobody is at what it is about to change.
    async fn begin(&self, mutation: &Mutation, asked: &Asked) -> Result<(Write, WriteLock), Unanswered> {
        let mut write = self.catalogue.begin(scope(mutation, asked));
        if !write.may_go_on() {
            let (waited, is_free) = wait(move || {
                let is_free = write.wait(TURN);
                (write, is_free)
            })
            .await;
            if !is_free {
                // Whoever is at it would bring it back.
                waited.refused();
                return Err(Unanswered::refused(ApiError::Busy));
            }
            write = waited;
        }
        let lock = match self.locks.try_write(named(&self.catalogue, mutation, asked)) {
            Ok(lock) => lock,
            Err(named) => {
                let locks = Arc::clone(&self.locks);
                wait(move || locks.write(named, TURN)).await
            }
        };
        Ok((write, lock))
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
        match Read::of(body, &self.budget).await {
            Ok(read) => {
                let is_plain = !parts.headers.contains_key(CONTENT_ENCODING);
                let answer = read
                    .whole()
                    .filter(|_| is_plain)
                    .and_then(|body| serde_json::from_slice(body).ok())
                    .unwrap_or(Value::Null);
                self.settle(effects(mutation, asked, &answer), write, lock);
                let (body, _held) = read.into_body();
                Response::from_parts(parts, body)
            }
            // It was done, whatever became of the answer.
            Err(error) => {
                self.settle(possible_effects(mutation, asked), write, lock);
                self.unanswered(true, Unanswered::of_answer(error))
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
            Err(error) => return Err(Unanswered::refused(ApiError::Parse(error.to_string()))),
        };
        parts.version = axum::http::Version::HTTP_11;
        // Vectorizer's time begins when it has everything.
        let (sent, was_sent) = oneshot::channel::<()>();
        let body = Ending::new(self.limited(body), move || drop(sent));
        let request = self.client.request(Request::from_parts(parts, Body::new(body)));
        let late = async {
            let _ = was_sent.await;
            tokio::time::sleep(self.patience).await;
        };
        tokio::select! {
            answered = request => match answered {
                Ok(response) => Ok(response.map(Body::new)),
                Err(error) => Err(Unanswered::of_client(&error, self.max_body_bytes)),
            },
            () = late => Err(Unanswered::late(self.patience)),
        }
    }

    /// A body that is no longer than allowed, and does not stop coming.
    fn limited(&self, body: Body) -> Body {
        let limited = Limited::new(body, self.max_body_bytes);
        Body::new(TimeoutBody::new(PART, limited))
    }

    fn refuse_too_long(&self, request: &Request) -> Result<(), ApiError> {
        let header = request.headers().get(CONTENT_LENGTH);
        let length: Option<u64> = header.and_then(|length| length.to_str().ok()?.parse().ok());
        match length {
            Some(length) if length > self.max_body_bytes as u64 => Err(ApiError::BodyTooLarge {
                limit: self.max_body_bytes,
            }),
            _ => Ok(()),
        }
    }

    fn unanswered(&self, is_write: bool, unanswered: Unanswered) -> Response {
        self.counters.request(is_write, unanswered.handed);
        if unanswered.handed != Handed::Refused {
            let reason = unanswered.reason;
            tracing::warn!(reason, "a request got no answer of Vectorizer's");
        }
        unanswered.error.into_response()
    }
}

/// Whether an answer that is no success leaves room for a change: a text is stored chunk by chunk, and what is found wrong with one
/// comes after others are in.
fn may_have_done_something(mutation: &Mutation, status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(mutation, Mutation::Insert | Mutation::InsertMany) && status == StatusCode::BAD_REQUEST
}

/// Waits on a thread that may.
async fn wait<T: Send + 'static>(until: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(until).await {
        Ok(value) => value,
        // Waiting does not panic, and the runtime waits for whoever waits.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
