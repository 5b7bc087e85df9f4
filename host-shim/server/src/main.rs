//! `vectorizer-host`: the server that anyone can start.

use std::future::Future;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use vectorizer_host::auth::Access;
use vectorizer_host::rest::{self, AppState};
use vectorizer_host::server::serve;
use vectorizer_host::settings::Settings;
use vectorizer_host::store::{DocumentStore, StoreOptions};
use vectorizer_host::{plugins, plugins::PluginObserver};
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::store::Store;

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
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vectorizer-host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read(&arguments.config)?;
    let server = &settings.server;
    let host = PluginHost::open(
        "vectorizer-host",
        env!("CARGO_PKG_VERSION"),
        &settings.document,
        &server.data_dir,
    )?;
    let all_loaded = host.reports().iter().all(|plugin| plugin.handshake.is_some());
    if all_loaded {
        settings.check_sections(&host.config_sections())?;
    }
    if arguments.check {
        host.shutdown(DRAIN);
        println!("{}: can be served with", arguments.config.display());
        return Ok(());
    }

    let host = Arc::new(host);
    let observer = Arc::new(PluginObserver(Arc::clone(&host)));
    let options = StoreOptions {
        graph_from: server.graph_from,
        ..StoreOptions::default()
    };
    let store = Arc::new(DocumentStore::open(&server.data_dir, options, observer)?);
    let access = Access::from(server);
    let router = rest::router(AppState::new(
        Arc::clone(&store),
        access.clone(),
        server.max_body_bytes,
    ))
    .merge(plugins::router(&host, &store, &access, server.max_body_bytes))
    .fallback(rest::not_found);

    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(server.bind).await?;
        let ready: Arc<dyn Store> = Arc::clone(&store) as _;
        host.ready(&ready);
        println!("vectorizer-host listening on http://{}", listener.local_addr()?);
        serve(listener, router, stopped()?).await
    });
    // Requests are over; plugins may still read the store while they finish.
    host.shutdown(DRAIN);
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(store);
    Ok(served?)
}

/// Done at the first SIGTERM or Ctrl-C.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
