//! The API for administrators, on a host with the plugin and a graph server.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod access;
#[path = "../setup/mod.rs"]
mod setup;
mod steering;

const BASE: &str = "/api/v1/sync/nexus";
