//! Files here: the configuration and the plugin.

use std::path::{Path, PathBuf};

use vectorizer_host_shim::PluginsConfig;
use vectorizer_host_shim::trust::file_name;

use super::check::Checkup;
use crate::configuration::{Configuration, PLUGIN, SECTION, Section};
use crate::plugin_file::PluginFile;

const CONFIGURATION: &str = "configuration";
const PLUGINS: &str = "plugins section";
const FILE: &str = "plugin file";
const TRUST: &str = "plugin trust";
const HANDSHAKE: &str = "plugin handshake";

/// The configuration file.
pub(super) fn configuration(
    checkup: &mut Checkup,
    path: Option<&Path>,
    read: Option<&Result<Configuration, String>>,
) {
    let Some((path, read)) = path.zip(read) else {
        checkup.skip(CONFIGURATION, "no --config was given");
        checkup.skip(PLUGINS, "no --config was given");
        return;
    };
    let shown = path.display();
    let configuration = match read {
        Ok(configuration) => configuration,
        Err(reason) => {
            let advice =
                "name a file that can be read, and mend its YAML; vectorizer-host --check says the same";
            checkup.fail(CONFIGURATION, format!("{shown}: {reason}"), advice);
            checkup.skip(PLUGINS, "the configuration cannot be read");
            return;
        }
    };
    section(checkup, &path.display().to_string(), configuration);
    match &configuration.plugins {
        Err(reason) => checkup.fail(PLUGINS, reason, "mend the key; README.md has all of them"),
        Ok(plugins) if !plugins.enabled.iter().any(|name| name == PLUGIN) => checkup.fail(
            PLUGINS,
            format!("the plugin '{PLUGIN}' is not enabled"),
            format!("add it: plugins.enabled: [{PLUGIN}]"),
        ),
        Ok(plugins) => {
            let directory = plugins.directory.display();
            checkup.ok(PLUGINS, format!("'{PLUGIN}' is enabled, from {directory}"));
        }
    }
}

fn section(checkup: &mut Checkup, path: &str, configuration: &Configuration) {
    match &configuration.section {
        Section::Faulty(faults) => checkup.fail(
            CONFIGURATION,
            faults.join("\n"),
            "mend these keys; docs/configuration.md has all of them, and the variables that set some of them",
        ),
        Section::Unset(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            checkup.warn(
                CONFIGURATION,
                format!(
                    "{SECTION} refers to variables that are not set here: {}",
                    names.join(", ")
                ),
                "run this with the environment of the host's service, to have the section checked",
            );
        }
        Section::Valid(_) if !configuration.unknown.is_empty() => checkup.warn(
            CONFIGURATION,
            format!(
                "{SECTION} is valid; unknown sections: {}",
                configuration.unknown.join(", ")
            ),
            "the host refuses a section that no plugin of it reads; look for typing errors",
        ),
        Section::Valid(_) => checkup.ok(CONFIGURATION, format!("{path}: {SECTION} is valid")),
    }
}

/// The plugin file: whether it is there, whether the host would trust it, what it was built with.
pub(super) fn plugin(
    checkup: &mut Checkup,
    path: Option<&Path>,
    configuration: Option<&Configuration>,
) -> Option<PluginFile> {
    let plugins = configuration.and_then(|configuration| configuration.plugins.as_ref().ok());
    let Some(path) = path.map(Path::to_owned).or_else(|| installed(plugins)) else {
        for name in [FILE, TRUST, HANDSHAKE] {
            checkup.skip(name, "neither --plugin nor a usable --config says where it is");
        }
        return None;
    };
    let none = PluginsConfig::default();
    let seen = match PluginFile::look(&path, plugins.unwrap_or(&none)) {
        Ok(seen) => seen,
        Err(reason) => {
            let advice = "put the plugin there, readable for the host's user";
            checkup.fail(FILE, format!("{}: {reason}", path.display()), advice);
            for name in [TRUST, HANDSHAKE] {
                checkup.skip(name, "the plugin file cannot be read");
            }
            return None;
        }
    };
    checkup.ok(FILE, format!("{}, sha256 {}", seen.file, seen.sha256));
    match &seen.distrust {
        None => checkup.ok(TRUST, format!("trusted by a host that runs as uid {}", seen.checked_as)),
        Some(distrust) => checkup.fail(
            TRUST,
            distrust,
            "give file and folders to root or the host's user, writable by nobody else; the host loads nothing else",
        ),
    }
    match (&seen.refusal, &seen.handshake) {
        (Some(refusal), _) => checkup.fail(HANDSHAKE, refusal, "install the plugin's build for this host"),
        (None, Some(handshake)) if handshake.name != PLUGIN => checkup.fail(
            HANDSHAKE,
            format!("it is the plugin '{}'", handshake.name),
            format!("install '{PLUGIN}'"),
        ),
        (None, Some(handshake)) => {
            let (major, minor) = handshake.api;
            let text = format!(
                "{} {}, API {major}.{minor}, rustc {}, panic={}, {}",
                handshake.name, handshake.version, handshake.rustc, handshake.panic, handshake.target
            );
            match seen.remarks.as_slice() {
                [] => checkup.ok(HANDSHAKE, text),
                remarks => checkup.warn(
                    HANDSHAKE,
                    format!("{text}\n{}", remarks.join("\n")),
                    "build host and plugin with one release of rustc",
                ),
            }
        }
        (None, None) => checkup.skip(HANDSHAKE, "there is none"),
    }
    Some(seen)
}

/// Where the configuration has the plugin.
fn installed(plugins: Option<&PluginsConfig>) -> Option<PathBuf> {
    let plugins = plugins?;
    let is_set = !plugins.directory.as_os_str().is_empty();
    is_set.then(|| plugins.directory.join(file_name(PLUGIN)))
}
