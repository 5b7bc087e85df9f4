//! Secrets that webhooks are signed with.
//!
//! A secret prints as `[redacted]`, and what is wrong with one is told without quoting it. It leaves this file as a signature, and
//! one of a subscription by [`Secret::reveal`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use crate::nexus::REDACTED;

/// How a secret of Standard Webhooks begins.
const PREFIX: &str = "whsec_";
/// Bytes of a key that Standard Webhooks allows.
const STANDARD_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Bytes that a plain secret has at least: less can be guessed.
const LEAST_PLAIN: usize = 16;

/// HMAC-SHA256 of a message: 32 bytes.
pub(super) type Digest = [u8; 32];

/// The key of Standard Webhooks 1.0: `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads a secret.
    ///
    /// # Errors
    /// [`SecretError`], which does not quote it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let key = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        if !STANDARD_BYTES.contains(&key.len()) {
            return Err(SecretError::Length(key.len()));
        }
        Ok(Self(key))
    }

    /// Draws a new one.
    pub(crate) fn draw() -> Self {
        Self(rand::random::<[u8; 32]>().to_vec())
    }

    /// Its configured form: for whoever it was made for, once, and for the file it is kept in.
    pub(crate) fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    pub(super) fn digest(&self, parts: &[&[u8]]) -> Option<Digest> {
        digest(&self.0, parts)
    }
}

/// The key of the plain form: any text of at least 16 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainSecret(String);

impl PlainSecret {
    /// Takes a secret.
    ///
    /// # Errors
    /// [`SecretError`], which does not quote it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        match text.len() {
            0 => Err(SecretError::Empty),
            length if length < LEAST_PLAIN => Err(SecretError::Short),
            _ => Ok(Self(text.to_owned())),
        }
    }

    pub(super) fn digest(&self, parts: &[&[u8]]) -> Option<Digest> {
        digest(self.0.as_bytes(), parts)
    }
}

/// `None` never comes: HMAC takes keys of any length.
fn digest(key: &[u8], parts: &[&[u8]]) -> Option<Digest> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// What is wrong with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing was given, as where an environment variable is not set.
    #[error("must not be empty")]
    Empty,
    /// It is none of Standard Webhooks.
    #[error("must begin with whsec_")]
    Prefix,
    /// What follows the prefix cannot be read.
    #[error("must be base64 behind whsec_")]
    Base64,
    /// It has so many bytes.
    #[error("has {0} bytes; 24 to 64 are allowed")]
    Length(usize),
    /// It can be guessed.
    #[error("must have 16 bytes at least")]
    Short,
}

macro_rules! secret_text {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            /// Whatever is there instead of a text may be the secret: serde's message would quote it.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text =
                    String::deserialize(deserializer).map_err(|_| D::Error::custom("must be a text"))?;
                Self::parse(&text).map_err(D::Error::custom)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(REDACTED)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(REDACTED)
            }
        }
    };
}

secret_text!(Secret);
secret_text!(PlainSecret);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_used_is_refused_without_being_quoted() {
        for (text, error) in [
            ("", SecretError::Empty),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Prefix),
            ("whsec_", SecretError::Length(0)),
            ("whsec_c2hvcnQ=", SecretError::Length(5)),
            ("whsec_not base64!", SecretError::Base64),
        ] {
            assert_eq!(Secret::parse(text), Err(error), "{text}");
            let json = serde_json::Value::from(text);
            let told = serde_json::from_value::<Secret>(json).unwrap_err().to_string();
            assert!(!told.contains("c2hvcnQ") && !told.contains("MfKQ9r8"), "{told}");
        }
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert_eq!(Secret::parse(&long), Err(SecretError::Length(65)));
        assert_eq!(PlainSecret::parse(""), Err(SecretError::Empty));
        assert_eq!(PlainSecret::parse("fifteen bytes!!"), Err(SecretError::Short));
        let number = serde_json::from_value::<PlainSecret>(4_711_471_147_114_711_u64.into()).unwrap_err();
        assert!(!number.to_string().contains("4711"));
    }

    #[test]
    fn a_secret_prints_as_redacted() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let plain = PlainSecret::parse("a plain secret of some length").unwrap();
        assert_eq!(format!("{secret:?} {plain:?}"), "[redacted] [redacted]");
    }
}
