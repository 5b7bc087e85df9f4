//! One line of the log, and how it hangs on the one before.

use std::io;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

const HASH: &str = ",\"hash\":\"";
const END: &str = "\"}";
const DIGITS: usize = 64;

/// What the next line hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) hash: String,
}

impl Link {
    /// Before the first line.
    pub(super) fn first() -> Self {
        Self {
            number: 0,
            hash: "0".repeat(DIGITS),
        }
    }

    /// Of a line, if its own hash is right.
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let (head, hash) = split(text).ok_or("has no hash")?;
        if digest(&format!("{head}}}")) != hash {
            return Err("was changed: its hash is another".to_owned());
        }
        let Read { number } = read(text)?;
        Ok(Self {
            number,
            hash: hash.to_owned(),
        })
    }

    /// What a line says that the one before it has.
    pub(super) fn before(text: &str) -> Result<String, String> {
        #[derive(serde::Deserialize)]
        struct Before {
            previous: String,
        }
        read::<Before>(text).map(|before| before.previous)
    }
}

#[derive(serde::Deserialize)]
struct Read {
    number: u64,
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Written<'a> {
    number: u64,
    at: &'a str,
    actor: &'a str,
    action: &'a str,
    details: &'a Value,
    previous: &'a str,
}

/// The next line, with its end, and what the one after it hangs on.
pub(super) fn line(
    last: &Link,
    at: &str,
    actor: &str,
    action: &str,
    details: &Value,
) -> io::Result<(String, Link)> {
    let number = last.number + 1;
    let text = serde_json::to_string(&Written {
        number,
        at,
        actor,
        action,
        details,
        previous: &last.hash,
    })?;
    let hash = digest(&text);
    let head = text.strip_suffix('}').unwrap_or(&text);
    Ok((format!("{head}{HASH}{hash}{END}\n"), Link { number, hash }))
}

/// A line without its hash, and the hash.
fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_suffix(END)?;
    let at = rest.len().checked_sub(DIGITS)?;
    let (head, hash) = rest.split_at_checked(at)?;
    Some((head.strip_suffix(HASH)?, hash))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
