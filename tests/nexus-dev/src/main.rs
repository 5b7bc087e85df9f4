//! The `nexus-dev` command: starts one server and stops it on SIGTERM or Ctrl-C.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nexus_dev::{Durability, FaultRule, NexusDev, NexusDevBuilder, Quirks};
use tracing_subscriber::EnvFilter;

/// What a shell reports for a process that was aborted.
const CRASHED: i32 = 134;

/// The Nexus HTTP contract on an embedded graph, for tests and demos.
#[derive(Debug, Parser)]
#[command(name = "nexus-dev", version)]
struct Args {
    /// Address to listen on; other than loopback only with an API key.
    #[arg(long, default_value = "127.0.0.1:15474")]
    addr: SocketAddr,
    /// Keep the graph in this folder; in memory without it.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Sync the disk before every answer to a write, so that it survives a power failure.
    #[arg(long, requires = "data")]
    sync: bool,
    /// Seconds between checkpoints of the log into the graph file.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    checkpoint_seconds: u64,
    /// Answer the dangerous forms as wrongly as this version of Nexus does; known: 2.5. With --data, a start loses what
    /// that version loses when a record was shortened. A UNION that ends its process ends this one.
    #[arg(long, value_name = "VERSION")]
    quirks: Option<Quirks>,
    /// Take the API key from this environment variable.
    #[arg(long, value_name = "NAME", conflicts_with = "api_key")]
    api_key_env: Option<String>,
    /// The API key; others on this machine can see it, so prefer --api-key-env.
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Offer /_faults, which changes the faults over HTTP.
    #[arg(long)]
    allow_faults: bool,
    /// A fault rule as JSON, in the form of POST /_faults; may be given more than once. Example:
    /// {"matching":"MERGE","fraction":0.1,"effect":{"kind":"drop","executed":true}}
    #[arg(long = "fault", value_name = "JSON", value_parser = fault_rule)]
    faults: Vec<FaultRule>,
    /// Delay every statement by so many milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    fault_latency_ms: u64,
    /// Delay every statement by up to so many milliseconds more.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    fault_jitter_ms: u64,
    /// Seed of the faults' random numbers.
    #[arg(long, default_value_t = 0)]
    fault_seed: u64,
}

fn fault_rule(text: &str) -> Result<FaultRule, String> {
    let rule: FaultRule = serde_json::from_str(text).map_err(|error| error.to_string())?;
    rule.validate().map_err(|error| error.to_string())?;
    Ok(rule)
}

impl Args {
    fn into_builder(self) -> Result<NexusDevBuilder, Box<dyn Error>> {
        let mut rules = self.faults;
        if self.fault_latency_ms > 0 || self.fault_jitter_ms > 0 {
            rules.push(FaultRule::latency(self.fault_latency_ms, self.fault_jitter_ms));
        }
        let mut builder = NexusDev::builder()
            .bind(self.addr)
            .durability(if self.sync {
                Durability::Power
            } else {
                Durability::Process
            })
            .checkpoint_interval(Duration::from_secs(self.checkpoint_seconds))
            .allow_fault_route(self.allow_faults)
            .fault_seed(self.fault_seed)
            .fault_rules(rules);
        if let Some(quirks) = self.quirks {
            builder = builder.quirks(quirks);
        }
        if let Some(folder) = self.data {
            builder = builder.data_dir(folder);
        }
        let key = match self.api_key_env {
            Some(name) => {
                Some(std::env::var(&name).map_err(|error| format!("--api-key-env {name}: {error}"))?)
            }
            None => self.api_key,
        };
        Ok(match key {
            Some(key) => builder.api_key(key),
            None => builder,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nexus-dev: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    // Asked for before the ready line, so that a signal sent on seeing it is not missed.
    let mut stop = StopSignal::new()?;
    let server = args.into_builder()?.start().await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "nexus-dev listening on {}", server.url())?;
    stdout.flush()?;
    tokio::select! {
        () = stop.received() => {}
        () = server.died() => {
            // Like a crash: the connections break, and nothing is brought in order.
            eprintln!("nexus-dev: a statement ended the process, as on Nexus");
            std::process::exit(CRASHED);
        }
    }
    server.shutdown().await?;
    Ok(())
}

#[cfg(unix)]
struct StopSignal {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignal {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct StopSignal;

#[cfg(not(unix))]
impl StopSignal {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn received(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
