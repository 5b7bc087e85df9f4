//! What can go wrong with the server itself. Failures of a statement are answers, not errors of this crate.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server could not start, keep its data or stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NexusDevError {
    /// The address cannot be listened on. Choose another one or stop what holds it.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Anyone on the network could read and delete the graph. Set an API key or bind to a loopback address.
    #[error("refusing to listen on {addr} without an API key: set one, or bind to a loopback address")]
    OpenToTheNetwork {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The API key is empty, or holds what an HTTP header cannot carry.
    #[error("the API key must consist of one or more visible ASCII characters")]
    ApiKey,
    /// The data folder or the graph in it cannot be opened.
    #[error("cannot open the graph at {}: {reason}", path.display())]
    Open {
        /// The folder or file.
        path: PathBuf,
        /// The reason in the engine's or the system's words.
        reason: String,
    },
    /// The list of declared indexes cannot be read or written. Removing the file loses the declarations, not data.
    #[error("cannot keep the list of indexes {}: {reason}", path.display())]
    Indexes {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The graph file could not be brought up to date. The log beside it still holds everything answered.
    #[error("cannot checkpoint the graph: {reason}")]
    Checkpoint {
        /// The reason in the engine's words.
        reason: String,
    },
    /// The files that only a server with quirks keeps beside the graph cannot be read or written.
    #[error("cannot keep the records of the quirks in {}: {reason}", path.display())]
    Quirks {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A fault rule makes no sense.
    #[error(transparent)]
    Fault(#[from] crate::faults::FaultError),
    /// The server task ended in a way it never should.
    #[error("the server task failed: {reason}")]
    Task {
        /// What is known about it.
        reason: String,
    },
}
