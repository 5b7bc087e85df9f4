//! The status page: what is served, and what a visitor sees and does in a browser.
//!
//! The tests in a browser need Chromium (`CHROMIUM`, or `chromium` in the path). Where it is not there they say so, unless `CI` is
//! set. They leave pictures of the page in `target/status-page`.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

#[path = "../setup/browser.rs"]
mod browser;
mod content;
mod served;
#[path = "../setup/mod.rs"]
mod setup;
mod visit;

const PAGE: &str = "/admin/nexus/";
