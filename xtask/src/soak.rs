//! `cargo xtask soak`: the loss-finder for as long as one likes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use vectorizer_tests::TestError;
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::soak::{self, Faults, Until};

/// What `cargo xtask soak` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long; the round that is under way then is completed.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Determines operations and faults; drawn from the clock if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Which graph server.
    #[arg(long, value_enum, default_value_t = Server::Dev)]
    server: Server,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Server {
    /// `nexus-dev`: all faults.
    Dev,
    /// `nexus-dev --quirks 2.5`: restarts only.
    Quirks,
    /// The one that NEXUS_SERVER_BIN names: kills and restarts.
    Real,
}

/// Runs it; an error where something was lost.
pub(crate) fn run(options: &Options) -> Result<(), TestError> {
    let (kind, server) = match options.server {
        Server::Dev => (Kind::Dev, "dev"),
        Server::Quirks => (Kind::Quirks, "quirks"),
        Server::Real => (Kind::Real, "real"),
    };
    let seed = options.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(1, |time| time.as_secs())
    });
    let artifacts = Artifacts::build(Profile::Dev)?;
    let again = format!(
        "cargo xtask soak --minutes {} --seed {seed} --server {server}",
        options.minutes
    );
    println!("this run again: {again}");
    let report = soak::run(
        &soak::Options {
            kind,
            seed,
            until: Until::Elapsed(Duration::from_secs(options.minutes * 60)),
            changes_per_round: 3_000,
            faults: Faults::of(kind),
            verbose: true,
            sabotage: None,
        },
        &artifacts,
    );
    let again = |what: String| TestError::Process(format!("{what}\nthis run again: {again}"));
    let report = report.map_err(|error| again(error.to_string()))?;
    print!("{report}");
    if report.findings.is_empty() {
        Ok(())
    } else {
        Err(again(format!(
            "{} findings with seed {seed}",
            report.findings.len()
        )))
    }
}
