//! The id by which a request is known: in the server's log, at plugins, and to the client.
//!
//! It is the request's `x-correlation-id`, or else its `x-request-id`, or else drawn here. The answer carries it as
//! `x-correlation-id`, unless a plugin's answer has one of its own; plugins get it as a header of that name.
//! What an id may be is [`vectorizer_plugin_api::correlation`]'s to say.

use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::task::JoinHandle;
use tracing::Instrument;
use uuid::Uuid;
use vectorizer_plugin_api::correlation::{HEADER, HEADERS, is_usable};

/// The same routes, each request inside a span `request` with `correlation_id`, `method` and `path` (without the query), and
/// with a line at level debug at its end.
pub fn around(router: Router) -> Router {
    router.layer(from_fn(correlate))
}

/// Runs `work` on a thread that may block, where it still belongs to the request that is handled here.
pub(crate) fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

async fn correlate(mut request: Request, next: Next) -> Response {
    let id = given(request.headers()).unwrap_or_else(|| Uuid::new_v4().to_string());
    // Never fails: an id has only what a header may have.
    let value = HeaderValue::try_from(id.as_str()).ok();
    if let Some(value) = &value {
        let name = HeaderName::from_static(HEADER);
        request.headers_mut().insert(name, value.clone());
    }
    // Of the gravest level, so that a filter for warnings keeps it: they belong to a request, too.
    let span = tracing::error_span!(
        "request",
        correlation_id = id,
        method = request.method().as_str(),
        path = request.uri().path()
    );
    let handled = async move {
        let under_way = UnderWay::begin();
        let response = next.run(request).await;
        under_way.answered(response.status());
        response
    };
    let mut response = handled.instrument(span).await;
    if let Some(value) = value {
        response.headers_mut().entry(HEADER).or_insert(value);
    }
    response
}

fn given(headers: &HeaderMap) -> Option<String> {
    HEADERS
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .find(|id| is_usable(id))
        .map(str::to_owned)
}

/// A request that gets its line in the log whether it is answered or given up.
struct UnderWay {
    begun: Instant,
    answered: bool,
}

impl UnderWay {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            answered: false,
        }
    }

    fn answered(mut self, status: StatusCode) {
        self.answered = true;
        tracing::debug!(
            status = status.as_u16(),
            took_ms = self.took_ms(),
            "request answered"
        );
    }

    fn took_ms(&self) -> f64 {
        self.begun.elapsed().as_micros() as f64 / 1e3
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.answered {
            tracing::debug!(took_ms = self.took_ms(), "the client left before the answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST_ID: &str = HEADERS[1];
    /// Of the longest id.
    const LONGEST: usize = 128;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let given = given.iter();
        given
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn a_sane_id_of_the_client_is_kept() {
        let longest = "x".repeat(LONGEST);
        for id in ["a", "ticket-4711", "00-4bf9_2f.35:77/b3", &longest] {
            assert_eq!(given(&headers(&[(HEADER, id)])).as_deref(), Some(id));
            assert_eq!(given(&headers(&[(REQUEST_ID, id)])).as_deref(), Some(id));
        }
        let both = headers(&[(REQUEST_ID, "request"), (HEADER, "correlation")]);
        assert_eq!(given(&both).as_deref(), Some("correlation"));
    }

    #[test]
    fn an_id_that_could_forge_something_is_not_repeated() {
        let too_long = "x".repeat(LONGEST + 1);
        for id in ["", "a b", "a\tb", "a,b", "\"", "{", "%0a", &too_long] {
            assert_eq!(given(&headers(&[(HEADER, id)])), None, "{id}");
        }
        let mut latin = HeaderMap::new();
        latin.insert(HEADER, HeaderValue::from_bytes(b"\xe9").unwrap());
        assert_eq!(given(&latin), None);
        let second = headers(&[(HEADER, "not sane"), (REQUEST_ID, "sane")]);
        assert_eq!(given(&second).as_deref(), Some("sane"));
    }
}
