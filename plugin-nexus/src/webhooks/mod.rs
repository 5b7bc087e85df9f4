//! Signed messages, both ways.
//!
//! In come those of changes in the graph:
//!
//! ```text
//! POST /webhooks/nexus -> size, signature, time -> event -> journal: its name and the work, one write -> disk -> 202
//!                                                                       |
//!                                              lanes: look at the graph, repair what is ours, enrich the payload
//! ```
//!
//! Those that go out (`outbound`) tell subscribers of changes of documents.
//!
//! Invariants:
//! - of what comes in, nothing is read before its signature was found right, and nothing is done that the store and the graph do not
//!   ask for: an event says where to look, never what is there;
//! - 2xx is answered only after the event is on disk; a delivery that comes again is answered 200 and has no second effect;
//! - without a secret nothing is taken.

mod event;
mod inbound;
pub(crate) mod outbound;
mod secret;
mod signature;

pub use event::{EventError, GraphEvent, Touched};
pub(crate) use inbound::endpoints;
pub use secret::{PlainSecret, Secret, SecretError};
pub use signature::{DeliveryId, Forgery, Keyring};
