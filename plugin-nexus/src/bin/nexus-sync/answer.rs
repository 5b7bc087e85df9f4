//! An answer of the host, of which every byte may be wrong.
//!
//! - 2xx is a success, and its content is one JSON object;
//! - 401 and 403 are refusals;
//! - anything else is an error, with the host's words where it says any.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api_key::ApiKey;
use crate::clock::Skew;
use crate::error::Error;
use crate::terminal;

/// Characters of the host's words that are shown.
const LONGEST_MESSAGE: usize = 1_000;
/// Faults of one error that are shown.
const MOST_FAULTS: usize = 100;

/// An answer that came completely.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What was asked.
    pub(crate) route: String,
    /// The key that went along.
    pub(crate) key: Option<ApiKey>,
    /// The status.
    pub(crate) status: u16,
    /// The content.
    pub(crate) body: Vec<u8>,
    /// What the other clock says.
    pub(crate) skew: Option<Skew>,
}

impl Answer {
    /// The object, or why there is none.
    pub(crate) fn object(&self) -> Result<Value, Error> {
        match self.status {
            200..300 => self.parsed(),
            401 | 403 => Err(Error::Refused {
                status: self.status,
                message: self.fault().0,
                with_key: self.key.is_some(),
            }),
            status => {
                let (message, faults) = self.fault();
                Err(Error::Answered {
                    route: self.route.clone(),
                    status,
                    message,
                    faults,
                })
            }
        }
    }

    fn parsed(&self) -> Result<Value, Error> {
        let garbled = |reason: String| Error::Garbled {
            route: self.route.clone(),
            reason: terminal::line(&reason),
        };
        match serde_json::from_slice(&self.body) {
            Ok(object @ Value::Object(_)) => Ok(object),
            Ok(_) => Err(garbled("it is no JSON object".to_owned())),
            Err(error) => Err(garbled(format!("it is no JSON: {error}"))),
        }
    }

    /// The host's words about what went wrong, made safe, and without the key should they repeat it.
    fn fault(&self) -> (String, Vec<String>) {
        let Ok(fault @ Value::Object(_)) = serde_json::from_slice(&self.body) else {
            let text = String::from_utf8_lossy(&self.body);
            return (self.excerpt(text.trim()), Vec::new());
        };
        let faults = fault["details"]["faults"].as_array();
        let faults = faults.into_iter().flatten().take(MOST_FAULTS);
        let faults = faults.map(|fault| self.excerpt(&described(fault)));
        (self.excerpt(&words(&fault["message"])), faults.collect())
    }

    fn excerpt(&self, text: &str) -> String {
        if text.is_empty() {
            return "it gives no reason".to_owned();
        }
        let text = match &self.key {
            Some(key) => key.blank(text),
            None => text.to_owned(),
        };
        let begin: String = text.chars().take(LONGEST_MESSAGE).collect();
        terminal::line(&begin)
    }
}

/// A fault of a list: a text, or a key with a reason.
fn described(fault: &Value) -> String {
    match (fault["key"].as_str(), fault["reason"].as_str()) {
        (Some(key), Some(reason)) => format!("{key}: {reason}"),
        _ => words(fault),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Reads an object of the host, or a part of one. What does not fit is told by its place.
pub(crate) fn read<T: DeserializeOwned>(value: &Value, route: &str) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." {
            String::new()
        } else {
            format!("{path}: ")
        };
        Error::Garbled {
            route: route.to_owned(),
            reason: terminal::line(&format!("{place}{}", error.into_inner())),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer {
            route: "/x".to_owned(),
            key: None,
            status,
            body: body.to_vec(),
            skew: None,
        }
    }

    #[test]
    fn a_success_is_an_object_and_nothing_else_is() {
        assert_eq!(answer(202, b"{\"a\":1}").object().unwrap(), json!({"a": 1}));
        for body in [
            &b""[..],
            b"[]",
            b"7",
            b"null",
            b"{",
            b"{} x",
            b"\xff\xfe",
            b"<html>",
        ] {
            let error = answer(200, body).object().unwrap_err();
            assert!(matches!(error, Error::Garbled { .. }), "{error}");
        }
    }

    #[test]
    fn the_hosts_words_are_shown_and_do_nothing() {
        let body = json!({
            "error_type": "validation_error",
            "message": "two \u{1b}[2J\nfaults",
            "details": {"faults": ["a: wrong", {"key": "b", "reason": "worse"}, 7]},
        });
        let text = answer(400, body.to_string().as_bytes())
            .object()
            .unwrap_err()
            .to_string();
        assert_eq!(
            text,
            "the host answered 400 to /x: two \\u{1b}[2J\\u{a}faults\n  a: wrong\n  b: worse\n  7"
        );
        for (body, words) in [
            (&b""[..], "it gives no reason"),
            (b"Bad Gateway\n", "Bad Gateway"),
            (b"{\"message\": {\"a\": 1}}", "{\"a\":1}"),
            (b"[1]", "[1]"),
        ] {
            let text = answer(502, body).object().unwrap_err().to_string();
            assert!(text.ends_with(words), "{text}");
        }
        let long = answer(500, &vec![b'x'; 100_000]).object().unwrap_err();
        assert!(long.to_string().len() < 1_100);
    }

    #[test]
    fn refusals_are_told_apart() {
        let error = answer(403, b"{\"message\": \"no\"}").object().unwrap_err();
        assert!(matches!(error, Error::Refused { status: 403, .. }), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_place() {
        #[derive(Debug, Deserialize)]
        struct Wanted {
            #[expect(dead_code, reason = "only read")]
            n: Vec<u8>,
        }
        let error = read::<Wanted>(&json!({"n": [1, "\u{1b}x"]}), "/x")
            .unwrap_err()
            .to_string();
        assert!(error.contains("n[1]: ") && !error.contains('\u{1b}'), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(status in 100..700_u16, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(status, &body).object();
        }
    }
}
