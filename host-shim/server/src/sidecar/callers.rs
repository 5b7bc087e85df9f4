//! Who a caller of a plugin's route is, at Vectorizer: whoever may use Vectorizer may use the plugins beside it, by the same
//! credentials.
//!
//! Invariants:
//! - Cookies are no credentials here: a page of someone else could send them along.
//! - What Vectorizer said is remembered for a short while, by a digest of the credentials.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use vectorizer_host_shim::{PluginHost, RouteMatch};
use vectorizer_plugin_api::{Access as RouteAccess, Role};

use super::api::Api;
use super::fault::CallFault;
use crate::auth::{Access, Caller};
use crate::correlation::spawn_blocking;
use crate::rest::ApiError;

/// How long a caller is known.
const KNOWN_FOR: Duration = Duration::from_secs(30);
/// How long one who is not let in is.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// Callers that are remembered at most.
const MOST: usize = 1_000;
/// The route of the server's own that anybody may read.
const SCRAPE: &str = "/prometheus/metrics";
/// Headers that carry credentials.
const CREDENTIALS: [&str; 2] = ["authorization", "x-api-key"];

/// See the [module](self).
pub(super) struct Callers {
    api: Arc<Api>,
    /// Whether everybody is administrator beside a Vectorizer where everybody is.
    is_open: bool,
    known: Mutex<HashMap<[u8; 32], (Caller, Instant)>>,
}

impl Callers {
    pub(super) fn new(api: Arc<Api>, is_open: bool) -> Self {
        Self {
            api,
            is_open,
            known: Mutex::default(),
        }
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<Caller> {
        let known = self.known.lock();
        let (caller, until) = known.get(digest)?;
        (Instant::now() < *until).then(|| caller.clone())
    }

    fn remember(&self, digest: [u8; 32], caller: &Caller) {
        let now = Instant::now();
        let age = match caller.role {
            Role::Anonymous => REFUSED_FOR,
            Role::User | Role::Admin => KNOWN_FOR,
        };
        let mut known = self.known.lock();
        if known.len() >= MOST {
            // Whoever is not let in may come with ever other credentials.
            known.retain(|_, (caller, until)| now < *until && caller.role != Role::Anonymous);
        }
        if known.len() < MOST {
            known.insert(digest, (caller.clone(), now + age));
        }
    }

    /// Asks Vectorizer. One that cannot be asked lets nobody in.
    fn ask(&self, credentials: &[(&str, String)]) -> Option<Caller> {
        let credentials: Vec<(&str, &str)> = credentials
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        match self.api.who_is(&credentials) {
            Ok(Some(me)) => Some(Caller {
                role: match me.roles.iter().any(|role| role == "Admin") {
                    true => Role::Admin,
                    false => Role::User,
                },
                name: me.username.into(),
            }),
            // Everybody may do everything there.
            Ok(None) if self.is_open => Some(Caller {
                role: Role::Admin,
                name: "local".into(),
            }),
            Ok(None)
            | Err(CallFault::Status {
                status: 401 | 403, ..
            }) => Some(Caller::anonymous()),
            Err(fault) => {
                tracing::warn!(error = %fault, "Vectorizer cannot be asked who a caller is");
                None
            }
        }
    }
}

/// What callers are recognized with.
#[derive(Clone)]
pub(super) struct Recognition {
    pub(super) access: Access,
    pub(super) callers: Arc<Callers>,
    pub(super) host: Arc<PluginHost>,
}

/// Middleware that leaves the [`Caller`] whom Vectorizer knows with the request, unless anybody may make it.
pub(super) async fn recognize(
    State(Recognition {
        access,
        callers,
        host,
    }): State<Recognition>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = host.route(request.method().as_str(), request.uri().path());
    let is_public = matches!(
        route,
        RouteMatch::Found {
            access: RouteAccess::Public,
            ..
        }
    );
    // The keys of this server are nobody else's business.
    let is_known = access.bearer(request.headers()).is_some();
    if is_public || is_known || request.uri().path() == SCRAPE {
        return next.run(request).await;
    }
    let credentials = credentials(request.headers());
    let digest = digest(&credentials);
    let caller = match callers.remembered(&digest) {
        Some(caller) => Some(caller),
        None => {
            let callers = Arc::clone(&callers);
            let asked = spawn_blocking(move || {
                let caller = callers.ask(&credentials);
                if let Some(caller) = &caller {
                    callers.remember(digest, caller);
                }
                caller
            });
            asked.await.ok().flatten()
        }
    };
    let Some(caller) = caller else {
        return ApiError::Upstream.into_response();
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn credentials(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    CREDENTIALS
        .into_iter()
        .filter_map(|name| Some((name, headers.get(name)?.to_str().ok()?.to_owned())))
        .collect()
}

fn digest(credentials: &[(&'static str, String)]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (name, value) in credentials {
        digest.update((value.len() as u64).to_le_bytes());
        digest.update(name);
        digest.update(value);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn cookies_are_no_credentials() {
        let mut headers = HeaderMap::new();
        for name in [header::COOKIE, header::AUTHORIZATION] {
            headers.insert(name, header::HeaderValue::from_static("v"));
        }
        assert_eq!(credentials(&headers), [("authorization", "v".to_owned())]);
    }

    #[test]
    fn credentials_of_different_kinds_are_different() {
        let of = |name: &'static str, value: &str| digest(&[(name, value.to_owned())]);
        assert_ne!(of("authorization", "k"), of("x-api-key", "k"));
        assert_ne!(of("x-api-key", "k"), of("x-api-key", "l"));
        assert_ne!(digest(&[]), of("x-api-key", ""));
    }
}
