//! Reads the section such that all of its faults are told at once.
//!
//! A reader stops at the first key that does not fit. So that key is told and taken out, and the section is read again, until it
//! can be; then its values are checked. Invariant: a section in which something was taken out is never accepted.

use std::collections::HashMap;

use serde_json::{Value, json};
use serde_path_to_error::Segment;

use super::faults::Faults;
use super::{Config, ConfigError};
use crate::strict_json;

/// Most faults that are told.
const MOST: usize = 100;
/// Stands for an address that is missing, so that the rest can be looked at.
const NOWHERE: &str = "https://nowhere.invalid";

/// Reads and checks the section.
///
/// # Errors
/// [`ConfigError`].
pub(super) fn read(mut section: Value) -> Result<Config, ConfigError> {
    if !section.is_object() {
        return Err(ConfigError::of_key("", "must be a section of keys and values"));
    }
    let mut faults = Faults::default();
    for path in strict_json::misplaced_lists(&section, &Config::schema()) {
        faults.add(&path, "must be a section of keys and values");
    }
    let mut shortened = Shortened::default();
    while faults.len() < MOST {
        let error = match serde_path_to_error::deserialize::<_, Config>(&section) {
            Ok(config) => {
                let mut of_value = Faults::default();
                config.check(&mut of_value);
                // In a list that was shortened, the positions are not those of the section.
                faults.append(of_value, |fault| !shortened.is_in(fault));
                return faults.into_result().map(|()| config);
            }
            Err(error) => error,
        };
        let path: Vec<Segment> = error.path().iter().cloned().collect();
        let reason = error.inner().to_string();
        faults.add(&shortened.original(&path), &reason);
        if !mend(&mut section, &path, &reason, &mut shortened) {
            break;
        }
    }
    match faults.into_result() {
        Err(error) => Err(error),
        Ok(()) => Err(ConfigError::unreadable()),
    }
}

/// Takes out what does not fit. Answers whether that may help.
fn mend(section: &mut Value, path: &[Segment], reason: &str, shortened: &mut Shortened) -> bool {
    let Some((last, above)) = path.split_last() else {
        return match section {
            Value::Object(entries) if reason.starts_with("missing field `nexus_url`") => {
                entries.insert("nexus_url".to_owned(), json!(NOWHERE)).is_none()
            }
            _ => false,
        };
    };
    let parent = above.iter().try_fold(section, |value, segment| match segment {
        Segment::Map { key } => value.get_mut(key),
        Segment::Seq { index } => value.get_mut(index),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    match (parent, last) {
        (Some(Value::Object(entries)), Segment::Map { key }) => {
            let known = entries.remove(key).is_some();
            if key == "nexus_url" && above.is_empty() {
                entries.insert(key.clone(), json!(NOWHERE));
            }
            known
        }
        (Some(Value::Array(items)), Segment::Seq { index }) if *index < items.len() => {
            items.remove(*index);
            shortened.note(above);
            true
        }
        _ => false,
    }
}

/// From which lists something was taken out, and how often.
///
/// A list is read in order and read again after each fault, so all that was taken out of it stood before the next fault.
#[derive(Default)]
struct Shortened(HashMap<String, usize>);

impl Shortened {
    fn note(&mut self, list: &[Segment]) {
        let list = self.original(list);
        *self.0.entry(list).or_default() += 1;
    }

    /// A path with the positions that the section has, without what was taken out.
    fn original(&self, path: &[Segment]) -> String {
        let mut text = String::new();
        for segment in path {
            match segment {
                Segment::Map { key } if text.is_empty() => text.push_str(key),
                Segment::Map { key } => text = format!("{text}.{key}"),
                Segment::Seq { index } => {
                    let index = index + self.0.get(&text).copied().unwrap_or_default();
                    text = format!("{text}[{index}]");
                }
                Segment::Enum { variant } => text = format!("{text}.{variant}"),
                Segment::Unknown => text.push_str(".?"),
            }
        }
        text
    }

    fn is_in(&self, fault: &str) -> bool {
        self.0.keys().any(|list| {
            fault
                .strip_prefix(list.as_str())
                .is_some_and(|rest| rest.starts_with('['))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(section: Value) -> Vec<String> {
        read(section).unwrap_err().faults
    }

    #[test]
    fn ten_faults_of_names_types_and_values_are_told_at_once() {
        let found = faults(json!({
            "nexus_url": 7,
            "nexus_uri": "http://h",
            "sync": {"bach_size": 1, "worker_threads": "many", "retry_attempts": 0},
            "similarity": {"method": "words", "top_k": 0},
            "collections": [{"name": "a"}, {"nme": "b"}, "c", {"name": "a", "similarity": {"top_k": "x"}}],
            "poller": 3,
        }));
        let begins = [
            "nexus_integration.nexus_url: must be a text",
            "nexus_integration.nexus_uri: unknown field",
            "nexus_integration.sync.bach_size: unknown field",
            "nexus_integration.sync.worker_threads: invalid type: string \"many\"",
            "nexus_integration.similarity.method: unknown variant `words`, expected one of",
            "nexus_integration.collections[1].nme: unknown field",
            "nexus_integration.collections[1]: missing field `name`",
            "nexus_integration.collections[2]: invalid type: string \"c\"",
            "nexus_integration.collections[3].similarity.top_k: invalid type: string \"x\"",
            "nexus_integration.poller: invalid type: integer `3`",
            "nexus_integration.sync.retry_attempts: 0 is out of range; allowed are 1 to 100",
            "nexus_integration.similarity.top_k: 0 is out of range",
        ];
        for begin in begins {
            assert!(
                found.iter().any(|fault| fault.starts_with(begin)),
                "{begin}: {found:#?}"
            );
        }
        assert_eq!(found.len(), begins.len(), "{found:#?}");
    }

    #[test]
    fn a_list_is_no_section() {
        let found = faults(
            json!({"nexus_url": "http://h", "sync": [3], "similarity": {"cache": []}, "collections": [[]]}),
        );
        assert_eq!(
            found[..3],
            [
                "nexus_integration.collections[0]: must be a section of keys and values",
                "nexus_integration.similarity.cache: must be a section of keys and values",
                "nexus_integration.sync: must be a section of keys and values",
            ]
        );
    }

    #[test]
    fn a_missing_address_is_one_fault_among_others() {
        let found = faults(json!({"sync": {"batch_size": 0}}));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("missing field `nexus_url`") && found[1].contains("batch_size"));
        assert_eq!(faults(json!([])).len(), 1);
    }

    proptest! {
        #[test]
        fn any_section_is_read_or_refused_with_faults(name in "[a-z_]{1,12}", text in any::<String>(), number in any::<i64>()) {
            for value in [json!(text), json!(number), json!([number, text]), json!({ &text: number }), Value::Null] {
                for section in [json!({ &name: value }), json!({"nexus_url": value}), json!({"collections": [value, {"name": value}]}), json!({"sync": value})] {
                    if let Err(error) = read(section) {
                        prop_assert!(!error.faults.is_empty() && error.faults.len() <= MOST + 50);
                    }
                }
            }
        }
    }
}
