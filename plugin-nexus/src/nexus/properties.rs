//! What must hold of every answer, whatever the server says.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use url::Url;

use super::address::Addresses;
use super::answer::{Health, Names, Rows, Stats, parse, refuse_error};
use super::config::ApiKey;
use super::error::NexusError;
use super::exchange::retry_after;
use super::fault::{self, Blame, FaultClass};
use super::process::Process;
use super::retry::RetryPolicy;

/// Characters of a message beside the excerpt: words of ours, the name of the statement, a status.
const MAX_OWN_WORDS: usize = 100;

/// A key with what JSON has to escape in it.
const SECRET: &str = r#"nx_"topsecret\0"#;

/// Its part that no escaping changes.
const CORE: &str = "topsecret";

/// Any bytes as the answer to a statement, to `/health`, `/stats` and `/schema/labels`. The server repeats the API key for
/// each byte 255, and the key in JSON's spelling for each byte 254: neither occurs in UTF-8.
pub fn answer(bytes: &[u8], cut: usize) {
    let secret = ApiKey::new(SECRET);
    let quoted = serde_json::to_string(SECRET).unwrap();
    let body: Vec<u8> = bytes
        .split_inclusive(|byte| *byte >= 254)
        .flat_map(|piece| match piece.split_last() {
            Some((255, before)) => [before, SECRET.as_bytes()].concat(),
            Some((254, before)) => [before, &quoted.as_bytes()[1..quoted.len() - 1]].concat(),
            _ => piece.to_vec(),
        })
        .collect();
    // Only then is the core the secret's.
    let shows_secret = |error: &NexusError| {
        !bytes.windows(CORE.len()).any(|window| window == CORE.as_bytes())
            && format!("{error} {error:?}").contains(CORE)
    };
    let check = |error: NexusError| {
        assert!(!shows_secret(&error), "{error}");
        told_in_one_line(&error);
    };

    match complete(&body, cut, |body| Rows::of(body, "s", Some(&secret))) {
        Ok(rows) => {
            assert!(rows.rows().iter().all(|row| row.len() == rows.columns().len()));
            let (columns, expected) = (rows.columns().to_vec(), rows.rows().to_vec());
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            assert_eq!(rows.clone().with_columns("s", &columns), Ok(expected));
            let others = rows.clone().with_columns("s", &["other"]);
            assert_eq!(
                others.is_ok(),
                rows.rows().is_empty() || rows.columns() == ["other"]
            );
        }
        Err(error) => check(error),
    }
    match complete(&body, cut, |body| parse::<Health>(body, "health")) {
        Ok(health) => process(health),
        Err(error) => check(error),
    }
    if let Err(error) = complete(&body, cut, |body| parse::<Stats>(body, "stats")) {
        check(error);
    }
    match complete(&body, cut, |body| parse::<Names>(body, "labels")) {
        Ok(labels) => {
            if let Err(error) = refuse_error(labels.error.as_ref(), "labels", Some(&secret)) {
                check(error);
            }
        }
        Err(error) => check(error),
    }
    // The body of an error page, as `Exchange::good` shows it.
    let page = ApiKey::blanked(Some(&secret), &String::from_utf8_lossy(&body));
    check(fault::of_status(400, None, &page, "s").unwrap());
}

/// Reads an answer. What is accepted is an object, and complete: none of its beginnings is accepted, but for blanks at the
/// end.
fn complete<T>(
    body: &[u8],
    cut: usize,
    read: impl Fn(&[u8]) -> Result<T, NexusError>,
) -> Result<T, NexusError> {
    let answer = read(body)?;
    let object = body.trim_ascii();
    assert!(object.starts_with(b"{") && object.ends_with(b"}"));
    let beginning = &object[..cut % object.len()];
    assert!(read(beginning).is_err(), "cut at {}", beginning.len());
    Ok(answer)
}

fn process(health: Health) {
    let now = Instant::now();
    let Some(process) = Process::sighted(health.version, health.uptime_seconds, now, now, Timestamp::now())
    else {
        return;
    };
    assert!(process.matches_wall_clock(process.started_at(), Duration::ZERO));
    assert!(!process.is_settled() || process.is_same(&process));
    assert_eq!(process.narrowed(&process), process);
}

/// Any status, Retry-After and text of an error.
pub fn status(status: u16, retry_after_header: &[u8], text: &str) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(retry_after_header) {
        headers.insert(RETRY_AFTER, value);
    }
    let asked = retry_after(&headers);
    let policy = RetryPolicy::default();
    assert!(policy.wait(1, asked, 0.5).is_none_or(|wait| wait <= policy.cap));

    let Some(error) = fault::of_status(status, asked, text, "s") else {
        return assert_eq!(status, 200);
    };
    told_in_one_line(&error);
    let class = error.class();
    let fits = match status {
        200 => false,
        400 | 422 => is_about_a_statement(class),
        401 | 403 | 407 => class == FaultClass::Unauthorised,
        408 | 502 | 504 => class == FaultClass::Unanswered,
        413 => class == FaultClass::TooLarge,
        425 | 429 | 503 => class == FaultClass::Overloaded { retry_after: asked },
        500.. => class == FaultClass::ServerFault,
        _ => class == FaultClass::BadAnswer,
    };
    assert!(fits, "{status}: {class:?}");
    // Nobody waits for what will not pass, and nobody is asked to stop for what will.
    let passes = matches!(status, 408 | 425 | 429 | 500..) || is_about_a_statement(class);
    assert!(passes || class.blame() != Blame::Passing, "{status}: {class:?}");
}

/// Any text of an error, with status 200.
pub fn message(text: &str) {
    let error = fault::of_message(text, "s");
    told_in_one_line(&error);
    assert!(is_about_a_statement(error.class()));
    // The server puts this before some errors on some ways and not on others.
    if !text.starts_with("Execution error: ") {
        let wrapped = fault::of_message(&format!("Execution error: {text}"), "s");
        assert_eq!(wrapped.class(), error.class());
    }
}

fn is_about_a_statement(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::NotUnderstood
            | FaultClass::MissingEndpoint
            | FaultClass::ServerFault
            | FaultClass::StatementRejected
    )
}

fn told_in_one_line(error: &NexusError) {
    let told = error.to_string();
    assert!(told.chars().count() <= 240 + MAX_OWN_WORDS, "{told}");
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!told.chars().any(breaks), "{told:?}");
}

/// Whether the client can be set up for this address.
pub(crate) fn is_address(url: &Url) -> bool {
    Addresses::below(url.clone()).is_ok()
}
