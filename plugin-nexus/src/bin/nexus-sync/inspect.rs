//! `inspect`: what a plugin file is. See [`crate::plugin_file`] for why nothing of it runs.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use vectorizer_host_shim::PluginsConfig;

use crate::configuration::{Configuration, environment};
use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::output::Output;
use crate::page::{Page, Tone};
use crate::plugin_file::PluginFile;

/// `inspect`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file.
    #[arg(value_name = "PLUGIN.so")]
    plugin: PathBuf,
    /// The host's configuration: its allow-list and its trusted keys are asked, too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Does it.
pub(crate) fn run(output: Output, options: &Options) -> Result<Code, Error> {
    let config = match &options.config {
        None => PluginsConfig::default(),
        Some(path) => Configuration::read(path, &environment)
            .and_then(|configuration| configuration.plugins)
            .map_err(|reason| Error::file(path, reason))?,
    };
    let seen =
        PluginFile::look(&options.plugin, &config).map_err(|reason| Error::file(&options.plugin, reason))?;
    output.result(&value(&seen), |page| write(page, &seen))?;
    Ok(Code::of(seen.is_fine()))
}

fn value(seen: &PluginFile) -> Value {
    let mut value = json!(seen);
    value["loadable"] = json!(seen.is_fine());
    value
}

fn write(page: &mut Page, seen: &PluginFile) {
    let mut fields = vec![
        ("file", seen.file.clone()),
        (
            "size",
            format!(
                "{} ({} bytes)",
                figures::bytes(seen.size),
                figures::count(seen.size)
            ),
        ),
        ("sha256", seen.sha256.clone()),
        ("owner", format!("uid {}", seen.owner)),
        ("mode", seen.mode.clone()),
    ];
    if let Some(handshake) = &seen.handshake {
        fields.extend([
            ("plugin", format!("{} {}", handshake.name, handshake.version)),
            ("section", handshake.config_section.clone()),
            ("plugin API", format!("{}.{}", handshake.api.0, handshake.api.1)),
            ("rustc", handshake.rustc.clone()),
            ("panic", handshake.panic.clone()),
            ("target", handshake.target.clone()),
        ]);
    }
    page.fields(&fields);
    page.gap();
    match &seen.refusal {
        None => page.toned(Tone::Good, "fits", " a host of this release"),
        Some(refusal) => page.toned(Tone::Bad, "does not fit", &format!(": {refusal}")),
    }
    for remark in &seen.remarks {
        page.toned(Tone::Doubtful, "remark", &format!(": {remark}"));
    }
    match &seen.distrust {
        None => page.toned(
            Tone::Good,
            "trusted",
            &format!(" by a host that runs as uid {}", seen.checked_as),
        ),
        Some(distrust) => page.toned(Tone::Bad, "not trusted", &format!(": {distrust}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use crate::plugin_file::tests::{Place, image, record};

    fn inspect(place: &Place, config: Option<&str>) -> Result<Code, Error> {
        let config = config.map(|text| {
            let path = place.folder.path().join("config.yml");
            std::fs::write(&path, text).unwrap();
            path
        });
        let options = Options {
            plugin: place.file(),
            config,
        };
        run(Output::new(Format::Human, true), &options)
    }

    #[test]
    fn the_exit_code_says_whether_a_host_would_load_it() {
        let place = Place::with(&image(&record()));
        assert_eq!(inspect(&place, None).unwrap(), Code::Fine);
        assert_eq!(
            inspect(&place, Some("plugins: {allow: []}\n")).unwrap(),
            Code::Wrong
        );
        assert_eq!(
            inspect(&place, Some("plugins: [\n")).unwrap_err().code(),
            Code::Wrong
        );
        assert_eq!(inspect(&Place::with(b"no plugin"), None).unwrap(), Code::Wrong);
        std::fs::remove_file(place.file()).unwrap();
        assert_eq!(inspect(&place, None).unwrap_err().code(), Code::Wrong);
    }

    #[test]
    fn all_that_is_known_is_told() {
        let place = Place::with(&image(&record()));
        let seen = PluginFile::look(&place.file(), &PluginsConfig::default()).unwrap();
        let mut page = Page::new(false);
        write(&mut page, &seen);
        let text = page.into_text();
        for part in [
            "plugin      nexus 9.9.9\n",
            "plugin API  1.0\n",
            "panic       unwind\n",
            "fits a host",
            "trusted by a host",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(value(&seen)["loadable"], true);
    }
}
