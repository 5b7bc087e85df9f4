//! The id by which a request and all that comes of it is known on both sides of the boundary.
//!
//! Invariant: an id is 1 to 128 letters, digits and `-_.:/`, so that it can stand in a header and in a log line as it is. One that is not
//! is not repeated.

/// The header in which an id comes with a request and goes with its answer.
pub const HEADER: &str = "x-correlation-id";
/// Where a request may bring its id; the first that is usable counts.
pub const HEADERS: [&str; 2] = [HEADER, "x-request-id"];
/// Longest id in bytes.
const LONGEST: usize = 128;

/// Whether an id that a caller gives can be used.
#[must_use]
pub fn is_usable(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_log_line_or_a_header_is_no_id() {
        for id in [
            "",
            "a b",
            "a\nb",
            "a\tb",
            "a,b",
            "é",
            "\"",
            "{",
            "%0a",
            &"x".repeat(129),
        ] {
            assert!(!is_usable(id), "{id}");
        }
        for id in ["a", "ticket-4711", "req-1/2_3.4:5", &"x".repeat(128)] {
            assert!(is_usable(id), "{id}");
        }
    }
}
