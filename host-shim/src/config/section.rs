//! Reading a section of a configuration key by key, and lists entry by entry, so that no fault hides another.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::{ConfigError, ConfigFault};

/// A section, as far as it could be read.
#[derive(Debug, Clone)]
pub struct Section<T> {
    /// What it says; keys with a fault have their defaults here, which nobody chose.
    pub config: T,
    /// What is wrong with it.
    pub faults: Vec<ConfigFault>,
    unread: Unread,
}

/// Replaces a value before it is read, given the path of its key.
pub type Resolve<'a> = dyn Fn(&Value, &str) -> Result<Value, ConfigError> + 'a;

/// What of a section could not be read.
#[derive(Debug, Clone)]
enum Unread {
    Everything,
    Keys(BTreeSet<String>),
}

impl<T: Default + DeserializeOwned> Section<T> {
    /// Reads the section `name` out of a whole document; absent or empty it has its defaults. Every key of `T` needs
    /// one.
    pub fn read(name: &str, document: &JsonMap, resolve: &Resolve<'_>) -> Self {
        let mut section = Self {
            config: T::default(),
            faults: Vec::new(),
            unread: Unread::Keys(BTreeSet::new()),
        };
        let keys = match document.get(name) {
            None | Some(Value::Null) => return section,
            Some(Value::Object(keys)) => keys,
            Some(_) => return section.spoilt(ConfigFault::new(name, "must be a section of keys and values")),
        };
        let mut good = JsonMap::new();
        let mut unread = BTreeSet::new();
        for (key, value) in keys {
            match read_key::<T>(name, key, value, resolve) {
                Ok(resolved) => drop(good.insert(key.clone(), resolved)),
                Err(faults) => {
                    section.faults.extend(faults);
                    unread.insert(key.clone());
                }
            }
        }
        section.unread = Unread::Keys(unread);
        match serde_json::from_value(Value::Object(good)) {
            Ok(config) => Self { config, ..section },
            // Keys that are right one by one and wrong together.
            Err(error) => section.spoilt(ConfigFault::new(name, error.to_string())),
        }
    }

    fn spoilt(mut self, fault: ConfigFault) -> Self {
        self.faults.push(fault);
        self.unread = Unread::Everything;
        self
    }
}

impl<T> Section<T> {
    /// Whether [`Section::config`] has what the document says of this key, or the default of one that it leaves out.
    #[must_use]
    pub fn is_read(&self, key: &str) -> bool {
        match &self.unread {
            Unread::Everything => false,
            Unread::Keys(unread) => !unread.contains(key),
        }
    }
}

/// The value of a key, resolved, or what is wrong with it.
fn read_key<T: DeserializeOwned>(
    section: &str,
    key: &str,
    value: &Value,
    resolve: &Resolve<'_>,
) -> Result<Value, Vec<ConfigFault>> {
    let faults = match resolve(value, &format!("{section}.{key}")) {
        Ok(resolved) => match try_key::<T>(key, &resolved) {
            Ok(()) => return Ok(resolved),
            Err((path, reason)) => vec![ConfigFault::new(format!("{section}.{path}"), reason)],
        },
        Err(error) => error.into_faults(),
    };
    let within: Vec<ConfigFault> = match value {
        Value::Array(entries) => entries
            .iter()
            .enumerate()
            .flat_map(|(index, entry)| entry_faults::<T>(section, key, index, entry, resolve))
            .collect(),
        Value::Object(keys) => keys
            .iter()
            .flat_map(|(inner, value)| inner_faults::<T>(section, key, inner, value, resolve))
            .collect(),
        _ => Vec::new(),
    };
    // Without any, the list or the section within the section is wrong as a whole.
    Err(if within.is_empty() { faults } else { within })
}

fn entry_faults<T: DeserializeOwned>(
    section: &str,
    key: &str,
    index: usize,
    entry: &Value,
    resolve: &Resolve<'_>,
) -> Vec<ConfigFault> {
    let place = format!("{section}.{key}[{index}]");
    let resolved = match resolve(entry, &place) {
        Ok(resolved) => resolved,
        Err(error) => return error.into_faults(),
    };
    let Err((path, reason)) = try_key::<T>(key, &Value::Array(vec![resolved])) else {
        return Vec::new();
    };
    let within = path.strip_prefix(key).and_then(|rest| rest.strip_prefix("[0]"));
    let fault = within.map(|rest| ConfigFault::new(format!("{place}{rest}"), reason));
    fault.into_iter().collect()
}

fn inner_faults<T: DeserializeOwned>(
    section: &str,
    key: &str,
    inner: &str,
    value: &Value,
    resolve: &Resolve<'_>,
) -> Vec<ConfigFault> {
    let resolved = match resolve(value, &format!("{section}.{key}.{inner}")) {
        Ok(resolved) => resolved,
        Err(error) => return error.into_faults(),
    };
    let alone = JsonMap::from_iter([(inner.to_owned(), resolved)]);
    let Err((path, reason)) = try_key::<T>(key, &Value::Object(alone)) else {
        return Vec::new();
    };
    // A fault elsewhere comes from the keys that were left out.
    let within = path
        .strip_prefix(key)
        .and_then(|rest| rest.strip_prefix('.')?.strip_prefix(inner))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let fault = within.then(|| ConfigFault::new(format!("{section}.{path}"), reason));
    fault.into_iter().collect()
}

/// Where and why a section with this key alone cannot be read.
fn try_key<T: DeserializeOwned>(key: &str, value: &Value) -> Result<(), (String, String)> {
    let alone = JsonMap::from_iter([(key.to_owned(), value.clone())]);
    serde_path_to_error::deserialize::<_, T>(Value::Object(alone))
        .map(drop)
        .map_err(|error| {
            let path = match error.path().to_string() {
                path if path == "." => key.to_owned(),
                path => path,
            };
            (path, error.into_inner().to_string())
        })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        number: u8,
        entries: Vec<Entry>,
        flag: bool,
        inner: Inner,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        size: u8,
        deeper: Option<Entry>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        name: String,
    }

    fn read(section: Value) -> Section<Config> {
        let document = json!({ "s": section });
        Section::read("s", document.as_object().unwrap(), &|value, _| Ok(value.clone()))
    }

    fn keys(section: &Section<Config>) -> Vec<&str> {
        section.faults.iter().map(|fault| fault.key.as_str()).collect()
    }

    #[test]
    fn each_key_and_each_entry_of_a_list_has_a_fault_of_its_own() {
        let section = read(json!({
            "number": 300,
            "entries": [{"name": "a"}, {"nam": "b"}, {"name": 5}, {}],
            "flag": true,
            "odd": 1,
        }));
        let mut keys = keys(&section);
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "s.entries[1].nam",
                "s.entries[2].name",
                "s.entries[3]",
                "s.number",
                "s.odd"
            ]
        );
        assert!(section.config.flag, "what could be read is read");
        assert!(section.is_read("flag") && !section.is_read("number") && !section.is_read("entries"));
    }

    #[test]
    fn each_key_of_a_section_within_has_a_fault_of_its_own() {
        let section = read(json!({"inner": {"size": 300, "sise": 1, "deeper": {"nam": 1}}, "flag": true}));
        let mut keys = keys(&section);
        keys.sort_unstable();
        assert_eq!(keys, ["s.inner.deeper.nam", "s.inner.sise", "s.inner.size"]);
        assert!(section.config.flag && !section.is_read("inner"));
        let incomplete = read(json!({"inner": {"size": 3, "deeper": {}}}));
        assert_eq!(incomplete.faults.len(), 1);
        assert!(incomplete.faults[0].key.starts_with("s.inner.deeper"));
    }

    #[test]
    fn a_list_where_none_belongs_is_one_fault() {
        assert_eq!(keys(&read(json!({"number": [1, 2]}))), ["s.number"]);
    }

    #[test]
    fn a_section_without_keys_has_its_defaults() {
        for empty in [json!(null), json!({})] {
            let section = read(empty);
            assert!(section.faults.is_empty() && section.is_read("number"));
            assert_eq!(section.config, Config::default());
        }
    }

    #[test]
    fn what_is_no_section_is_one_fault_and_not_quoted() {
        let section = read(json!("a secret at the wrong place"));
        assert_eq!(keys(&section), ["s"]);
        assert!(!section.faults[0].reason.contains("secret") && !section.is_read("flag"));
    }

    #[test]
    fn a_value_that_cannot_be_resolved_is_a_fault_of_its_key() {
        let document = json!({"s": {"number": "x", "flag": true}});
        let resolve = |value: &Value, key: &str| match value {
            Value::String(_) => Err(ConfigFault::new(key, "unresolved").into()),
            other => Ok(other.clone()),
        };
        let section = Section::<Config>::read("s", document.as_object().unwrap(), &resolve);
        assert_eq!(keys(&section), ["s.number"]);
        assert!(section.config.flag && !section.is_read("number"));
    }
}
