//! `doctor`: whether everything is there that the sync needs, each thing with what was seen and what to do.
//!
//! Invariants: it changes nothing, here or in the host; every check is told of, also those that others had to precede, as skipped with the
//! reason; what it says of files is what the host would say, since the code is the same.

mod check;
mod clocks;
mod disk;
mod files;
mod host;
mod sync;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::configuration::{Configuration, Lookup, Section, environment};
use crate::error::Error;
use crate::exit::Code;
use crate::session::Session;
use check::{Checkup, Outcome};

/// `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The host's configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The plugin file; by default the one that the configuration leads to.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
}

/// Does it.
pub(crate) async fn run(session: &Session, options: &Options, timeout: Duration) -> Result<Code, Error> {
    let checkup = examine(session, options, timeout, &environment).await;
    let value = json!({"verdict": checkup.verdict(), "checks": checkup.checks()});
    session.output.result(&value, |page| checkup.write(page))?;
    Ok(Code::of(checkup.verdict() != Outcome::Failed))
}

async fn examine(session: &Session, options: &Options, timeout: Duration, lookup: &Lookup) -> Checkup {
    let mut checkup = Checkup::default();
    let configuration = options
        .config
        .as_deref()
        .map(|path| Configuration::read(path, lookup));
    files::configuration(&mut checkup, options.config.as_deref(), configuration.as_ref());
    let configuration = configuration.and_then(Result::ok);
    let plugin = files::plugin(&mut checkup, options.plugin.as_deref(), configuration.as_ref());

    let skew = host::reachable(&mut checkup, session).await;
    let access = host::credentials(&mut checkup, session, skew.is_some()).await;
    host::plugin(&mut checkup, &access, plugin.as_ref());
    sync::state(&mut checkup, session, &access).await;

    let section = configuration
        .as_ref()
        .and_then(|configuration| match &configuration.section {
            Section::Valid(config) => Some(config.as_ref()),
            Section::Unset(_) | Section::Faulty(_) => None,
        });
    let nexus = host::nexus(&mut checkup, section).await;
    clocks::host(&mut checkup, skew);
    clocks::nexus(&mut checkup, section, nexus, timeout).await;
    disk::space(&mut checkup, configuration.as_ref());
    checkup
}

#[cfg(test)]
mod tests;
