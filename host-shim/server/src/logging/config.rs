//! The section `server.log` of the configuration.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

/// What is logged where nothing is said.
const DEFAULT_FILTER: &str = "info";

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// What is logged, and how it looks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines there are, as in `RUST_LOG`, which wins over it: `info,vectorizer_plugin=debug`.
    #[serde(deserialize_with = "filter")]
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            filter: DEFAULT_FILTER.to_owned(),
        }
    }
}

impl LogConfig {
    /// The filter, or the default where it cannot be used.
    pub(super) fn filter(&self) -> EnvFilter {
        EnvFilter::try_new(&self.filter).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER))
    }
}

/// A filter that can be used.
fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let reason = match EnvFilter::try_new(&text) {
        // It would take errors only, which nobody means by saying nothing.
        Ok(_) if text.trim().is_empty() => "the filter is empty".to_owned(),
        Ok(_) => return Ok(text),
        Err(error) => format!("{text:?}: {error}"),
    };
    Err(D::Error::custom(format!(
        "{reason}; allowed are such as info, off and info,vectorizer_plugin=debug"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<LogConfig, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_is_text_from_info_on() {
        let config = read(json!({})).unwrap();
        assert_eq!((config.format, config.filter.as_str()), (LogFormat::Text, "info"));
        let json = read(json!({"format": "json", "filter": "info,vectorizer_plugin=debug"})).unwrap();
        assert_eq!(json.format, LogFormat::Json);
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        for filter in ["", " ", "info,=", "vectorizer_host=loud"] {
            let refused = read(json!({ "filter": filter })).unwrap_err();
            assert!(refused.contains("allowed are such as info"), "{refused}");
        }
        assert!(read(json!({"filter": "off"})).is_ok());
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        assert!(read(json!({"level": "info"})).is_err());
        let refused = read(json!({"format": "xml"})).unwrap_err();
        assert!(refused.contains("`text` or `json`"), "{refused}");
    }
}
