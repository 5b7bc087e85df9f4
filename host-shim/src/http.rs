//! Plugin routes in an axum server.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request as HttpRequest;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::any;
use tokio::sync::oneshot;
use vectorizer_plugin_api::{Access, Caller, Request, Responder, Response, Role};

use crate::host::PluginHost;
use crate::routes::RouteMatch;

/// Longest body, in bytes, of a route that anybody may call: it is held in memory before anything is known of who sent it.
const PUBLIC_BODY_LIMIT: usize = 4 << 20;
/// How long a body may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Headers that carry credentials: consumed by the host, not shown to plugins.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

/// Who was denied what: an extension of answers with 401 and 403, for a server that takes note of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The caller's name; empty for the anonymous.
    pub caller: String,
    /// The method that was asked for.
    pub method: String,
    /// The path, without its query.
    pub path: String,
}

impl Denied {
    /// A request that was denied.
    #[must_use]
    pub fn of(caller: &str, method: &Method, uri: &Uri) -> Self {
        Self {
            caller: caller.to_owned(),
            method: method.to_string(),
            path: uri.path().to_owned(),
        }
    }
}

/// A router with all plugin routes, to be merged into a server's own. `classify` says who a request comes from;
/// `body_limit` is in bytes.
///
/// Answers of its own, in Vectorizer's error shape: 401 and 403 for callers without the right, 404, 405, 408, 413, and 500
/// for a plugin that gives no usable answer.
pub fn router<S>(
    host: &Arc<PluginHost>,
    body_limit: usize,
    classify: impl Fn(&Parts) -> Caller + Send + Sync + 'static,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let classify = Arc::new(classify);
    let mut paths: Vec<String> = host.routes().into_iter().map(|(_, route)| route.path).collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().fold(Router::new(), |router, path| {
        let (host, classify) = (Arc::clone(host), Arc::clone(&classify));
        let handler = move |request: HttpRequest| {
            let (host, classify) = (Arc::clone(&host), Arc::clone(&classify));
            async move {
                let (parts, body) = request.into_parts();
                let caller = classify(&parts);
                handle(&host, parts, body, caller, body_limit).await
            }
        };
        router.route(&path, any(handler))
    })
}

async fn handle(
    host: &Arc<PluginHost>,
    parts: Parts,
    body: Body,
    caller: Caller,
    body_limit: usize,
) -> HttpResponse {
    let (plugin, access) = match host.route(parts.method.as_str(), parts.uri.path()) {
        RouteMatch::Found { plugin, access } => (plugin, access),
        RouteMatch::NotFound => return error(404, "not_found", "no such route"),
        RouteMatch::MethodNotAllowed(methods) => {
            let methods = methods.join(", ");
            let message = format!("the route has other methods: {methods}");
            let mut refusal = Response::json_error(405, "method_not_allowed", &message);
            refusal.headers.push(("allow".to_owned(), methods));
            return to_http(refusal);
        }
    };
    if !caller.role.may(access) {
        let mut refusal = match caller.role {
            Role::Anonymous => error(401, "unauthorized", "credentials are missing or wrong"),
            Role::User | Role::Admin => error(403, "forbidden", "this needs an administrator's credentials"),
        };
        let denied = Denied::of(&caller.name, &parts.method, &parts.uri);
        refusal.extensions_mut().insert(denied);
        return refusal;
    }
    let body_limit = match access {
        Access::Public => body_limit.min(PUBLIC_BODY_LIMIT),
        Access::User | Access::Admin => body_limit,
    };
    let Ok(body) = tokio::time::timeout(BODY_PATIENCE, axum::body::to_bytes(body, body_limit)).await else {
        return error(
            408,
            "request_timeout",
            &format!("the body did not come within {} s", BODY_PATIENCE.as_secs()),
        );
    };
    let Ok(body) = body else {
        return error(
            413,
            "payload_too_large",
            &format!("the body could not be read, or exceeds {body_limit} bytes"),
        );
    };
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: shown(&parts.headers),
        body: body.into(),
        caller,
    };
    let (send, receive) = oneshot::channel();
    let responder = Responder::new(move |response| {
        // The client may have gone away; then nobody waits for the answer.
        let _ = send.send(response);
    });
    let host = Arc::clone(host);
    // What the plugin logs meanwhile belongs to the request.
    let span = tracing::Span::current();
    // The plugin should return at once, but a slow one must not hold up the server's other requests.
    let called =
        tokio::task::spawn_blocking(move || span.in_scope(|| host.http(&plugin, request, responder))).await;
    match (called, receive.await) {
        (Ok(()), Ok(response)) => to_http(response),
        _ => error(500, "plugin_did_not_answer", "the plugin gave no answer"),
    }
}

/// The headers that a plugin gets to see: what the server added, as the id by which it knows the request, among them.
fn shown(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn to_http(response: Response) -> HttpResponse {
    let Ok(status) = StatusCode::from_u16(response.status) else {
        return error(
            500,
            "plugin_answer_invalid",
            "the plugin answered with an invalid status",
        );
    };
    let mut answer = (status, response.body).into_response();
    answer.headers_mut().remove("content-type");
    for (name, value) in response.headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => drop(answer.headers_mut().append(name, value)),
            _ => {
                return error(
                    500,
                    "plugin_answer_invalid",
                    "the plugin answered with an invalid header",
                );
            }
        }
    }
    answer
}

fn error(status: u16, error_type: &str, message: &str) -> HttpResponse {
    to_http(Response::json_error(status, error_type, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(response: Response) -> u16 {
        to_http(response).status().as_u16()
    }

    #[test]
    fn an_answer_that_http_does_not_have_is_the_plugins_fault() {
        let good = || Response::json(418, &serde_json::json!({}));
        assert_eq!(status(good()), 418);
        let mut odd = good();
        odd.status = 7;
        assert_eq!(status(odd), 500);
        let mut split = good();
        split
            .headers
            .push(("x-one".to_owned(), "a\r\nx-two: b".to_owned()));
        assert_eq!(status(split), 500);
        let mut twice = good();
        for value in ["a", "b"] {
            twice.headers.push(("x-one".to_owned(), value.into()));
        }
        let answer = to_http(twice);
        let values: Vec<_> = answer.headers().get_all("x-one").into_iter().collect();
        assert_eq!(values, ["a", "b"]);
    }

    #[test]
    fn a_plugin_sees_the_id_of_a_request_and_no_credentials() {
        let mut headers = HeaderMap::new();
        for name in CREDENTIALS.into_iter().chain(["x-correlation-id"]) {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        assert_eq!(shown(&headers), [("x-correlation-id".to_owned(), b"v".to_vec())]);
    }

    #[test]
    fn a_route_that_no_plugin_has_is_not_found() {
        let host = Arc::new(PluginHost::none());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (parts, body) = HttpRequest::new(Body::empty()).into_parts();
        let nobody = Caller {
            role: Role::Anonymous,
            name: String::new(),
        };
        let answer = runtime.block_on(handle(&host, parts, body, nobody, 10));
        assert_eq!(answer.status(), 404);
    }
}
