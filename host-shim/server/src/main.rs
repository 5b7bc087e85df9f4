//! `vectorizer-host`: the server that anyone can start.

mod served;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use vectorizer_host::audit::Audit;
use vectorizer_host::auth::Access;
use vectorizer_host::health::{self, Life};
use vectorizer_host::reload::{self, Reloader};
use vectorizer_host::server::serve;
use vectorizer_host::settings::{Draft, Said, Settings, SettingsError};
use vectorizer_host::sidecar::UpstreamUrl;
use vectorizer_host::store::DbError;
use vectorizer_host::{correlation, logging, plugins};
use vectorizer_host_shim::{HostError, Loaded, PluginHost};

use crate::served::Served;

/// How long plugins get to finish what is under way.
const DRAIN: Duration = Duration::from_secs(20);

/// A vector database server that hosts plugins.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (YAML).
    #[arg(long, default_value = "config.yml")]
    config: PathBuf,
    /// Read the configuration, say whether it can be served with, and end.
    #[arg(long)]
    check: bool,
    /// Stand in front of the Vectorizer at this address, as http://127.0.0.1:15002, instead of keeping documents.
    #[arg(long, value_name = "URL")]
    upstream: Option<UpstreamUrl>,
}

impl Arguments {
    fn said(&self) -> Said {
        Said {
            upstream: self.upstream.clone(),
        }
    }
}

/// Why there is nothing to serve, or serving ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Store(#[from] DbError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.check {
        true => check(&arguments.config, &arguments.said()),
        false => run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Settings(SettingsError::Wrong(error)) | Failure::Host(HostError::Config(error))) => {
            eprintln!("vectorizer-host: the configuration cannot be served with:");
            for fault in error.faults() {
                eprintln!("{fault}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("vectorizer-host: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the configuration, starts the log and loads the plugins, all of which say what they find wrong before anything is refused.
fn open(file: &Path, said: &Said) -> Result<(Settings, PluginHost), Failure> {
    let mut draft = Draft::read(file, said)?;
    // Before plugins are loaded, which have something to say. What is wrong with the file is told apart from the log.
    logging::start(draft.log());
    let loaded = Loaded::load(
        "vectorizer-host",
        env!("CARGO_PKG_VERSION"),
        &draft.loadable(),
        draft.document(),
        draft.data_dir(),
    );
    draft.check_sections(&loaded.config_sections());
    draft.add(loaded.faults().iter().cloned());
    match draft.finish() {
        Ok(settings) => Ok((settings, loaded.into_host()?)),
        Err(error) => {
            loaded.discard();
            Err(error.into())
        }
    }
}

fn check(file: &Path, said: &Said) -> Result<(), Failure> {
    let (_, host) = open(file, said)?;
    host.shutdown(DRAIN);
    println!("{}: can be served with", file.display());
    Ok(())
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    // Asked for first: until then a SIGHUP would end the process, and opening may take a while.
    let hangups = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    let said = arguments.said();
    let (settings, host) = open(&arguments.config, &said)?;
    let server = &settings.server;
    let host = Arc::new(host);
    let observer = Arc::clone(&host);
    let access = Access::from(server);
    let served_from = Served::open(server, observer)?;
    let audit = Audit::open(&server.data_dir)?;
    let life = Life::default();
    let reloader = Arc::new(Reloader::new(
        arguments.config,
        said,
        settings.clone(),
        Arc::clone(&host),
        audit.clone(),
    ));
    let backend = served_from.backend();
    let beside = plugins::router(&host, &backend, &access, server.max_body_bytes)
        .merge(reload::router(&reloader, &access));
    let router = served_from.around(beside, &host, &access, server);
    let router = router.merge(health::router(&backend, &host, &life));
    let router = correlation::around(audit.watch(router));

    let served = runtime.block_on(async {
        let listener = TcpListener::bind(server.bind).await?;
        served_from.start(&host, &life).await?;
        audit.started(&host);
        let reloads = tokio::spawn(reloader.at_signals(hangups));
        println!("vectorizer-host listening on http://{}", listener.local_addr()?);
        let served = serve(listener, router, stopped(life)?).await;
        reloads.abort();
        served
    });
    // Requests are over; plugins may still read the store while they finish.
    host.shutdown(DRAIN);
    served_from.stop();
    audit.stopped();
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(served_from);
    Ok(served?)
}

/// Done at the first SIGTERM or Ctrl-C.
fn stopped(life: Life) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        life.stopping();
        tracing::info!("stopping");
    })
}
