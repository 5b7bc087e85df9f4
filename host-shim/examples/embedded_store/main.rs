//! A small vector database that embeds plugins, with the locks of Vectorizer.
//!
//! Its collections are in memory, in the shards of a `DashMap`, each with locks of its own; a collection that is not in memory
//! is loaded from disk when somebody names it; nothing is durable before it is saved. What embedding takes is in four files:
//!
//! - `store.rs` tells of changes, after its guards are dropped, and takes collections away behind the gate;
//! - `answers.rs` is the store as plugins ask it;
//! - `server.rs` mounts plugin routes, and joins the scrapes;
//! - this one has the order: plugins, store, data, ready; signal, draining, stop, save.
//!
//! ```sh
//! cargo run -p vectorizer-host-shim --features axum,conformance --example embedded_store -- config.yml
//! cargo run -p vectorizer-host-shim --features axum,conformance --example embedded_store -- --check-conformance
//! ```
//!
//! with this `config.yml`:
//!
//! ```yaml
//! server: { bind: 127.0.0.1:15002, data_dir: /tmp/embedded-store }
//! plugins: { directory: /usr/lib/vectorizer/plugins, enabled: [nexus] }
//! nexus_integration: { nexus_url: http://127.0.0.1:15474 }
//! ```

mod answers;
mod collection;
mod config;
mod disk;
mod fixture;
mod server;
mod store;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::conformance::CHECKS;
use vectorizer_host_shim::embedded::{Lifecycle, MutationObserver, Phase};

use config::Config;
use disk::Disk;
use fixture::EmbeddedFixture;
use store::VectorStore;

/// How long plugins get to finish what is under way.
const DRAIN: Duration = Duration::from_secs(20);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("--check-conformance") => check_conformance(),
        Some(file) => run(Path::new(file)),
        None => Err("usage: embedded_store CONFIG.yml | --check-conformance".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("embedded_store: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path) -> Result<(), Failure> {
    tracing_subscriber::fmt().init();
    let config = Config::read(file)?;
    // The plugins first: the store tells them of everything that happens to it, its loading among that.
    let host = PluginHost::open(
        "embedded_store",
        env!("CARGO_PKG_VERSION"),
        &config.document,
        &config.server.data_dir,
    )?;
    let lifecycle = Arc::new(Lifecycle::new(host));
    let observer = Arc::clone(lifecycle.host()) as Arc<dyn MutationObserver>;
    let disk = Disk::open(&config.server.data_dir)?;
    let store = Arc::new(VectorStore::new(disk, observer, Arc::clone(lifecycle.gate())));

    let runtime = tokio::runtime::Runtime::new()?;
    let (served, loaded) = runtime.block_on(serve(&config, &store, &lifecycle));
    // Requests are over and nothing is loaded any more. What plugins write while they end is in the save that follows.
    lifecycle.stop(DRAIN);
    if loaded? {
        store.save()?;
    }
    served
}

/// Loads in the background and serves meanwhile, until a signal. Whether all was loaded comes with the outcome.
async fn serve(
    config: &Config,
    store: &Arc<VectorStore>,
    lifecycle: &Arc<Lifecycle>,
) -> (Result<(), Failure>, Result<bool, Failure>) {
    let loading = tokio::task::spawn_blocking({
        let (store, lifecycle) = (Arc::clone(store), Arc::clone(lifecycle));
        move || {
            let loaded = store.load_all(|| lifecycle.phase() < Phase::Draining)?;
            if loaded {
                lifecycle.ready(Arc::clone(&store) as _);
            }
            Ok(loaded)
        }
    });
    let served = async {
        let listener = TcpListener::bind(config.server.bind).await?;
        println!("embedded_store listening on http://{}", listener.local_addr()?);
        let router = server::router(store, lifecycle, config.server.api_key.as_deref());
        let signal = stopping(Arc::clone(lifecycle))?;
        Ok(axum::serve(listener, router)
            .with_graceful_shutdown(signal)
            .await?)
    }
    .await;
    // Also where nothing was served.
    lifecycle.draining();
    let loaded = loading.await.map_err(Failure::from).and_then(|loaded| loaded);
    (served, loaded)
}

/// Done at the first SIGTERM or Ctrl-C.
fn stopping(lifecycle: Arc<Lifecycle>) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        lifecycle.draining();
    })
}

/// Makes all checks of `Store` on a store of its own, and says what came of each.
fn check_conformance() -> Result<(), Failure> {
    let fixture = EmbeddedFixture::new()?;
    let mut failed = 0;
    for check in CHECKS {
        match check.run(&fixture, "conformance-") {
            Ok(()) => println!("ok      {}", check.name),
            Err(failure) => {
                println!("FAILED  {failure}");
                failed += 1;
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {} checks failed", CHECKS.len()).into()),
    }
}
