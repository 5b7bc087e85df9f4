//! What must hold of everything that comes from outside, whatever it is.
//!
//! Each function takes an input and panics where a property does not hold. The targets of `fuzz/` drive them by coverage, the
//! tests below with a generator that runs everywhere. Properties of private parsers lie next to those.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

pub mod config;
pub mod key;
pub mod record;

#[cfg(fuzzing)]
pub use crate::audit_log::properties as audit;
pub use crate::journal::properties as journal;
pub use crate::nexus::properties as nexus;
pub use crate::search::properties as search;
pub use crate::webhooks::outbound::properties as outbound;

/// Any bytes as the file of what was set by request: it is read or refused with the reason, and what is read can be written and
/// read again.
pub fn requested(bytes: &[u8]) {
    use crate::settings::Requested;
    match Requested::of_text(bytes) {
        Ok(requested) => {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("settings.json");
            requested.write(&path).unwrap();
            // Numbers with a fraction may come back as their neighbours.
            assert!(Requested::read(&path).is_ok());
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

#[cfg(test)]
mod tests;
