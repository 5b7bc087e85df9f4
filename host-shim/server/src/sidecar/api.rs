//! This server's own calls to Vectorizer: the routes that work (`contracts/vectorizer.md`, section 4), and none of the others.
//!
//! Invariants:
//! - Calls block. They are made on threads of plugins and of the watch, never on those that serve clients.
//! - An answer counts when it came whole and is of the agreed form.
//! - A call that finds its token forgotten is made once more with another one; one that finds Vectorizer busy waits as it is told
//!   to, a few times and a few seconds.

use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;
use vectorizer_plugin_api::model::{Fields, JsonMap};

use super::answers::{
    Aliases, Answer, Counted, Embedded, Found, GraphQl, Me, Point, RestCollections, Scrolled, Updated,
};
use super::catalogue::{Listed, Listing};
use super::config::{UpstreamConfig, UpstreamUrl};
use super::fault::CallFault;
use super::session::Session;

/// Longest answer that is read, in bytes.
const LONGEST: u64 = 1 << 30;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long calls may take that somebody waits for: who a caller is, how Vectorizer does.
const SOON: Duration = Duration::from_secs(2);
/// How long a login may take. Every call waits for it.
const LOGIN: Duration = Duration::from_secs(10);
/// How often a call is made again because Vectorizer is busy.
const BUSY_RETRIES: usize = 3;
/// How long a call waits at most before it is made again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// What of a name stays as it is in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Api {
    agent: Agent,
    url: UpstreamUrl,
    session: Session,
}

impl Api {
    pub(super) fn new(url: UpstreamUrl, config: &UpstreamConfig) -> Self {
        let settings = Agent::config_builder()
            .timeout_global(Some(config.timeout()))
            .timeout_connect(Some(CONNECT))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        Self {
            agent: settings.into(),
            url,
            session: Session::new(config),
        }
    }

    /// All collections, by the one route that lists them without reading every payload. A Vectorizer that has no GraphQL is asked by
    /// REST.
    pub(super) fn listing(&self) -> Result<Listing, CallFault> {
        const QUERY: &str =
            "{ collections { name vectorCount createdAt updatedAt config { dimension metric } } }";
        let collections = match self.post::<GraphQl>("/graphql", &json!({ "query": QUERY })) {
            Ok(GraphQl { data: Some(data) }) => data.collections.into_iter().map(Listed::from).collect(),
            Ok(GraphQl { data: None }) => {
                return Err(CallFault::Form {
                    path: "/graphql".to_owned(),
                    reason: "no collections in it".to_owned(),
                });
            }
            Err(fault) if fault.is_no_route() => {
                let listed: RestCollections = self.get("/collections")?;
                listed.collections.into_iter().map(Listed::from).collect()
            }
            Err(fault) => return Err(fault),
        };
        let aliases = match self.get::<Aliases>("/qdrant/aliases") {
            Ok(aliases) => aliases.into(),
            Err(fault) if fault.is_no_route() => std::collections::HashMap::new(),
            Err(fault) => return Err(fault),
        };
        Ok(Listing { collections, aliases })
    }

    /// The documents with these ids; absent ones are left out.
    pub(super) fn retrieve(
        &self,
        collection: &str,
        ids: &[&str],
        fields: Fields,
    ) -> Result<Vec<Point>, CallFault> {
        let body = json!({"ids": ids, "with_payload": fields.payload, "with_vector": fields.vector});
        let answer: Answer<Vec<Point>> = self.post(&qdrant(collection, "points"), &body)?;
        Ok(answer.result)
    }

    /// The documents closest to a vector. May be fewer than there are: those that were deleted are left out of the first `limit`.
    pub(super) fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Point>, CallFault> {
        let body = json!({
            "vector": vector, "limit": limit, "with_payload": fields.payload, "with_vector": fields.vector,
        });
        let answer: Answer<Vec<Point>> = self.post(&qdrant(collection, "points/search"), &body)?;
        Ok(answer.result)
    }

    /// The same by another route, which leaves ids as they are; vectors and payloads always come.
    pub(super) fn search_spelt(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        threshold: f64,
    ) -> Result<Vec<Point>, CallFault> {
        let path = format!("/collections/{}/search", utf8_percent_encode(collection, PLAIN));
        let body = json!({"vector": vector, "limit": limit, "threshold": threshold});
        let answer: Found = self.post(&path, &body)?;
        Ok(answer.results)
    }

    /// Documents from `offset` on, which is the first of them; from the start where there is no such document.
    pub(super) fn scroll(
        &self,
        collection: &str,
        offset: Option<&str>,
        limit: usize,
    ) -> Result<Scrolled, CallFault> {
        let body = json!({"limit": limit, "offset": offset});
        let answer: Answer<Scrolled> = self.post(&qdrant(collection, "points/scroll"), &body)?;
        Ok(answer.result)
    }

    pub(super) fn count(&self, collection: &str) -> Result<u64, CallFault> {
        let answer: Answer<Counted> = self.post(&qdrant(collection, "points/count"), &json!({}))?;
        Ok(answer.result.count)
    }

    /// Replaces the payload of a document. False: there is no such document.
    pub(super) fn replace_payload(
        &self,
        collection: &str,
        id: &str,
        payload: &JsonMap,
    ) -> Result<bool, CallFault> {
        let body = json!({"collection": collection, "updates": [{"id": id, "payload": payload}]});
        let answer: Updated = self.post("/batch_update", &body)?;
        match answer.results.into_iter().next() {
            Some(item) if item.status == "ok" => Ok(true),
            Some(item)
                if item
                    .error
                    .as_deref()
                    .is_some_and(|error| error.contains("not found")) =>
            {
                Ok(false)
            }
            Some(item) => Err(CallFault::Status {
                status: 200,
                error_type: item.status,
                message: item.error.unwrap_or_default(),
            }),
            None => Err(CallFault::Form {
                path: "/batch_update".to_owned(),
                reason: "no results in it".to_owned(),
            }),
        }
    }

    /// The vector of a text, by the provider that collections of texts have.
    pub(super) fn embed(&self, text: &str) -> Result<Vec<f32>, CallFault> {
        let answer: Embedded = self.post("/embed", &json!({ "text": text }))?;
        Ok(answer.embedding)
    }

    /// Who the bearer of these credentials is. `None`: Vectorizer knows no callers, since it has none configured.
    pub(super) fn who_is(&self, credentials: &[(&str, &str)]) -> Result<Option<Me>, CallFault> {
        let mut request = self
            .agent
            .get(self.url.join("/auth/me"))
            .config()
            .timeout_global(Some(SOON))
            .build();
        for (name, value) in credentials {
            request = request.header(*name, *value);
        }
        let answer = request.call().map_err(unanswered)?;
        match read("/auth/me", answer) {
            Ok(me) => Ok(Some(me)),
            Err(fault) if fault.is_no_route() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What a public route answers, as text, if it does soon.
    pub(super) fn text(&self, path: &str) -> Result<String, CallFault> {
        let request = self.agent.get(self.url.join(path)).config();
        let answer = request
            .timeout_global(Some(SOON))
            .build()
            .call()
            .map_err(unanswered)?;
        text(answer).and_then(|(status, text)| match status {
            200 => Ok(text),
            status => Err(refusal(status, &text)),
        })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallFault> {
        self.call(path, |token| {
            let request = self.agent.get(self.url.join(path));
            bearing(request, token).call()
        })
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CallFault> {
        self.call(path, |token| {
            let request = self.agent.post(self.url.join(path));
            bearing(request, token).send_json(body)
        })
    }

    fn call<T: DeserializeOwned>(
        &self,
        path: &str,
        send: impl Fn(Option<&str>) -> Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, CallFault> {
        let mut busy = 0;
        let mut is_renewed = false;
        loop {
            let token = self.session.token(Instant::now(), &|path, body, token| {
                self.authenticate(path, body, token)
            })?;
            let answer = send(token.as_deref()).map_err(unanswered)?;
            match answer.status().as_u16() {
                401 => match &token {
                    Some(token) if !is_renewed && self.session.forget(token) => is_renewed = true,
                    Some(_) => return read(path, answer),
                    None => return Err(CallFault::NoCredentials),
                },
                429 if busy < BUSY_RETRIES => {
                    busy += 1;
                    thread::sleep(wait_asked_for(&answer).min(LONGEST_WAIT));
                }
                429 => return Err(CallFault::Busy),
                _ => return read(path, answer),
            }
        }
    }

    /// A call of the session, which has no session itself.
    fn authenticate<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        token: Option<&str>,
    ) -> Result<T, CallFault> {
        let request = self.agent.post(self.url.join(path)).config();
        let request = request.timeout_global(Some(LOGIN)).build();
        let answer = bearing(request, token).send_json(body).map_err(unanswered)?;
        read(path, answer)
    }
}

fn bearing<B>(request: ureq::RequestBuilder<B>, token: Option<&str>) -> ureq::RequestBuilder<B> {
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

fn qdrant(collection: &str, rest: &str) -> String {
    format!(
        "/qdrant/collections/{}/{rest}",
        utf8_percent_encode(collection, PLAIN)
    )
}

/// How long a busy server wants to be left alone: a second where it does not say.
fn wait_asked_for(answer: &Response<ureq::Body>) -> Duration {
    let header = answer.headers().get("retry-after");
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

fn unanswered(error: ureq::Error) -> CallFault {
    CallFault::Unanswered(error.to_string())
}

fn text(mut answer: Response<ureq::Body>) -> Result<(u16, String), CallFault> {
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(LONGEST).read_to_string();
    Ok((status, text.map_err(unanswered)?))
}

fn read<T: DeserializeOwned>(path: &str, answer: Response<ureq::Body>) -> Result<T, CallFault> {
    let (status, text) = text(answer)?;
    if status != 200 {
        return Err(refusal(status, &text));
    }
    serde_json::from_str(&text).map_err(|error| CallFault::Form {
        path: path.to_owned(),
        // Without the line and column, which say nothing to whoever did not see it.
        reason: error
            .to_string()
            .split(" at line")
            .next()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// What an answer other than success says, in one of the shapes that there are.
fn refusal(status: u16, text: &str) -> CallFault {
    let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let say = |keys: [&str; 2]| {
        let found = keys.iter().find_map(|key| body[*key].as_str());
        found.unwrap_or_default().to_owned()
    };
    CallFault::Status {
        status,
        error_type: say(["error_type", "error"]),
        message: match say(["message", "error"]) {
            empty if empty.is_empty() => text.chars().take(200).collect(),
            message => message,
        },
    }
}
