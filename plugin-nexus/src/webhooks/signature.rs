//! Signatures of webhooks: [Standard Webhooks 1.0](https://www.standardwebhooks.com/), and a plain form for simple senders.
//!
//! | | Standard Webhooks | plain |
//! | --- | --- | --- |
//! | what is signed | `webhook-id`, `webhook-timestamp` and the body, with dots between | the body |
//! | signature | `webhook-signature: v1,<base64>`, several with spaces between | `x-nexus-signature: sha256=<hex>` |
//! | time | `webhook-timestamp`, Unix seconds | `x-nexus-timestamp`, Unix seconds |
//! | the delivery's name | `webhook-id` | signature and time |
//!
//! Invariants: every secret is tried on every signature, and none of the comparisons ends early; a delivery is genuine only with
//! a time within the tolerance, so that a replay has to be remembered for twice the tolerance and no longer.
//!
//! The plain form does not sign the time. Who holds an old delivery can send it with a new one, which makes the plugin look at
//! the documents that it names, and has no other effect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::secret::{Digest, PlainSecret, Secret};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
const PLAIN_SIGNATURE: &str = "x-nexus-signature";
const PLAIN_TIMESTAMP: &str = "x-nexus-timestamp";

/// The scheme of a signature by HMAC-SHA256.
const SCHEME: &str = "v1";
const PLAIN_SCHEME: &str = "sha256=";
/// Longest name of a delivery, in bytes.
const MAX_ID: usize = 256;
/// Signatures of one delivery that are looked at: one by each of the sender's secrets.
const MAX_SIGNATURES: usize = 16;

/// Who may have signed a delivery, and how old it may be.
#[derive(Debug, Clone, Copy)]
pub struct Keyring<'a> {
    /// Secrets of Standard Webhooks.
    pub secrets: &'a [Secret],
    /// Secrets of the plain form; none: it is not taken.
    pub plain: &'a [PlainSecret],
    /// Seconds that a delivery's time may differ from now.
    pub tolerance: u64,
}

/// Why a delivery is not genuine. Nothing is said of what it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forgery {
    /// A header is missing, is there twice, or is not text.
    #[error("{0}: is missing, or not one text")]
    Header(&'static str),
    /// A header is there and cannot be read.
    #[error("{0}: {1}")]
    Malformed(&'static str, &'static str),
    /// It was sent too long ago.
    #[error("{0}: is too long ago")]
    Stale(&'static str),
    /// It is sent in the future.
    #[error("{0}: is in the future")]
    Future(&'static str),
    /// No signature is right.
    #[error("{0}: no signature is right")]
    Mismatch(&'static str),
}

impl Forgery {
    /// The reason, for a metric.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Header(_) => "header",
            Self::Malformed(..) => "malformed",
            Self::Stale(_) => "stale",
            Self::Future(_) => "future",
            Self::Mismatch(_) => "mismatch",
        }
    }
}

/// The name of a genuine delivery: one that comes again has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub u128);

impl DeliveryId {
    fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            // Lengths first, so that no two names look alike.
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(head))
    }
}

impl Keyring<'_> {
    /// Checks a delivery that came `now` (Unix seconds).
    ///
    /// # Errors
    /// [`Forgery`].
    pub fn verify(
        &self,
        headers: &[(String, Vec<u8>)],
        body: &[u8],
        now: u64,
    ) -> Result<DeliveryId, Forgery> {
        let is_plain = header(headers, SIGNATURE).is_err() && header(headers, PLAIN_SIGNATURE).is_ok();
        if is_plain && !self.plain.is_empty() {
            self.verify_plain(headers, body, now)
        } else {
            self.verify_standard(headers, body, now)
        }
    }

    fn verify_standard(
        &self,
        headers: &[(String, Vec<u8>)],
        body: &[u8],
        now: u64,
    ) -> Result<DeliveryId, Forgery> {
        let id = header(headers, ID)?;
        if id.is_empty() || id.len() > MAX_ID {
            return Err(Forgery::Malformed(ID, "must have 1 to 256 bytes"));
        }
        let time = header(headers, TIMESTAMP)?;
        let signatures = header(headers, SIGNATURE)?;
        self.check_time(TIMESTAMP, time, now)?;
        let given: Vec<Digest> = signatures
            .split(' ')
            .take(MAX_SIGNATURES)
            .filter_map(|signature| signature.split_once(','))
            .filter(|(scheme, _)| *scheme == SCHEME)
            .filter_map(|(_, encoded)| STANDARD.decode(encoded).ok()?.try_into().ok())
            .collect();
        if given.is_empty() {
            return Err(Forgery::Malformed(SIGNATURE, "holds no signature of scheme v1"));
        }
        let signed = [id.as_bytes(), b".", time.as_bytes(), b".", body];
        let made = self.secrets.iter().filter_map(|secret| secret.digest(&signed));
        if !any_equal(made, &given) {
            return Err(Forgery::Mismatch(SIGNATURE));
        }
        Ok(DeliveryId::of(&[b"standard", id.as_bytes()]))
    }

    fn verify_plain(
        &self,
        headers: &[(String, Vec<u8>)],
        body: &[u8],
        now: u64,
    ) -> Result<DeliveryId, Forgery> {
        let time = header(headers, PLAIN_TIMESTAMP)?;
        let signature = header(headers, PLAIN_SIGNATURE)?;
        self.check_time(PLAIN_TIMESTAMP, time, now)?;
        let hex = signature.strip_prefix(PLAIN_SCHEME);
        let given = hex.and_then(from_hex).ok_or(Forgery::Malformed(
            PLAIN_SIGNATURE,
            "must be sha256= and 64 hexadecimal digits",
        ))?;
        let made = self.plain.iter().filter_map(|secret| secret.digest(&[body]));
        if !any_equal(made, &[given]) {
            return Err(Forgery::Mismatch(PLAIN_SIGNATURE));
        }
        Ok(DeliveryId::of(&[b"plain", time.as_bytes(), &given]))
    }

    fn check_time(&self, name: &'static str, text: &str, now: u64) -> Result<(), Forgery> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let time: u64 = text
            .parse()
            .ok()
            .filter(|_| is_number)
            .ok_or(Forgery::Malformed(name, "must be Unix seconds"))?;
        if time.saturating_add(self.tolerance) < now {
            return Err(Forgery::Stale(name));
        }
        if time > now.saturating_add(self.tolerance) {
            return Err(Forgery::Future(name));
        }
        Ok(())
    }
}

impl Secret {
    /// The value of `webhook-signature` for a delivery.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let time = timestamp.to_string();
        let digest = self.digest(&[id.as_bytes(), b".", time.as_bytes(), b".", body]);
        format!("{SCHEME},{}", STANDARD.encode(digest.unwrap_or_default()))
    }
}

/// The one header of this name, as text.
fn header<'a>(headers: &'a [(String, Vec<u8>)], name: &'static str) -> Result<&'a str, Forgery> {
    let mut all = headers.iter().filter(|(candidate, _)| candidate == name);
    match (all.next(), all.next()) {
        (Some((_, value)), None) => std::str::from_utf8(value).map_err(|_| Forgery::Header(name)),
        _ => Err(Forgery::Header(name)),
    }
}

/// Looks at all pairs, however early one is equal.
fn any_equal(made: impl Iterator<Item = Digest>, given: &[Digest]) -> bool {
    let mut found = subtle::Choice::from(0);
    for made in made {
        for given in given {
            found |= made.ct_eq(given);
        }
    }
    found.into()
}

fn from_hex(text: &str) -> Option<Digest> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut digest = Digest::default();
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| (digit as char).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
