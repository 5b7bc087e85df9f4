//! A vector database server that hosts plugins: an embedded, durable vector store and its REST API.
//!
//! The parts, from the bottom up; each uses only those before it:
//!
//! - [`store`]: documents on disk. The truth about everything; every answer is checked against it.
//! - `index`: a graph in memory that proposes search candidates. Never the truth, only a shortcut.
//! - [`text`]: what turns text into vectors and long texts into chunks.
//! - [`backend`]: what is served from: that store, or a Vectorizer behind the server.
//! - [`auth`]: who a caller is.
//! - [`rest`]: Vectorizer's HTTP API over the store.
//! - [`sidecar`]: the same in front of a Vectorizer, whose requests are handed on.
//! - [`plugins`]: the routes and the metrics of plugins.
//! - [`server`], [`config`], [`settings`]: listening, shutting down, the settings and the file they stand in.
//! - [`reload`]: reading the file again while the server runs.
//! - [`audit`]: what concerns security, in a log.
//! - [`health`]: whether the server lives, is ready, and how all of it does.
//! - [`correlation`]: the id that a request goes by in logs, and at plugins.
//! - [`logging`]: lines of the server and of plugins, as text or JSON.

pub mod audit;
pub mod auth;
pub mod backend;
pub mod config;
pub mod correlation;
pub mod health;
mod index;
pub mod logging;
pub mod plugins;
pub mod reload;
pub mod rest;
pub mod server;
pub mod settings;
pub mod sidecar;
pub mod store;
pub mod text;
