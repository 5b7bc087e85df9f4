//! The id that ties a request to all that comes of it.

/// Longest id that is taken from a request.
const MAX_BYTES: usize = 128;

/// A new one, in the form of a random UUID.
#[must_use]
pub(crate) fn drawn() -> String {
    let random = rand::random::<u128>();
    // Version 4, variant 1.
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Whether an id that a caller gives may stand in log lines: short, and of plain characters.
#[must_use]
pub(crate) fn is_sane(id: &str) -> bool {
    (1..=MAX_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_id_is_a_random_uuid_and_sane() {
        let (one, other) = (drawn(), drawn());
        assert_ne!(one, other);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']),
            "{one}"
        );
        assert!(is_sane(&one));
    }

    #[test]
    fn what_could_forge_a_log_line_is_no_id() {
        for id in ["", "a b", "a\nb", "é", "\"", &"x".repeat(129)] {
            assert!(!is_sane(id), "{id}");
        }
        assert!(is_sane("req-1/2_3.4:5") && is_sane(&"x".repeat(128)));
    }
}
