//! The server: how it is set up, started and stopped.
//!
//! Invariants:
//! * a started server is listening before `start` returns;
//! * without an API key only loopback addresses are served;
//! * `shutdown` lets running requests finish (for a while), then checkpoints; dropping the handle stops the server too,
//!   without waiting for it.
//!
//! Its parts: `routes` (the HTTP contract), `auth` (the key), `line` (connections that can be cut).

mod auth;
mod line;
mod routes;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::NexusDevError;
use crate::faults::{FaultHandle, FaultRule};
use crate::graph::{Durability, Graph};
use crate::pipeline::Pipeline;
use crate::quirks::{Nexus25, Quirks};
use auth::ApiKey;
use line::{Line, LineListener};
use routes::App;

/// How long a shutdown waits for running requests.
const DRAIN: Duration = Duration::from_secs(10);

/// Settings of a server that is not started yet. By default: in memory, 127.0.0.1 on a free port, no key, no faults.
#[derive(Debug)]
pub struct NexusDevBuilder {
    bind: SocketAddr,
    data: Option<PathBuf>,
    durability: Durability,
    checkpoint_interval: Duration,
    api_key: Option<ApiKeyText>,
    fault_route: bool,
    fault_seed: u64,
    fault_rules: Vec<FaultRule>,
    quirks: Option<Quirks>,
}

/// Keeps a key out of debug output.
struct ApiKeyText(String);

impl std::fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl NexusDevBuilder {
    fn new() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data: None,
            durability: Durability::default(),
            checkpoint_interval: Duration::from_secs(60),
            api_key: None,
            fault_route: false,
            fault_seed: 0,
            fault_rules: Vec::new(),
            quirks: None,
        }
    }

    /// Listens on this address; port 0 takes a free one.
    #[must_use]
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.bind = addr;
        self
    }

    /// Keeps the graph in this folder, which is created when absent.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// What answered writes survive; only with a folder.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How often the log is brought into the graph file (60 s by default, at least 100 ms); only with a folder.
    #[must_use]
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.checkpoint_interval = interval.max(Duration::from_millis(100));
        self
    }

    /// Requires this key for everything but `/health` and `/stats`.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(ApiKeyText(key.into()));
        self
    }

    /// Offers `/_faults`, which changes the faults over HTTP.
    #[must_use]
    pub fn allow_fault_route(mut self, allow: bool) -> Self {
        self.fault_route = allow;
        self
    }

    /// Seeds the random numbers of the faults.
    #[must_use]
    pub fn fault_seed(mut self, seed: u64) -> Self {
        self.fault_seed = seed;
        self
    }

    /// Starts with these faults.
    #[must_use]
    pub fn fault_rules(mut self, rules: Vec<FaultRule>) -> Self {
        self.fault_rules = rules;
        self
    }

    /// Answers the dangerous forms as wrongly as that version does. With a folder, starting on it loses what that
    /// version loses at a start.
    #[must_use]
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = Some(quirks);
        self
    }

    /// Opens the graph and starts to listen. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`NexusDevError::OpenToTheNetwork`], [`NexusDevError::ApiKey`] and [`NexusDevError::Fault`] for settings that
    /// are refused; [`NexusDevError::Open`], [`NexusDevError::Indexes`], [`NexusDevError::Quirks`] and
    /// [`NexusDevError::Bind`] for what the system refuses.
    pub async fn start(self) -> Result<NexusDev, NexusDevError> {
        if !self.bind.ip().is_loopback() && self.api_key.is_none() {
            return Err(NexusDevError::OpenToTheNetwork { addr: self.bind });
        }
        let api_key = self.api_key.map(|key| ApiKey::new(&key.0)).transpose()?;
        let faults = FaultHandle::new(self.fault_seed);
        faults.set(self.fault_rules)?;
        let bind = |source| NexusDevError::Bind {
            addr: self.bind,
            source,
        };
        let listener = LineListener(TcpListener::bind(self.bind).await.map_err(bind)?);
        let addr = listener.0.local_addr().map_err(bind)?;

        let (data, durability) = (self.data, self.durability);
        let persistent = data.is_some();
        let quirks = self.quirks;
        let pipeline = blocking(move || {
            let graph = Graph::open(data.as_deref(), durability)?;
            let quirks = match quirks {
                Some(Quirks::V2_5) => Some(Nexus25::open(data.as_deref(), &graph)?),
                None => None,
            };
            Ok(Arc::new(Pipeline::new(graph, quirks)))
        })
        .await?;

        let (stop, stopped) = watch::channel(());
        if persistent {
            tokio::spawn(checkpoint_regularly(
                Arc::clone(&pipeline),
                self.checkpoint_interval,
                stopped.clone(),
            ));
        }
        let app = App {
            pipeline: Arc::clone(&pipeline),
            faults: faults.clone(),
            started: Instant::now(),
        };
        let service =
            routes::router(app, api_key, self.fault_route).into_make_service_with_connect_info::<Line>();
        let serve = axum::serve(listener, service).with_graceful_shutdown(until_stopped(stopped));
        let task = tokio::spawn(async move { serve.await });
        Ok(NexusDev {
            url: format!("http://{addr}"),
            addr,
            faults,
            pipeline,
            stop,
            task,
        })
    }
}

/// A running server. Stop it with [`NexusDev::shutdown`].
pub struct NexusDev {
    url: String,
    addr: SocketAddr,
    faults: FaultHandle,
    pipeline: Arc<Pipeline>,
    stop: watch::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl std::fmt::Debug for NexusDev {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NexusDev")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl NexusDev {
    /// Default settings.
    pub fn builder() -> NexusDevBuilder {
        NexusDevBuilder::new()
    }

    /// The server's address as `http://host:port`, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address it listens on, with the real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the faults while the server runs.
    pub fn faults(&self) -> &FaultHandle {
        &self.faults
    }

    /// Waits until a statement has ended the process that a server with quirks plays. From then on no request is
    /// answered. Without quirks this never happens.
    pub async fn died(&self) {
        let mut death = self.pipeline.death();
        if death.wait_for(|dead| *dead).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Stops accepting, lets running requests finish (10 s at most), checkpoints and closes the graph.
    ///
    /// # Errors
    /// [`NexusDevError::Checkpoint`] when the graph file could not be brought up to date; the log keeps the data.
    /// [`NexusDevError::Task`] when the server task had failed before.
    pub async fn shutdown(self) -> Result<(), NexusDevError> {
        let Self {
            pipeline,
            stop,
            mut task,
            ..
        } = self;
        drop(stop);
        let served = match tokio::time::timeout(DRAIN, &mut task).await {
            Ok(ended) => ended.map_err(|error| NexusDevError::Task {
                reason: error.to_string(),
            }),
            Err(_) => {
                task.abort();
                Ok(Ok(()))
            }
        };
        blocking(move || pipeline.graph().close()).await?;
        served?.map_err(|error| NexusDevError::Task {
            reason: error.to_string(),
        })
    }
}

/// Ends when the sender is dropped.
async fn until_stopped(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

async fn checkpoint_regularly(pipeline: Arc<Pipeline>, interval: Duration, mut stopped: watch::Receiver<()>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let pipeline = Arc::clone(&pipeline);
        if let Err(error) = blocking(move || pipeline.graph().checkpoint()).await {
            tracing::warn!(%error, "the log keeps growing until a checkpoint succeeds");
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NexusDevError> + Send + 'static,
) -> Result<T, NexusDevError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(NexusDevError::Task {
            reason: error.to_string(),
        })
    })
}
