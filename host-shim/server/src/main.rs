//! `vectorizer-host`: the server that anyone can start.

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
use vectorizer_host::rest::{self, AppState};
use vectorizer_host::server::serve;
use vectorizer_host::settings::{Draft, Settings, SettingsError};
use vectorizer_host::store::{DbError, DocumentStore, StoreOptions};
use vectorizer_host::{correlation, logging, plugins};
use vectorizer_host_shim::store::Store;
use vectorizer_host_shim::{HostError, Loaded, PluginHost};

/// How long plugins get to finish what is under way.
const DRAIN: Duration = Duration::from_secs(20);

/// How long nothing is served for plugins to start first. The store does not depend on one that takes longer.
const START: Duration = Duration::from_secs(5);

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
        true => check(&arguments.config),
        false => run(arguments.config),
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
fn open(file: &Path) -> Result<(Settings, PluginHost), Failure> {
    let mut draft = Draft::read(file)?;
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

fn check(file: &Path) -> Result<(), Failure> {
    let (_, host) = open(file)?;
    host.shutdown(DRAIN);
    println!("{}: can be served with", file.display());
    Ok(())
}

fn run(file: PathBuf) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    // Asked for first: until then a SIGHUP would end the process, and opening may take a while.
    let hangups = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    let (settings, host) = open(&file)?;
    let server = &settings.server;
    let host = Arc::new(host);
    let observer = Arc::clone(&host);
    let options = StoreOptions {
        graph_from: server.graph_from,
        ..StoreOptions::default()
    };
    let store = Arc::new(DocumentStore::open(&server.data_dir, options, observer)?);
    let access = Access::from(server);
    let audit = Audit::open(&server.data_dir)?;
    let life = Life::default();
    let reloader = Arc::new(Reloader::new(
        file,
        settings.clone(),
        Arc::clone(&host),
        audit.clone(),
    ));
    let router = rest::router(AppState::new(
        Arc::clone(&store),
        access.clone(),
        server.max_body_bytes,
    ))
    .merge(health::router(&store, &host, &life))
    .merge(plugins::router(&host, &store, &access, server.max_body_bytes))
    .merge(reload::router(&reloader, &access))
    .fallback(rest::not_found);
    let router = correlation::around(audit.watch(router));

    let served = runtime.block_on(async {
        let listener = TcpListener::bind(server.bind).await?;
        let ready: Arc<dyn Store> = Arc::clone(&store) as _;
        let mut starting = tokio::task::spawn_blocking({
            let (host, life) = (Arc::clone(&host), life.clone());
            move || {
                host.ready(&ready);
                life.started();
            }
        });
        if tokio::time::timeout(START, &mut starting).await.is_err() {
            tracing::warn!("a plugin takes long to start; requests are answered meanwhile");
            life.started();
        }
        audit.started(&host);
        let reloads = tokio::spawn(reloader.at_signals(hangups));
        println!("vectorizer-host listening on http://{}", listener.local_addr()?);
        let served = serve(listener, router, stopped(life)?).await;
        reloads.abort();
        served
    });
    // Requests are over; plugins may still read the store while they finish.
    host.shutdown(DRAIN);
    audit.stopped();
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(store);
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
