//! Webhooks to whoever subscribed to changes of documents, signed as [Standard Webhooks](https://www.standardwebhooks.com/).
//!
//! ```text
//! node stage -> commit: state and messages, one write -> courier -> guard -> receiver
//!               (journal::outbox)                           |
//!                                     sent | sent again later | undeliverable, to be replayed
//! ```
//!
//! Invariants:
//! - at least once, and of one document in the order of its changes; several changes of a document that were synced as one are told
//!   as one;
//! - who does not answer costs nobody else anything: each subscription has its own queue, and after a few failures in a row one
//!   message at a time is tried on its behalf ([`standing`]);
//! - nothing of a payload leaves: a message names the document, and whoever may see it reads it.

mod courier;
mod form;
mod guard;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod registry;
mod routes;
mod schedule;
mod sender;
mod standing;
mod subscription;

use std::path::Path;
use std::time::Duration;

pub(crate) use courier::run;
pub(crate) use guard::Guard;
pub(crate) use routes::endpoints;
pub(crate) use schedule::STANDARD as STANDARD_SCHEDULE;

use registry::Registry;
use sender::Sender;
use standing::Standings;
use subscription::Subscription;

use crate::config::Outbound as Settings;
use crate::journal::{Journal, JournalError, OutboxBounds};

/// Subscriptions, and what is needed to serve them.
#[derive(Debug)]
pub struct Outbound {
    settings: Settings,
    registry: Registry,
    guard: Guard,
    sender: Sender,
    standings: Standings,
}

impl Outbound {
    /// Reads the subscriptions in `folder`.
    pub(crate) fn open(settings: &Settings, folder: &Path) -> Self {
        let guard = settings.guard();
        let timeout = Duration::from_millis(settings.timeout_ms);
        Self {
            registry: Registry::open(&folder.join("webhooks.json"), settings.max_subscriptions),
            sender: Sender::new(
                guard.clone(),
                timeout,
                settings.ca_file.as_deref().map(Into::into),
            ),
            guard,
            standings: Standings::default(),
            settings: settings.clone(),
        }
    }

    /// Tells the journal who is told of what. Where the subscriptions cannot be read, nothing that waits for them is touched.
    pub(crate) fn tell(&self, journal: &Journal) -> Result<(), JournalError> {
        if self.registry.fault().is_some() {
            return Ok(());
        }
        let all = self.registry.all();
        let active = all.iter().filter(|subscription| subscription.is_active());
        let subscribers = active.map(Subscription::subscriber).collect();
        let known = all.iter().map(|subscription| subscription.id.0).collect();
        let bounds = OutboxBounds {
            waiting: self.settings.max_waiting,
            undeliverable: self.settings.max_undeliverable,
        };
        journal.set_subscribers(subscribers, &known, bounds)
    }

    /// Why no webhooks are sent, although somebody may have subscribed.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.registry.fault()
    }
}
