//! Routes that a plugin registers with the host, and requests and answers on them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::abi::ResponderC;

/// Who may call a route. The host enforces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Anyone; the plugin verifies the request itself (a signed webhook).
    Public,
    /// Any caller with valid credentials.
    User,
    /// Administrators only.
    Admin,
}

/// A route of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// An absolute path; a segment `{name}` matches any one segment. A slash at its end makes another path.
    pub path: String,
    /// Who may call it.
    pub access: Access,
}

impl Route {
    /// A route.
    pub fn new(method: &str, path: &str, access: Access) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            access,
        }
    }
}

/// What the host knows of a caller's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// No valid credentials.
    Anonymous,
    /// Valid credentials.
    User,
    /// An administrator.
    Admin,
}

impl Role {
    /// Whether this role may call a route with `access`.
    #[must_use]
    pub fn may(self, access: Access) -> bool {
        self >= match access {
            Access::Public => Self::Anonymous,
            Access::User => Self::User,
            Access::Admin => Self::Admin,
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The caller's rights.
    pub role: Role,
    /// A name for audit records; empty where unknown. Never a credential.
    pub name: String,
}

/// A request on a registered route. Credentials that the host consumed are not among the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper-case method.
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query without its question mark, still percent-encoded; empty where there is none.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Who calls.
    pub caller: Caller,
}

impl Request {
    /// The first header with this lower-case name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(candidate, _)| candidate == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// An answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Headers; `content-type` should be among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// An error in Vectorizer's shape: `{"error_type", "message", "details", "status_code"}`, without details.
    #[must_use]
    pub fn json_error(status: u16, error_type: &str, message: &str) -> Self {
        Self::json(
            status,
            &json!({"error_type": error_type, "message": message, "details": null, "status_code": status}),
        )
    }
}

/// The way to answer one request, from any thread, once. Dropped unused it answers 500, so that no caller
/// waits for ever.
#[derive(Debug)]
pub struct Responder {
    raw: Option<ResponderC>,
}

impl Responder {
    /// A responder that hands the answer to `deliver`.
    pub fn new(deliver: impl FnOnce(Response) + Send + 'static) -> Self {
        Self {
            raw: Some(ResponderC::new(Box::new(deliver))),
        }
    }

    pub(crate) fn from_raw(raw: ResponderC) -> Self {
        Self { raw: Some(raw) }
    }

    #[cfg(feature = "host")]
    pub(crate) fn into_raw(mut self) -> Option<ResponderC> {
        self.raw.take()
    }

    /// Answers.
    pub fn respond(mut self, response: Response) {
        if let Some(raw) = self.raw.take() {
            raw.complete(response);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.take() {
            raw.complete(Response::json_error(
                500,
                "plugin_did_not_answer",
                "the plugin dropped the request without an answer",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_role_may_what_its_rank_allows() {
        assert!(Role::Anonymous.may(Access::Public) && !Role::Anonymous.may(Access::User));
        assert!(Role::User.may(Access::User) && !Role::User.may(Access::Admin));
        assert!(Role::Admin.may(Access::Admin) && Role::Admin.may(Access::Public));
    }

    #[test]
    fn a_dropped_responder_answers_500() {
        let (send, receive) = mpsc::channel();
        drop(Responder::new(move |response| {
            send.send(response.status).unwrap()
        }));
        assert_eq!(receive.recv().unwrap(), 500);
    }

    #[test]
    fn an_answer_arrives_once() {
        let (send, receive) = mpsc::channel();
        Responder::new(move |response| send.send(response.status).unwrap())
            .respond(Response::json(204, &json!(null)));
        assert_eq!(receive.iter().collect::<Vec<_>>(), [204]);
    }
}
