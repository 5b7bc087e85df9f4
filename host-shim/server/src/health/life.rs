//! Where the server is in its life.
//!
//! Invariant: it goes one way: opened, started, stopping. What was passed is never again.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

/// The server's life. Cheap to clone; all clones are of one life.
#[derive(Debug, Clone)]
pub struct Life(Arc<Mutex<Moments>>);

#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) opened: Timestamp,
    /// When the plugins had been told to start.
    pub(super) started: Option<Timestamp>,
    pub(super) stopping: Option<Timestamp>,
}

impl Default for Life {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Moments {
            opened: Timestamp::now(),
            started: None,
            stopping: None,
        })))
    }
}

impl Life {
    /// The plugins were told to start.
    pub fn started(&self) {
        self.0.lock().started.get_or_insert_with(Timestamp::now);
    }

    /// The server stops: it takes no new requests.
    pub fn stopping(&self) {
        self.0.lock().stopping.get_or_insert_with(Timestamp::now);
    }

    /// Whether it has started and does not stop.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        let moments = self.moments();
        moments.started.is_some() && moments.stopping.is_none()
    }

    pub(super) fn moments(&self) -> Moments {
        *self.0.lock()
    }
}
