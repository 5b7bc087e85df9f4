//! The command line against a host with the plugin and a graph server: what each command does, says and ends with.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod checks;
mod files;
mod jobs;
mod letters;
mod program;
#[path = "../setup/receiver.rs"]
mod receiver;
#[path = "../setup/mod.rs"]
mod setup;
mod switches;
