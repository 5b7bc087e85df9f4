//! Who a caller is, by the key that the request carries.
//!
//! - No key configured: everyone is administrator (the server then listens on this machine only).
//! - A key configured: its bearer is administrator, the bearer of a user key is a user, all others are
//!   anonymous. Data routes need a user, admin routes the administrator.
//!
//! A key comes as `X-API-Key: k`, `Authorization: k` or `Authorization: Bearer k`. Every configured key is
//! compared, each in constant time.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::{Choice, ConstantTimeEq};

use crate::config::{ApiKey, ServerConfig};
use crate::rest::ApiError;

/// What a caller may do. Each may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Nothing that needs a key.
    Anonymous,
    /// Read and write data.
    User,
    /// Everything.
    Admin,
}

/// The keys that let callers in. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Access {
    keys: Arc<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    admin: Option<ApiKey>,
    users: Vec<ApiKey>,
}

impl From<&ServerConfig> for Access {
    fn from(config: &ServerConfig) -> Self {
        let keys = Keys {
            admin: config.api_key.clone(),
            users: config.user_api_keys.clone(),
        };
        Self { keys: Arc::new(keys) }
    }
}

impl Access {
    /// Who sent a request with these headers.
    #[must_use]
    pub fn classify(&self, headers: &HeaderMap) -> Caller {
        let Some(admin) = &self.keys.admin else {
            return Caller::Admin;
        };
        let Some(given) = given_key(headers) else {
            return Caller::Anonymous;
        };
        let is_admin = same(admin, given);
        let is_user = self
            .keys
            .users
            .iter()
            .fold(Choice::from(0), |found, key| found | same(key, given));
        if is_admin.into() {
            Caller::Admin
        } else if is_user.into() {
            Caller::User
        } else {
            Caller::Anonymous
        }
    }
}

fn same(key: &ApiKey, given: &[u8]) -> Choice {
    key.reveal().as_bytes().ct_eq(given)
}

fn given_key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes().trim_ascii());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes().trim_ascii();
    match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(key.trim_ascii()),
        _ => Some(value),
    }
}

/// Middleware for data routes: lets users and the administrator pass, and leaves the [`Caller`] to handlers.
pub async fn require_user(access: State<Access>, request: Request, next: Next) -> Response {
    require(Caller::User, access, request, next).await
}

/// Middleware for admin routes: lets only the administrator pass, and leaves the [`Caller`] to handlers.
pub async fn require_admin(access: State<Access>, request: Request, next: Next) -> Response {
    require(Caller::Admin, access, request, next).await
}

/// Middleware that lets everyone pass, and leaves the [`Caller`] to handlers.
pub async fn identify(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let caller = access.classify(request.headers());
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn require(least: Caller, State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let caller = access.classify(request.headers());
    if caller >= least {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    match caller {
        Caller::Anonymous => {
            let mut response = ApiError::Unauthorized.into_response();
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer"),
            );
            response
        }
        Caller::User | Caller::Admin => ApiError::Forbidden.into_response(),
    }
}

/// The caller that the middleware found; anonymous where none ran.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::Anonymous))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn access(config: serde_json::Value) -> Access {
        Access::from(&serde_json::from_value::<ServerConfig>(config).unwrap())
    }

    fn caller(access: &Access, name: &'static str, value: &str) -> Caller {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
        access.classify(&headers)
    }

    #[test]
    fn without_a_key_everyone_is_administrator() {
        let open = access(json!({}));
        assert_eq!(open.classify(&HeaderMap::new()), Caller::Admin);
        assert_eq!(caller(&open, "x-api-key", "anything"), Caller::Admin);
    }

    #[test]
    fn a_key_is_found_in_each_of_its_places() {
        let keyed = access(json!({"api_key": "root", "user_api_keys": ["u1", "u2"]}));
        for (header, prefix) in [
            ("x-api-key", ""),
            ("authorization", ""),
            ("authorization", "Bearer "),
            ("authorization", "bearer  "),
        ] {
            let with = |key: &str| caller(&keyed, header, &format!("{prefix}{key}"));
            assert_eq!(with("root"), Caller::Admin, "{header}: {prefix}");
            assert_eq!(with("u1"), Caller::User);
            assert_eq!(with("u2"), Caller::User);
            for wrong in ["", "roo", "roott", "Root", "u1 u2"] {
                assert_eq!(with(wrong), Caller::Anonymous, "{wrong}");
            }
        }
        assert_eq!(keyed.classify(&HeaderMap::new()), Caller::Anonymous);
        assert_eq!(caller(&keyed, "authorization", "Basic root"), Caller::Anonymous);
    }
}
