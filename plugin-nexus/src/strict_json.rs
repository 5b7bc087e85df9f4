//! JSON from outside, read strictly: the whole text is one value of the type that is asked for, and what does not fit is told by
//! its place, without a word of the text itself beyond what serde says of types and names.

use serde::de::DeserializeOwned;

/// Where a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The field, as `rows[3].name`; `None`: the text as a whole.
    pub(crate) field: Option<String>,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Reads a text.
///
/// # Errors
/// [`Misfit`] with the first field that does not fit.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Misfit> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        Misfit {
            field: (path != ".").then_some(path),
            reason: without_position(error.inner()),
        }
    })?;
    reader.end().map_err(|error| Misfit {
        field: None,
        reason: without_position(&error),
    })?;
    Ok(value)
}

/// The message without serde's position in a text that whoever reads it may never have seen.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        n: Vec<u8>,
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_place() {
        assert_eq!(parse::<Row>(br#"{"n": [1]}"#), Ok(Row { n: vec![1] }));
        for (text, field) in [
            ("", None),
            ("{} {}", None),
            (r#"{"n": [1]} x"#, None),
            (r#"{"n": [1, -1]}"#, Some("n[1]")),
            (r#"{"n": [], "m": 1}"#, Some("m")),
        ] {
            let misfit = parse::<Row>(text.as_bytes()).unwrap_err();
            assert_eq!(misfit.field.as_deref(), field, "{text}");
            assert!(!misfit.reason.contains(" at line "), "{}", misfit.reason);
        }
    }
}
