//! The API key check.
//!
//! Accepted: `Authorization: Bearer <key>`, which is read first, or `X-API-Key: <key>`. The key is compared in
//! constant time and never printed.

use std::fmt;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::NexusDevError;

/// A key that requests have to present.
#[derive(Clone)]
pub(crate) struct ApiKey(Vec<u8>);

impl ApiKey {
    /// Takes a key that a header can carry.
    ///
    /// # Errors
    /// [`NexusDevError::ApiKey`] for an empty key or one with blanks, control or non-ASCII characters.
    pub(crate) fn new(key: &str) -> Result<Self, NexusDevError> {
        let usable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        usable
            .then(|| Self(key.as_bytes().to_vec()))
            .ok_or(NexusDevError::ApiKey)
    }

    /// Checks the headers of a request.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let bearer = headers.get(header::AUTHORIZATION).map(|value| {
            let value = value.as_bytes();
            let scheme = value
                .get(..7)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
            if scheme { &value[7..] } else { value }
        });
        let presented = bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()));
        match presented {
            None => Err(Refusal::Missing),
            Some(key) if self.is(key) => Ok(()),
            Some(_) => Err(Refusal::Invalid),
        }
    }

    fn is(&self, presented: &[u8]) -> bool {
        let differing = self
            .0
            .iter()
            .zip(presented)
            .fold(0, |bits, (a, b)| bits | (a ^ b));
        self.0.len() == presented.len() && differing == 0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No key at all.
    Missing,
    /// Another key.
    Invalid,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, message) = match self {
            Self::Missing => ("AUTHENTICATION_REQUIRED", "An API key is required"),
            Self::Invalid => ("INVALID_TOKEN", "The API key is not valid"),
        };
        let body = json!({"code": code, "message": message, "details": null});
        (StatusCode::UNAUTHORIZED, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, value: &str) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        ApiKey::new("nx_secret").unwrap().check(&headers)
    }

    #[test]
    fn the_key_is_taken_from_either_header() {
        assert_eq!(check("x-api-key", "nx_secret"), Ok(()));
        assert_eq!(check("authorization", "Bearer nx_secret"), Ok(()));
        assert_eq!(check("authorization", "bearer nx_secret"), Ok(()));
    }

    #[test]
    fn a_wrong_or_missing_key_is_refused() {
        for wrong in ["nx_secre", "nx_secret2", "nx_Secret", "x"] {
            assert_eq!(check("x-api-key", wrong), Err(Refusal::Invalid));
        }
        assert_eq!(check("authorization", "Basic nx_secret"), Err(Refusal::Invalid));
        assert_eq!(
            ApiKey::new("k").unwrap().check(&HeaderMap::new()),
            Err(Refusal::Missing)
        );
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused_and_none_is_printed() {
        for key in ["", " ", "a b", "é", "a\n"] {
            assert!(ApiKey::new(key).is_err());
        }
        assert!(!format!("{:?}", ApiKey::new("nx_secret").unwrap()).contains("secret"));
    }
}
