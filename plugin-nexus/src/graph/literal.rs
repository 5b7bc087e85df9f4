//! Text that may stand inside a statement.
//!
//! Nexus answers a lookup from an index only when the value is an inline literal, and no escaping
//! makes an arbitrary literal safe there. So the only text that a statement may quote is a
//! [`SafeLiteral`]:
//!
//! - it is never empty and consists of `[A-Za-z0-9._~%:/@+=-]`;
//! - its only constructors are [`SafeLiteral::encode`], which percent-encodes, and
//!   [`SafeLiteral::verify`], which refuses; a statement builder takes the type as the proof;
//! - `encode` is injective: different parts give different literals.
//!
//! Inside a part only `[A-Za-z0-9._:@+=-]` stays as it is. `/` separates parts, `%` introduces an
//! encoded byte, `~` introduces a digest; all three are encoded where they occur in the input.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest encoded part in bytes. A longer part is replaced by its digest.
pub const MAX_PART_BYTES: usize = 512;

/// Introduces the digest of a part that was too long to be spelled out.
const DIGEST_PREFIX: &str = "~sha256:";

/// Hex digits of a digest.
const DIGEST_HEX: usize = 64;

/// Why a text is no safe literal, or not one of the expected shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LiteralError {
    /// A part of a key is the empty string.
    #[error("{field} is empty")]
    Empty {
        /// The part that is empty, as the caller calls it.
        field: &'static str,
    },
    /// A byte that is not in the safe alphabet.
    #[error("byte {position} of the literal is outside the safe alphabet")]
    Alphabet {
        /// Offset of the offending byte.
        position: usize,
    },
    /// The text is safe but is not what the codec would have produced.
    #[error("the literal is not in canonical form: {what}")]
    NotCanonical {
        /// What differs.
        what: &'static str,
    },
}

/// Text from the safe alphabet; see the module documentation for what that guarantees.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SafeLiteral(String);

/// One decoded part of a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The original text.
    Text(String),
    /// Lower-case hex SHA-256 of an original that was too long; the original is not recoverable.
    Digest(String),
}

impl SafeLiteral {
    /// Encodes `parts`, each with the name it has in an error, and joins them with `/`.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when a part, or the list of parts, is empty.
    pub fn encode(parts: &[(&'static str, &str)]) -> Result<Self, LiteralError> {
        let mut text = String::new();
        for (index, (field, part)) in parts.iter().enumerate() {
            if part.is_empty() {
                return Err(LiteralError::Empty { field });
            }
            if index > 0 {
                text.push('/');
            }
            push_part(&mut text, part);
        }
        if text.is_empty() {
            return Err(LiteralError::Empty { field: "literal" });
        }
        Ok(Self(text))
    }

    /// Accepts `text` when every byte is in the safe alphabet.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] or [`LiteralError::Alphabet`].
    pub fn verify(text: impl Into<String>) -> Result<Self, LiteralError> {
        let text = text.into();
        if text.is_empty() {
            return Err(LiteralError::Empty { field: "literal" });
        }
        match text.bytes().position(|byte| !is_safe(byte)) {
            Some(position) => Err(LiteralError::Alphabet { position }),
            None => Ok(Self(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Decodes the parts; the inverse of [`SafeLiteral::encode`].
    ///
    /// # Errors
    ///
    /// [`LiteralError::NotCanonical`] when the text is not exactly what `encode` would produce.
    pub fn decode(&self) -> Result<Vec<Part>, LiteralError> {
        self.0.split('/').map(decode_part).collect()
    }
}

impl fmt::Display for SafeLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafeLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl TryFrom<String> for SafeLiteral {
    type Error = LiteralError;

    fn try_from(text: String) -> Result<Self, LiteralError> {
        Self::verify(text)
    }
}

impl From<SafeLiteral> for String {
    fn from(literal: SafeLiteral) -> Self {
        literal.0
    }
}

/// Bytes that may occur in a literal.
fn is_safe(byte: u8) -> bool {
    is_plain(byte) || matches!(byte, b'~' | b'%' | b'/')
}

/// Bytes that stand for themselves inside a part.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'+' | b'=' | b'-')
}

fn push_part(text: &mut String, part: &str) {
    let start = text.len();
    for byte in part.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            push_hex(text, byte, b"0123456789ABCDEF");
        }
        if text.len() - start > MAX_PART_BYTES {
            text.truncate(start);
            text.push_str(DIGEST_PREFIX);
            for byte in Sha256::digest(part.as_bytes()) {
                push_hex(text, byte, b"0123456789abcdef");
            }
            return;
        }
    }
}

fn push_hex(text: &mut String, byte: u8, digits: &[u8; 16]) {
    text.push(char::from(digits[usize::from(byte >> 4)]));
    text.push(char::from(digits[usize::from(byte & 15)]));
}

fn decode_part(encoded: &str) -> Result<Part, LiteralError> {
    if let Some(hex) = encoded.strip_prefix(DIGEST_PREFIX) {
        let well_formed =
            hex.len() == DIGEST_HEX && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        return if well_formed {
            Ok(Part::Digest(hex.to_owned()))
        } else {
            Err(LiteralError::NotCanonical {
                what: "a malformed digest",
            })
        };
    }
    let text = percent_decode(encoded)?;
    let mut again = String::new();
    push_part(&mut again, &text);
    if text.is_empty() || again != encoded {
        return Err(LiteralError::NotCanonical {
            what: "a part that the codec would spell differently",
        });
    }
    Ok(Part::Text(text))
}

fn percent_decode(encoded: &str) -> Result<String, LiteralError> {
    const BROKEN: LiteralError = LiteralError::NotCanonical {
        what: "a broken percent escape",
    };
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (rest.next().and_then(hex_value), rest.next().and_then(hex_value))
        else {
            return Err(BROKEN);
        };
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| LiteralError::NotCanonical {
        what: "bytes that are not UTF-8",
    })
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(part: &str) -> SafeLiteral {
        SafeLiteral::encode(&[("part", part)]).unwrap()
    }

    #[test]
    fn everything_that_could_end_a_quoted_literal_is_encoded() {
        let literal = encode("a' OR true OR 'a\\b\"\n/%~`é");
        assert_eq!(
            literal.as_str(),
            "a%27%20OR%20true%20OR%20%27a%5Cb%22%0A%2F%25%7E%60%C3%A9"
        );
    }

    #[test]
    fn an_empty_part_is_refused_by_name() {
        let refused = SafeLiteral::encode(&[("collection", "c"), ("vector id", "")]);
        assert_eq!(refused, Err(LiteralError::Empty { field: "vector id" }));
        assert!(SafeLiteral::encode(&[]).is_err());
        assert!(SafeLiteral::verify("").is_err());
    }

    #[test]
    fn verify_refuses_a_quote_and_names_the_place() {
        assert_eq!(
            SafeLiteral::verify("ab'c"),
            Err(LiteralError::Alphabet { position: 2 })
        );
        assert_eq!(
            SafeLiteral::verify("ab\u{e9}"),
            Err(LiteralError::Alphabet { position: 2 })
        );
    }

    #[test]
    fn a_part_at_the_bound_is_spelled_out_and_one_byte_more_becomes_a_digest() {
        let at_bound = "x".repeat(MAX_PART_BYTES);
        assert_eq!(encode(&at_bound).as_str(), at_bound);
        let over = encode(&"x".repeat(MAX_PART_BYTES + 1));
        // sha256 of 513 times `x`, from `printf 'x%.0s' {1..513} | sha256sum`.
        assert_eq!(over.as_str(), format!("~sha256:{OVER}"));
        assert_eq!(over.decode().unwrap(), [Part::Digest(OVER.to_owned())]);
    }

    const OVER: &str = "35ade0090e64e74d6ad04204009c23a4e34b82bdf0f4f317fbcc5f26f9b10241";

    #[test]
    fn an_id_that_looks_like_a_digest_does_not_collide_with_one() {
        let huge = "y".repeat(2_000);
        let digest = encode(&huge);
        let imitation = encode(digest.as_str());
        assert_ne!(digest, imitation);
        assert_eq!(
            imitation.decode().unwrap(),
            [Part::Text(digest.as_str().to_owned())]
        );
    }

    #[test]
    fn spellings_that_the_codec_would_not_produce_do_not_decode() {
        for text in [
            "%4",
            "%zz",
            "%41",
            "%2f",
            "%FF",
            "a//b",
            "/a",
            "a~b",
            "~sha256:00",
            "%+1",
        ] {
            let literal = SafeLiteral::verify(text).unwrap();
            assert!(
                matches!(literal.decode(), Err(LiteralError::NotCanonical { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn deserializing_checks_the_alphabet() {
        assert!(serde_json::from_str::<SafeLiteral>(r#""a'b""#).is_err());
        let literal: SafeLiteral = serde_json::from_str(r#""c1/d1""#).unwrap();
        assert_eq!(serde_json::to_string(&literal).unwrap(), r#""c1/d1""#);
    }

    proptest! {
        #[test]
        fn any_text_survives_the_round_trip(parts in prop::collection::vec("\\PC{1,40}|[\\x00-\\x7f]{1,40}", 1..4)) {
            let named: Vec<_> = parts.iter().map(|part| ("part", part.as_str())).collect();
            let literal = SafeLiteral::encode(&named).unwrap();
            prop_assert!(literal.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._~%:/@+=-".contains(&b)));
            let back: Vec<_> = parts.iter().cloned().map(Part::Text).collect();
            prop_assert_eq!(literal.decode().unwrap(), back);
        }

        #[test]
        fn different_parts_give_different_literals(
            a in prop::collection::vec("[ab/%~2F5]{1,6}", 1..4),
            b in prop::collection::vec("[ab/%~2F5]{1,6}", 1..4),
        ) {
            let encode = |parts: &[String]| {
                let named: Vec<_> = parts.iter().map(|part| ("part", part.as_str())).collect();
                SafeLiteral::encode(&named).unwrap()
            };
            prop_assert_eq!(a == b, encode(&a) == encode(&b));
        }
    }
}
