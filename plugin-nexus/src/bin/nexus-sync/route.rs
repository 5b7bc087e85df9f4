//! What is asked of a host: a path and a query, safe to be put behind its address.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A path and a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    path: String,
    query: String,
}

impl Route {
    /// One of the host's own.
    pub(crate) fn host(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            query: String::new(),
        }
    }

    /// One of the sync's.
    pub(crate) fn sync(action: &str) -> Self {
        Self::host(&format!("/api/v1/sync/nexus/{action}"))
    }

    /// All subscriptions.
    pub(crate) fn webhooks() -> Self {
        Self::host("/api/v1/webhooks/nexus")
    }

    /// The same, and further down. The segment is one of ours, or an [`identifier`].
    pub(crate) fn then(mut self, segment: &str) -> Self {
        self.path.push('/');
        self.path.push_str(segment);
        self
    }

    /// The same with a parameter.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(name);
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        self
    }

    /// The same with a parameter that may be left out.
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The path, to be told.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Path and query.
    pub(crate) fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }
}

/// Reads a name that stands in a path. Dots and slashes would lead elsewhere.
pub(crate) fn identifier(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || !text.bytes().all(is_plain) {
        return Err("an id has letters, digits, - and _ only".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded() {
        let route = Route::sync("dead-letters/item")
            .with("collection", "a b/c&d=ä")
            .with_some("after", None)
            .with("id", "..");
        assert_eq!(
            route.target(),
            "/api/v1/sync/nexus/dead-letters/item?collection=a%20b%2Fc%26d%3D%C3%A4&id=%2E%2E"
        );
        assert_eq!(
            Route::webhooks().then("1f").then("test").target(),
            "/api/v1/webhooks/nexus/1f/test"
        );
    }

    #[test]
    fn no_id_leads_elsewhere() {
        assert_eq!(identifier("00ff-A_b").as_deref(), Ok("00ff-A_b"));
        for text in ["", ".", "..", "a/b", "a?b", "a%2fb", "ä"] {
            assert!(identifier(text).is_err(), "{text}");
        }
    }
}
