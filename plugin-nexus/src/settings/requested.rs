//! What administrators set by request, in a file of its own in the plugin's folder, `settings.json`.
//!
//! Invariants:
//! - the file is replaced whole: after a crash it is the old or the new one;
//! - no secret is in it;
//! - one that cannot be read is left as it is, and nothing starts with it: what was switched off must not come on by that.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vectorizer_plugin_api::merge_patch;

use crate::domains::is_of_pattern;
use crate::strict_json::{self, Misfit};
use crate::whole_file;

const FORMAT: u32 = 1;

/// What was set by request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requested {
    /// Keys of the section, over those of the configuration file.
    pub(crate) patch: Map<String, Value>,
    /// Collections that were enabled or disabled.
    pub(crate) collections: BTreeMap<String, Toggle>,
    /// Since when nothing is written.
    pub(crate) paused: Option<Pause>,
}

/// A collection that was enabled or disabled by request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Toggle {
    pub(crate) enabled: bool,
    pub(crate) remove: bool,
    pub(crate) domain: Option<String>,
    pub(crate) auto_classify: Option<bool>,
    pub(crate) similarity_threshold: Option<f64>,
    pub(crate) similarity_top_k: Option<usize>,
}

/// Who paused the work, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Why, in that administrator's words.
    pub reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    settings: Requested,
}

impl Requested {
    /// Reads the file; one that is not there says nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        match fs::read(path) {
            Ok(text) => Self::of_text(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_text(text: &[u8]) -> Result<Self, String> {
        let Stored { format, settings } =
            strict_json::parse(text).map_err(|Misfit { field, reason }| match field {
                Some(field) => format!("{field}: {reason}"),
                None => reason,
            })?;
        match format {
            FORMAT => Ok(settings),
            other => Err(format!("format: {other} is not known; {FORMAT} is")),
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// What the file system says; the file is then as it was.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let stored = json!({"format": FORMAT, "settings": self});
        whole_file::replace(path, &serde_json::to_vec_pretty(&stored)?)
    }

    /// Puts it over a section.
    pub(crate) fn put(&self, section: &mut Value) {
        if let Some(entries) = section.as_object_mut() {
            merge_patch(entries, &self.patch);
        }
        for (name, toggle) in &self.collections {
            toggle.put(name, section);
        }
    }
}

impl Toggle {
    /// Puts it into the list of collections: into the entry of this name, else into one of its own that begins as the pattern's
    /// that fits.
    fn put(&self, name: &str, section: &mut Value) {
        let Some(entries) = section.as_object_mut() else {
            return;
        };
        let Value::Array(list) = entries.entry("collections").or_insert_with(|| json!([])) else {
            return;
        };
        let is_named = |entry: &Value| entry["name"].as_str() == Some(name);
        let fits = |entry: &Value| {
            entry["name"]
                .as_str()
                .is_some_and(|pattern| is_of_pattern(pattern, name))
        };
        let at = list.iter().position(is_named).unwrap_or_else(|| {
            let mut own = list
                .iter()
                .find(|entry| fits(entry))
                .cloned()
                .unwrap_or_else(|| json!({}));
            own["name"] = json!(name);
            list.push(own);
            list.len() - 1
        });
        let entry = &mut list[at];
        entry["enabled"] = json!(self.enabled);
        entry["remove"] = json!(self.remove && !self.enabled);
        if let Some(domain) = &self.domain {
            entry["domain"] = json!(domain);
        }
        if let Some(auto_classify) = self.auto_classify {
            entry["auto_classify"] = json!(auto_classify);
        }
        for (key, value) in [
            ("threshold", self.similarity_threshold.map(Value::from)),
            ("top_k", self.similarity_top_k.map(Value::from)),
        ] {
            if let Some(value) = value
                && (entry["similarity"].is_null() || entry["similarity"].is_object())
            {
                entry["similarity"][key] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_collection_that_is_toggled_keeps_what_its_entry_or_its_pattern_says() {
        let mut section = json!({"collections": [
            {"name": "lease-*", "similarity": {"method": "keyword"}, "domain": "legal"},
            {"name": "hr", "similarity": {"top_k": 3}},
        ]});
        let toggle = |enabled| Toggle {
            enabled,
            similarity_top_k: Some(7),
            ..Toggle::default()
        };
        let requested = Requested {
            collections: [
                ("hr".into(), toggle(false)),
                ("lease-9".into(), toggle(true)),
                ("new".into(), toggle(true)),
            ]
            .into(),
            ..Requested::default()
        };
        requested.put(&mut section);
        assert_eq!(
            section["collections"],
            json!([
                {"name": "lease-*", "similarity": {"method": "keyword"}, "domain": "legal"},
                {"name": "hr", "enabled": false, "remove": false, "similarity": {"top_k": 7}},
                {"name": "lease-9", "enabled": true, "remove": false, "similarity": {"method": "keyword", "top_k": 7}, "domain": "legal"},
                {"name": "new", "enabled": true, "remove": false, "similarity": {"top_k": 7}},
            ])
        );
    }

    #[test]
    fn the_file_is_read_as_it_was_written_and_what_is_damaged_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        assert_eq!(Requested::read(&path), Ok(Requested::default()));
        let requested = Requested {
            patch: json!({"poller": {"mode": "off"}}).as_object().cloned().unwrap(),
            collections: [("c".into(), Toggle::default())].into(),
            paused: Some(Pause {
                since: Timestamp::UNIX_EPOCH,
                by: "admin".into(),
                reason: None,
            }),
        };
        requested.write(&path).unwrap();
        assert_eq!(Requested::read(&path), Ok(requested));
        for (text, fault) in [
            ("{", "EOF"),
            (
                r#"{"format": 2, "settings": {"patch": {}, "collections": {}, "paused": null}}"#,
                "format: 2 is not known",
            ),
            (
                r#"{"format": 1, "settings": {"patch": {}, "collections": {"c": 1}, "paused": null}}"#,
                "settings.collections.c: ",
            ),
        ] {
            let told = Requested::of_text(text.as_bytes()).unwrap_err();
            assert!(told.contains(fault), "{told}");
        }
    }

    proptest! {
        #[test]
        fn no_text_and_no_section_break_it(text in any::<Vec<u8>>(), name in any::<String>()) {
            let _ = Requested::of_text(&text);
            let requested = Requested { collections: [(name.clone(), Toggle::default())].into(), ..Requested::default() };
            for mut section in [json!(null), json!({"collections": 1}), json!({"collections": [1, {"name": name, "similarity": 3}, null]})] {
                requested.put(&mut section);
            }
        }
    }
}
