//! The sidecar in front of a stand-in for Vectorizer, which replays recorded answers, and fails as it is told to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod asking;
mod callers;
mod front;
mod passing;
mod stand_in;
mod telling;
