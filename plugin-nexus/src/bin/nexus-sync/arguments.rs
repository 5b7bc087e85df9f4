//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::api_key::ApiKey;
use crate::client::{Client, Way};
use crate::error::Error;
use crate::exit;
use crate::output::{Format, Output};
use crate::session::Session;
use crate::{audit, config, dead_letters, doctor, generate, inspect, jobs, report, switches, sync, webhooks};

/// Steers and examines the synchronisation of a vector database with Nexus.
///
/// The host's API key is read from the file that --api-key-file names, else from the variable NEXUS_SYNC_API_KEY; it is never given on the
/// command line, which others can read. Results go to stdout, everything else to stderr.
#[derive(Debug, Parser)]
#[command(name = "nexus-sync", version, after_help = exit::TABLE, max_term_width = 110)]
pub(crate) struct Arguments {
    /// What holds for all commands.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for all commands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The host's address.
    #[arg(
        long,
        global = true,
        env = "NEXUS_SYNC_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:15002"
    )]
    url: String,
    /// A file with the host's API key; it goes before NEXUS_SYNC_API_KEY.
    #[arg(long, global = true, value_name = "PATH")]
    api_key_file: Option<PathBuf>,
    /// Certificates in PEM form that are trusted besides the operating system's.
    #[arg(long, global = true, value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// The form of results.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    output: Format,
    /// Tell nothing but results and errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// How long one request to the host may take.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
}

impl Global {
    /// How commands speak.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.output, self.quiet)
    }

    /// How long one request may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// What commands that talk to a host work with.
    pub(crate) fn session(&self) -> Result<Session, Error> {
        let output = self.output();
        let client = Client::new(Way {
            url: &self.url,
            key: ApiKey::find(self.api_key_file.as_deref(), output)?,
            ca_file: self.ca_file.as_deref(),
            timeout: self.timeout(),
        })?;
        Ok(Session { client, output })
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Those that talk to a host.
    #[command(flatten)]
    There(Remote),
    /// Those that do not.
    #[command(flatten)]
    Here(Local),
}

/// Commands that talk to a host.
#[derive(Debug, Subcommand)]
pub(crate) enum Remote {
    /// Show how the sync does.
    Status,
    /// Sync a collection, and bring in what is in it.
    Enable(switches::Enable),
    /// Sync a collection no more.
    Disable(switches::Disable),
    /// Bring existing documents into the graph.
    ///
    /// Ctrl-C does not end the job: it goes on in the host.
    Sync(sync::Sync),
    /// Compare store and graph, and mend what differs.
    ///
    /// With --dry-run, differences are something wrong (exit code 1).
    Reconcile(sync::Reconcile),
    /// Look at comparisons and backfills, and steer them.
    #[command(subcommand)]
    Jobs(jobs::Action),
    /// Look at documents that Nexus refused for good, and try or forget them.
    #[command(subcommand)]
    DeadLetters(dead_letters::Action),
    /// Manage who is told of changes.
    #[command(subcommand)]
    Webhooks(webhooks::Action),
    /// Write nothing to Nexus until it is resumed; changes are kept.
    Pause(switches::Pause),
    /// Write to Nexus again.
    Resume,
    /// Take what waits out of the queue.
    ///
    /// The next comparison finds again what differs.
    Clear(switches::Clear),
    /// Look at the settings, and change them.
    #[command(subcommand)]
    Config(config::Action),
    /// Check everything that the sync needs, and say what to do. Changes nothing.
    Doctor(doctor::Options),
    /// Print what belongs into a bug report, without secrets.
    Report(report::Options),
}

/// Commands that talk to no host.
#[derive(Debug, Subcommand)]
pub(crate) enum Local {
    /// Show what a plugin file is, without running anything of it.
    Inspect(inspect::Options),
    /// Check the audit log.
    #[command(subcommand)]
    Audit(audit::Action),
    /// Write a script that completes command lines.
    Completions(generate::Completions),
    /// Write a page of the manual.
    Man(generate::Man),
}
