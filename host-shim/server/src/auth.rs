//! Who a caller is, by the key that the request carries.
//!
//! - No key configured: everyone is administrator (the server then listens on this machine only).
//! - A key configured: its bearer is administrator, the bearer of a user key is a user, all others are
//!   anonymous. Data routes need a user, admin routes the administrator.
//!
//! A key comes as `X-API-Key: k`, `Authorization: k` or `Authorization: Bearer k`. Every configured key is
//! compared, each in constant time.
//!
//! Each caller has a name, for audit logs; it is told to plugins and no credential:
//!
//! | caller | name |
//! | --- | --- |
//! | bearer of `api_key` | `admin` |
//! | bearer of a user key | `user-` and the first 8 hex digits of the key's SHA-256: the same one as long as the key is |
//! | anyone, where no key is configured | `local` |
//! | anonymous | empty |
//!
//! `printf %s "$KEY" | sha256sum | cut -c -8` says which name a user key has. A name confirms a guess at its key, so
//! keys must be drawn at random.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use vectorizer_host_shim::http::Denied;
use vectorizer_plugin_api::Role;

use crate::config::{Secret, ServerConfig};
use crate::rest::ApiError;

/// Who sends a request. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What it may do: data routes need a user, admin routes the administrator.
    pub role: Role,
    /// Its name, empty for the anonymous. No credential.
    pub name: Arc<str>,
}

impl Caller {
    /// A caller without a key that is known.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            role: Role::Anonymous,
            name: Arc::default(),
        }
    }
}

/// The keys that let callers in. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Access {
    keys: Arc<Keys>,
    /// Whether callers without a key are whom the server behind knows them as.
    asks_upstream: bool,
}

#[derive(Debug, Default)]
struct Keys {
    admin: Option<Secret>,
    users: Vec<User>,
}

#[derive(Debug)]
struct User {
    key: Secret,
    name: Arc<str>,
}

impl From<&ServerConfig> for Access {
    fn from(config: &ServerConfig) -> Self {
        let user = |key: &Secret| User {
            key: key.clone(),
            name: user_name(key),
        };
        let keys = Keys {
            admin: config.api_key.clone(),
            users: config.user_api_keys.iter().map(user).collect(),
        };
        Self {
            keys: Arc::new(keys),
            asks_upstream: config.upstream.url.is_some(),
        }
    }
}

impl Access {
    /// Who sent a request with these headers. `extensions` may have the [`Caller`] whom the server behind knows.
    #[must_use]
    pub fn classify(&self, headers: &HeaderMap, extensions: &Extensions) -> Caller {
        if let Some(caller) = self.bearer(headers) {
            return caller;
        }
        match (&self.keys.admin, self.asks_upstream) {
            (_, true) => extensions.get().cloned().unwrap_or_else(Caller::anonymous),
            (Some(_), false) => Caller::anonymous(),
            (None, false) => Caller {
                role: Role::Admin,
                name: "local".into(),
            },
        }
    }

    /// Who bears one of the keys.
    pub(crate) fn bearer(&self, headers: &HeaderMap) -> Option<Caller> {
        let admin = self.keys.admin.as_ref()?;
        let given = given_key(headers)?;
        let is_admin = same(admin, given);
        let mut user = None;
        for candidate in &self.keys.users {
            if same(&candidate.key, given).into() {
                user = Some(candidate);
            }
        }
        if is_admin.into() {
            return Some(Caller {
                role: Role::Admin,
                name: "admin".into(),
            });
        }
        user.map(|user| Caller {
            role: Role::User,
            name: Arc::clone(&user.name),
        })
    }
}

fn user_name(key: &Secret) -> Arc<str> {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(key.reveal()));
    format!("user-{:08x}", u32::from_be_bytes([a, b, c, d])).into()
}

fn same(key: &Secret, given: &[u8]) -> Choice {
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
    require(Role::User, access, request, next).await
}

/// Middleware for admin routes: lets only the administrator pass, and leaves the [`Caller`] to handlers.
pub async fn require_admin(access: State<Access>, request: Request, next: Next) -> Response {
    require(Role::Admin, access, request, next).await
}

/// Middleware that lets everyone pass, and leaves the [`Caller`] to handlers.
pub async fn identify(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let caller = access.classify(request.headers(), request.extensions());
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn require(least: Role, State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let caller = access.classify(request.headers(), request.extensions());
    let role = caller.role;
    if role >= least {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let mut response = match role {
        Role::Anonymous => {
            let mut response = ApiError::Unauthorized.into_response();
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer"),
            );
            response
        }
        Role::User | Role::Admin => ApiError::Forbidden.into_response(),
    };
    let denied = Denied::of(&caller.name, request.method(), request.uri());
    response.extensions_mut().insert(denied);
    response
}

/// The caller that the middleware found; anonymous where none ran.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(Self::anonymous))
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
        access.classify(&headers, &Extensions::new())
    }

    fn admin() -> Caller {
        Caller {
            role: Role::Admin,
            name: "admin".into(),
        }
    }

    #[test]
    fn without_a_key_everyone_is_administrator() {
        let local = Caller {
            role: Role::Admin,
            name: "local".into(),
        };
        let open = access(json!({}));
        assert_eq!(open.classify(&HeaderMap::new(), &Extensions::new()), local);
        assert_eq!(caller(&open, "x-api-key", "anything"), local);
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
            assert_eq!(with("root"), admin(), "{header}: {prefix}");
            assert_eq!(with("u1").role, Role::User);
            assert_eq!(with("u2").role, Role::User);
            for wrong in ["", "roo", "roott", "Root", "u1 u2"] {
                assert_eq!(with(wrong), Caller::anonymous(), "{wrong}");
            }
        }
        assert_eq!(
            keyed.classify(&HeaderMap::new(), &Extensions::new()),
            Caller::anonymous()
        );
        assert_eq!(caller(&keyed, "authorization", "Basic root"), Caller::anonymous());
    }

    #[test]
    fn the_name_of_a_user_is_the_same_each_time_and_not_its_key() {
        let keys = json!({"api_key": "root", "user_api_keys": ["u1", "u2"]});
        // printf u1 | sha256sum
        for (key, name) in [("u1", "user-bb82030d"), ("u2", "user-6ca202c8")] {
            assert_eq!(&*caller(&access(keys.clone()), "x-api-key", key).name, name);
        }
        let elsewhere = access(json!({"api_key": "other", "user_api_keys": ["u3", "u1"]}));
        assert_eq!(&*caller(&elsewhere, "x-api-key", "u1").name, "user-bb82030d");
        assert_eq!(&*Caller::anonymous().name, "");
    }
}
