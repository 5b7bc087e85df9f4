//! What is wrong with a configuration.
//!
//! Invariant: a fault is one line that begins with its key, whatever the key or a quoted value holds.

use serde::Serialize;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigFault {
    /// The path of the key, as `plugins.allow[0].sha256`.
    pub key: String,
    /// What is wrong with it and what is allowed. Never a secret.
    pub reason: String,
}

impl ConfigFault {
    /// A fault; what would break its line becomes a space.
    pub fn new(key: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        Self {
            key: in_one_line(key.as_ref()),
            reason: in_one_line(reason.as_ref()),
        }
    }
}

fn in_one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if breaks(c) { ' ' } else { c }).collect()
}

/// Why a configuration is refused: all that was found, at least one fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", joined(faults))]
pub struct ConfigError {
    faults: Vec<ConfigFault>,
}

impl ConfigError {
    /// Refuses where there are faults.
    ///
    /// # Errors
    /// The faults, if any.
    pub fn refuse(faults: Vec<ConfigFault>) -> Result<(), Self> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self { faults })
        }
    }

    /// What a plugin says of its `section`: a fault a line. A line that begins with no key of the section is about
    /// the section as a whole.
    pub(crate) fn of_plugin(section: &str, message: &str) -> Self {
        let is_key = |key: &str| {
            key.strip_prefix(section)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let mut faults: Vec<ConfigFault> = message
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| match line.split_once(": ") {
                Some((key, reason)) if is_key(key) => ConfigFault::new(key, reason),
                _ => ConfigFault::new(section, line),
            })
            .collect();
        if faults.is_empty() {
            faults.push(ConfigFault::new(
                section,
                "the plugin refuses it and does not say why",
            ));
        }
        Self { faults }
    }

    /// What was found.
    #[must_use]
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }

    pub(crate) fn into_faults(self) -> Vec<ConfigFault> {
        self.faults
    }
}

impl From<ConfigFault> for ConfigError {
    fn from(fault: ConfigFault) -> Self {
        Self { faults: vec![fault] }
    }
}

fn joined(faults: &[ConfigFault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_faults_are_told_apart_by_lines() {
        let message = "sect.a.b: must not be x; use y\n\nsect: is empty\nsection.c: odd\nunknown field: `d`";
        let told: Vec<(String, String)> = ConfigError::of_plugin("sect", message)
            .into_faults()
            .into_iter()
            .map(|fault| (fault.key, fault.reason))
            .collect();
        let expected = [
            ("sect.a.b", "must not be x; use y"),
            ("sect", "is empty"),
            ("sect", "section.c: odd"),
            ("sect", "unknown field: `d`"),
        ];
        assert_eq!(told, expected.map(|(key, reason)| (key.into(), reason.into())));
        assert_eq!(
            ConfigError::of_plugin("sect", " \n").faults().len(),
            1,
            "never silent"
        );
    }

    #[test]
    fn a_fault_is_one_line() {
        let fault = ConfigFault::new("a\nb", "c\r\u{1b}[2J\u{2028}d");
        assert_eq!(fault.to_string(), "a b: c  [2J d");
    }

    #[test]
    fn nothing_is_refused_without_a_fault() {
        ConfigError::refuse(Vec::new()).unwrap();
        let faults = vec![ConfigFault::new("a", "x"), ConfigFault::new("b", "y")];
        let error = ConfigError::refuse(faults).unwrap_err();
        assert_eq!(error.to_string(), "a: x; b: y");
        assert_eq!(error.faults().len(), 2);
    }
}
