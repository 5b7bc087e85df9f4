//! The graph's operations against running servers: the development server in this process, as it is and with the quirks
//! of Nexus 2.5, and a real Nexus when `NEXUS_SERVER_BIN` names its binary.

// Test code: a helper that panics is a test that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod deletion;
mod documents;
mod edges;
mod probe;
mod refusal;
mod restart;
mod server;
