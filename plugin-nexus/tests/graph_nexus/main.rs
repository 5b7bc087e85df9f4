//! The graph's operations against running servers: the development server in this process, and a
//! real Nexus when `NEXUS_SERVER_BIN` names its binary.

// Test code: a helper that panics is a test that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod deletion;
mod documents;
mod edges;
mod restart;
mod server;
