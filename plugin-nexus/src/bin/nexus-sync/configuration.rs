//! The host's configuration file, as far as the sync needs it, read as the host and the plugin read it: with the environment, and with
//! what was set by request.
//!
//! Invariant: no message repeats a value of the file, which may be a secret; neither does it show the lines around a fault.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vectorizer_host_shim::PluginsConfig;
use vectorizer_host_shim::config::expand;
use vectorizer_plugin_api::model::JsonMap;
use vectorizer_plugin_nexus::config::Config;
use vectorizer_plugin_nexus::settings::at_start;

/// The plugin's name.
pub(crate) const PLUGIN: &str = "nexus";
/// Its section.
pub(crate) const SECTION: &str = "nexus_integration";
/// Sections of the host's own.
const KNOWN: [&str; 3] = ["server", "plugins", SECTION];
/// Where the host keeps its data, if it is not told.
const DATA_DIR: &str = "data";
/// Bytes of a configuration at most.
const LONGEST: u64 = 16 << 20;

/// The value of a variable of the environment, where it is set.
pub(crate) type Lookup = dyn Fn(&str) -> Option<String>;

/// The environment of this process.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What a file says.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Which plugins are loaded from where, or what is wrong with that.
    pub(crate) plugins: Result<PluginsConfig, String>,
    /// Where the host keeps its data, or what is wrong with that.
    pub(crate) data_dir: Result<PathBuf, String>,
    /// The plugin's section.
    pub(crate) section: Section,
    /// Sections that nobody may read.
    pub(crate) unknown: Vec<String>,
}

/// The plugin's section.
#[derive(Debug)]
pub(crate) enum Section {
    /// It can be used.
    Valid(Box<Config>),
    /// It refers to variables that are not set here, so it cannot be told.
    Unset(BTreeSet<String>),
    /// It cannot be used, for all of these reasons.
    Faulty(Vec<String>),
}

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it cannot be read at all.
    pub(crate) fn read(path: &Path, lookup: &Lookup) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let mut text = String::new();
        let read = file.take(LONGEST + 1).read_to_string(&mut text);
        read.map_err(|error| error.to_string())?;
        if text.len() as u64 > LONGEST {
            return Err(format!("has more than {} MiB", LONGEST >> 20));
        }
        Self::parse(&text, lookup)
    }

    fn parse(text: &str, lookup: &Lookup) -> Result<Self, String> {
        let document: Option<JsonMap> = serde_saphyr::from_str(text)
            .map_err(|error| format!("is no YAML with sections: {}", error.without_snippet()))?;
        let document = document.unwrap_or_default();
        let plugins = PluginsConfig::from_document(&document).map_err(|error| error.to_string());
        let data_dir = data_dir(&document, lookup);
        let settings = plugins.as_ref().ok().map(|plugins| &plugins.settings);
        let (section, key) = match settings.and_then(|settings| settings.get(PLUGIN)) {
            Some(section) => (section, format!("plugins.settings.{PLUGIN}")),
            None => (document.get(SECTION).unwrap_or(&Value::Null), SECTION.to_owned()),
        };
        let folder = data_dir.as_deref().unwrap_or(Path::new(DATA_DIR));
        let folder = folder.join("plugins").join(PLUGIN);
        let others = document.keys().filter(|key| !KNOWN.contains(&key.as_str()));
        Ok(Self {
            section: checked(section, &key, &folder, lookup),
            unknown: others.cloned().collect(),
            data_dir,
            plugins,
        })
    }
}

fn data_dir(document: &JsonMap, lookup: &Lookup) -> Result<PathBuf, String> {
    match document.get("server").and_then(|server| server.get("data_dir")) {
        None | Some(Value::Null) => Ok(DATA_DIR.into()),
        Some(value) => match expand(value, "server.data_dir", lookup) {
            Ok(Value::String(folder)) => Ok(folder.into()),
            Ok(_) => Err("server.data_dir: must be a text".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// The plugin's section, as the plugin would find it whose data is in `folder`.
fn checked(section: &Value, key: &str, folder: &Path, lookup: &Lookup) -> Section {
    let section = match section {
        Value::Null => Value::Object(JsonMap::new()),
        section => section.clone(),
    };
    if !section.is_object() {
        return Section::Faulty(vec![format!("{key}: must be a section of keys and values")]);
    }
    match resolved(&section, key, lookup) {
        Ok(section) => match at_start(section, folder, lookup) {
            Ok(config) => Section::Valid(Box::new(config)),
            Err(error) => Section::Faulty(error.faults),
        },
        Err(section) => section,
    }
}

/// The section with the values of the variables that it refers to. All that are missing are told, not just the first one of a text.
fn resolved(section: &Value, key: &str, lookup: &Lookup) -> Result<Value, Section> {
    let missing: RefCell<BTreeSet<String>> = RefCell::default();
    // Each pass may come upon further ones, behind those that the pass before stopped at.
    loop {
        let known = missing.borrow().clone();
        let find = |name: &str| {
            lookup(name).or_else(|| {
                let is_known = known.contains(name);
                if !is_known {
                    missing.borrow_mut().insert(name.to_owned());
                }
                is_known.then(String::new)
            })
        };
        // What is wrong is told below.
        let _ = expand(section, key, &find);
        if missing.borrow().len() == known.len() {
            break;
        }
    }
    let missing = missing.into_inner();
    let filled = |but: Option<&String>| {
        let find = |name: &str| {
            let is_filled = missing.contains(name) && but.is_none_or(|but| but != name);
            lookup(name).or_else(|| is_filled.then(String::new))
        };
        expand(section, key, &find)
    };
    if let Err(error) = filled(None) {
        let faults = error.faults().iter().map(ToString::to_string);
        return Err(Section::Faulty(faults.collect()));
    }
    // Those without which it cannot be read; the others have defaults.
    let needed = missing.iter().filter(|name| filled(Some(name)).is_err());
    let unset: BTreeSet<String> = needed.cloned().collect();
    match expand(section, key, lookup) {
        Ok(section) => Ok(section),
        Err(_) => Err(Section::Unset(unset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Configuration {
        Configuration::parse(text, &|name| (name == "NEXUS_POOL_SIZE").then(|| "3".to_owned())).unwrap()
    }

    fn faults(text: &str) -> Vec<String> {
        match read(text).section {
            Section::Faulty(faults) => faults,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_good_file_is_read_as_the_host_reads_it() {
        let good = read(
            "server: {data_dir: /var/lib/v}\nplugins: {directory: /p, enabled: [nexus]}\n\
             nexus_integration: {nexus_url: 'http://n:1', api_key: '${SURELY_UNSET_VARIABLE:-}'}\nother: {}\n",
        );
        assert_eq!(good.plugins.unwrap().directory, Path::new("/p"));
        assert_eq!(good.data_dir.unwrap(), Path::new("/var/lib/v"));
        assert_eq!(good.unknown, ["other"]);
        assert!(matches!(good.section, Section::Valid(config)
            if config.nexus_url.as_str() == "http://n:1/" && config.connection.pool_size == 3));
    }

    #[test]
    fn settings_below_plugins_go_before_the_section() {
        let config = read(
            "plugins: {directory: /p, enabled: [nexus], settings: {nexus: {nexus_url: 'http://other'}}}\n\
             nexus_integration: {nexus_url: 'http://n'}\n",
        );
        assert!(
            matches!(config.section, Section::Valid(config) if config.nexus_url.as_str() == "http://other/")
        );
    }

    #[test]
    fn all_faults_of_value_are_told() {
        let faults = faults(
            "nexus_integration: {nexus_url: 'http://n', similarity: {top_k: 0}, verify: {sample: 7}, \
             connection: {request_timeout_ms: 0}}\n",
        );
        for key in [
            "similarity.top_k",
            "verify.sample",
            "connection.request_timeout_ms",
        ] {
            assert!(
                faults.iter().any(|fault| fault.contains(key)),
                "{key}: {faults:?}"
            );
        }
    }

    #[test]
    fn what_is_no_section_is_told() {
        assert!(faults("nexus_integration: [1]\n")[0].contains("keys and values"));
        assert!(faults("")[0].contains("nexus_url"));
        assert!(faults("nexus_integration: {nexus_url: '${'}\n")[0].contains("nexus_url"));
        assert!(
            read("plugins: {enabld: []}\n")
                .plugins
                .unwrap_err()
                .contains("enabld")
        );
        assert!(read("server: {data_dir: [1]}\n").data_dir.is_err());
    }

    #[test]
    fn all_variables_that_are_not_set_are_told() {
        let config = read(
            "nexus_integration: {nexus_url: '${SURELY_UNSET_A}', api_key: '${SURELY_UNSET_B}', \
             domains: {default: '${SURELY_UNSET_C:-general}'}}\n",
        );
        match config.section {
            Section::Unset(names) => {
                assert_eq!(
                    names,
                    ["SURELY_UNSET_A", "SURELY_UNSET_B"].map(str::to_owned).into()
                );
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_set_by_request_counts_and_a_fault_of_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("plugins/nexus");
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(kept.join("settings.json"), "no settings").unwrap();
        let text = format!(
            "server: {{data_dir: {}}}\nnexus_integration: {{nexus_url: 'http://n'}}\n",
            folder.path().display()
        );
        assert!(faults(&text)[0].contains("settings.json"));
    }

    #[test]
    fn what_is_no_yaml_is_told_without_the_lines_around() {
        let error = Configuration::parse("server: {api_key: s3cret}\nplugins: [\nx: s3cret\n", &|_| None)
            .unwrap_err();
        assert!(error.contains("no YAML") && !error.contains("s3cret"), "{error}");
        assert!(Configuration::parse("- a\n", &|_| None).is_err());
        assert!(Configuration::read(Path::new("/surely/not/here.yml"), &|_| None).is_err());
    }
}
