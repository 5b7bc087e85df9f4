//! What is wrong with a configuration, each fault in a line that begins with its key.

use url::Url;

use crate::nexus::in_one_line;
use crate::strict_json::Misfit;

/// The section's name, with which every key begins.
pub(super) const SECTION: &str = "nexus_integration";

/// Why a configuration is refused: one line a fault, each beginning with its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", faults.join("; "))]
pub struct ConfigError {
    /// The faults, as `nexus_integration.similarity.top_k: 0 is out of range; allowed are 1 to 1000`.
    pub faults: Vec<String>,
}

impl ConfigError {
    /// A fault of one key.
    pub(crate) fn of_key(key: &str, reason: &str) -> Self {
        let mut faults = Faults::default();
        faults.add(key, reason);
        Self { faults: faults.0 }
    }

    /// Nothing is known to be wrong, and yet it cannot be read.
    pub(super) fn unreadable() -> Self {
        Self {
            faults: vec![format!("{SECTION}: cannot be read")],
        }
    }

    /// What is wrong with the text.
    pub(crate) fn of(Misfit { field, reason }: &Misfit) -> Self {
        let fault = match field {
            Some(field) => format!("{SECTION}.{field}: {reason}"),
            None => format!("{SECTION}: {reason}"),
        };
        Self {
            faults: vec![in_one_line(fault.chars())],
        }
    }
}

/// Collects faults.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    /// Notes what is wrong with a key; the empty one is the section itself.
    pub(super) fn add(&mut self, key: &str, reason: &str) {
        let fault = match key {
            "" => format!("{SECTION}: {reason}"),
            key => format!("{SECTION}.{key}: {reason}"),
        };
        self.0.push(in_one_line(fault.chars()));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes others over, as far as `keep` says so of their text from the key on.
    pub(super) fn append(&mut self, others: Self, keep: impl Fn(&str) -> bool) {
        let begin = SECTION.len() + 1;
        let kept = others
            .0
            .into_iter()
            .filter(|fault| fault.get(begin..).is_none_or(&keep));
        self.0.extend(kept);
    }

    pub(super) fn range(&mut self, key: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            self.add(
                key,
                &format!("{value} is out of range; allowed are {least} to {most}"),
            );
        }
    }

    pub(super) fn share(&mut self, key: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.add(key, &format!("{value} is out of range; allowed are 0 to 1"));
        }
    }

    /// `example` is one that is allowed, `credentials` where credentials belong.
    pub(super) fn http_address(&mut self, key: &str, url: &Url, example: &str, credentials: &str) {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            self.add(key, &format!("must be an http or https address, as {example}"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.add(key, &format!("must not hold credentials; use {credentials}"));
        }
    }

    pub(super) fn into_result(self) -> Result<(), ConfigError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ConfigError { faults: self.0 })
        }
    }
}
