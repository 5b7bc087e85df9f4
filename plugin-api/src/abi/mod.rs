//! The C-like layouts that travel, and the function tables. The only module that names `abi_stable`.
//!
//! Invariants:
//! - Every type here is `repr(C)` with a stable layout that the loader compares before any call.
//! - Numbers that stand for alternatives travel as integers, never as Rust enums: an unknown one is data, not
//!   undefined behaviour.
//! - Function tables grow at their end only (prefix types). What one side may lack is an option on the other; what it must have raises
//!   [`crate::handshake::API_MINOR`].
//! - Every function in a table catches panics on its own side.

// The derives implement unsafe traits; each unsafe block written by hand carries its own proof.
#![allow(unsafe_code)]

mod host_table;
mod plugin_table;
mod values;

pub(crate) use abi_stable::std_types::RStr;
pub(crate) use host_table::HostRef;
#[cfg(feature = "host")]
pub(crate) use plugin_table::InstanceRef;
pub(crate) use plugin_table::{PluginTableRef, table_of};
pub(crate) use values::{ChangeBatchC, ResponderC};
