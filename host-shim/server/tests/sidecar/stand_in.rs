//! A server that answers as it is told to and notes what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What it answers.
pub(crate) enum Answer {
    Json(u16, Value),
    With(u16, Vec<(&'static str, &'static str)>, Value),
    /// As long as it says, but for the second half, which never comes.
    Half(Value),
    After(Duration, Value),
    Whatever(Response),
}

impl Answer {
    async fn into_response(self) -> Response {
        match self {
            Self::Json(status, body) => answer(status, &[], &body),
            Self::With(status, headers, body) => answer(status, &headers, &body),
            Self::After(time, body) => {
                tokio::time::sleep(time).await;
                answer(200, &[], &body)
            }
            Self::Half(body) => {
                let text = body.to_string();
                let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
                let broken = stream::iter([Ok(half), Err(std::io::Error::other("broken off"))]);
                let mut response = Body::from_stream(broken.then(async |part| {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    part
                }))
                .into_response();
                let length = text.len().to_string().parse().unwrap();
                response.headers_mut().insert("content-length", length);
                response
            }
            Self::Whatever(response) => response,
        }
    }
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &Value) -> Response {
    let mut response = match body {
        // As its errors of other layers are.
        Value::String(text) if status >= 400 => text.clone().into_response(),
        body => axum::Json(body.clone()).into_response(),
    };
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

type Script = dyn Fn(&Asked) -> Option<Answer> + Send + Sync;

struct Inside {
    asked: Mutex<Vec<Asked>>,
    script: Mutex<Arc<Script>>,
    /// Name, documents, when made, when written.
    collections: Mutex<Vec<(String, u64, String, u64)>>,
}

/// See the [module](self). What its script does not answer it answers itself: the list of its collections, and 404.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
    _runtime: Runtime,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let inside = Arc::new(Inside {
            asked: Mutex::default(),
            script: Mutex::new(Arc::new(|_| None)),
            collections: Mutex::default(),
        });
        let runtime = Runtime::new().unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&inside));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            inside,
            _runtime: runtime,
        }
    }

    pub(crate) fn answers(&self, script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) {
        *self.inside.script.lock().unwrap() = Arc::new(script);
    }

    /// Answers this route so.
    pub(crate) fn answers_to(
        &self,
        method: &'static str,
        path: &'static str,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) {
        self.answers(move |asked| asked.is(method, path).then(|| answer(asked)));
    }

    /// What it lists: names, with how many documents each has and when it was written last.
    pub(crate) fn lists(&self, collections: &[(&str, u64, u64)]) {
        *self.inside.collections.lock().unwrap() = collections
            .iter()
            .map(|(name, count, written)| ((*name).to_owned(), *count, "then".to_owned(), *written))
            .collect();
    }

    /// What it was asked since the last time, but for lists of its collections.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let mut asked = std::mem::take(&mut *self.inside.asked.lock().unwrap());
        asked.retain(|asked| !is_listing(asked));
        asked
    }
}

fn is_listing(asked: &Asked) -> bool {
    asked.is("POST", "/graphql") && asked.body.windows(11).any(|part| part == b"vectorCount")
        || asked.is("GET", "/qdrant/aliases")
}

async fn serve(State(inside): State<Arc<Inside>>, request: Request) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap_or_default().into(),
    };
    inside.asked.lock().unwrap().push(asked.clone());
    let script = Arc::clone(&inside.script.lock().unwrap());
    let answer = script(&asked).unwrap_or_else(|| inside.own_answer(&asked));
    Ok(answer.into_response().await)
}

impl Inside {
    fn own_answer(&self, asked: &Asked) -> Answer {
        if asked.is("GET", "/qdrant/aliases") {
            return Answer::Json(200, json!({"aliases": []}));
        }
        if is_listing(asked) {
            let collections = self.collections.lock().unwrap();
            let listed: Vec<Value> = collections
                .iter()
                .map(|(name, count, created, written)| {
                    json!({
                        "name": name, "vectorCount": count, "createdAt": created, "updatedAt": written.to_string(),
                        "config": {"dimension": 4, "metric": "COSINE"},
                    })
                })
                .collect();
            return Answer::Json(200, json!({"data": {"collections": listed}}));
        }
        Answer::Json(
            404,
            json!({"error_type": "not_found", "message": "no such route", "status_code": 404}),
        )
    }
}
