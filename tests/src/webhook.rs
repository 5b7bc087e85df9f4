//! A sender of webhooks, signed as Standard Webhooks or in the plain form, and the check of one that was sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use ureq::Agent;

use crate::TestError;

/// A secret in its configured form, for tests.
pub const SECRET: &str = "whsec_dGVzdHMgb25seTogYSBzZWNyZXQgb2Ygc29tZSBsZW5ndGg=";
/// A secret of the plain form, for tests.
pub const PLAIN_SECRET: &str = "tests only: a plain secret";

/// A sender of webhooks.
#[derive(Debug, Clone)]
pub struct Sender {
    url: String,
    agent: Agent,
}

/// A delivery, before it is sent.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where to, as `/webhooks/nexus`.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Now, as webhooks say it.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn digest(key: &[u8], signed: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    for part in signed {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn key(secret: &str) -> Vec<u8> {
    let encoded = secret.trim_start_matches("whsec_");
    STANDARD.decode(encoded).unwrap_or_default()
}

fn signature(secret: &str, id: &str, time: &str, body: &[u8]) -> String {
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", body];
    format!("v1,{}", STANDARD.encode(digest(&key(secret), &signed)))
}

/// Whether one of the signatures of a delivery is by this secret.
#[must_use]
pub fn is_signed(secret: &str, signatures: &str, id: &str, time: &str, body: &[u8]) -> bool {
    let expected = signature(secret, id, time, body);
    signatures.split(' ').any(|given| given == expected)
}

impl Delivery {
    /// A delivery with this name and body, signed with [`SECRET`] at `time`.
    #[must_use]
    pub fn standard(path: &str, id: &str, time: u64, body: &[u8]) -> Self {
        let at = time.to_string();
        let signature = signature(SECRET, id, &at, body);
        Self {
            path: path.to_owned(),
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("webhook-id".into(), id.into()),
                ("webhook-timestamp".into(), at),
                ("webhook-signature".into(), signature),
            ],
            body: body.to_vec(),
        }
    }

    /// A delivery in the plain form, signed with [`PLAIN_SECRET`].
    #[must_use]
    pub fn plain(path: &str, time: u64, body: &[u8]) -> Self {
        let hex: String = digest(PLAIN_SECRET.as_bytes(), &[body])
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            path: path.to_owned(),
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("x-nexus-timestamp".into(), time.to_string()),
                ("x-nexus-signature".into(), format!("sha256={hex}")),
            ],
            body: body.to_vec(),
        }
    }

    /// The same with another header in the place of one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }
}

impl Sender {
    /// A sender to the host at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            agent: crate::agent(Duration::from_secs(60)),
        }
    }

    /// Sends a delivery; any status is an answer.
    ///
    /// # Errors
    /// [`TestError::Http`].
    pub fn send(&self, delivery: &Delivery) -> Result<(u16, Value), TestError> {
        let url = format!("{}{}", self.url, delivery.path);
        let failed = |error: ureq::Error| TestError::Http {
            url: url.clone(),
            reason: error.to_string(),
        };
        let mut request = self.agent.post(&url);
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let mut answer = request.send(&delivery.body[..]).map_err(failed)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(failed)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

fn document(collection: &str, id: &str) -> Value {
    json!({"id": 1, "labels": ["Document"], "properties": {"collection": collection, "vector_id": id}})
}

/// The message that the node of a document was changed.
#[must_use]
pub fn node_updated(collection: &str, id: &str) -> Vec<u8> {
    let message = json!({"event_type": "node.updated", "node": document(collection, id)});
    message.to_string().into_bytes()
}

/// The message that something became of an edge between two documents of a collection: `what` is `created`, `updated` or
/// `deleted`.
#[must_use]
pub fn relationship(what: &str, kind: &str, collection: &str, source: &str, target: &str) -> Vec<u8> {
    let message = json!({
        "event_type": format!("relationship.{what}"),
        "relationship": {"id": 7, "source": 1, "target": 2, "rel_type": kind, "properties": {}},
        "source_node": document(collection, source),
        "target_node": document(collection, target),
    });
    message.to_string().into_bytes()
}
