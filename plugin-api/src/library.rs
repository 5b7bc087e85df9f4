//! The host's way to a plugin file: read the handshake without running anything, then load, compare layouts, call.
//!
//! Invariants: a library is never unloaded, an instance never freed, so a [`PluginInstance`] is always valid; what
//! is called has passed the handshake and the layout comparison.

// Loading a library runs its initialisers and trusts its symbols; each block carries its proof.
#![allow(unsafe_code)]

use std::path::Path;
use std::time::Duration;

use abi_stable::library::AbiHeaderRef;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use object::{Object, ObjectSection};

use crate::abi::{InstanceRef, PluginTableRef};
use crate::change::ChangeBatch;
use crate::export::ROOT_SYMBOL;
use crate::fault::{Fault, FaultCode};
use crate::handshake::{Handshake, RECORD_LEN, RecordError, SECTION};
use crate::host::Host;
use crate::http::{Request, Responder};
use crate::model::CollectionEvent;
use crate::plugin::{Health, Setup};

/// Why a file is not a plugin, or not one that can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// The bytes are no shared library, or a truncated one.
    #[error("not a shared library: {0}")]
    NotALibrary(String),
    /// A shared library, but no plugin.
    #[error("not a plugin: the file has no section '{SECTION}'")]
    NoHandshake,
    /// A plugin with an unreadable record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The system's loader refused the file.
    #[error("cannot be loaded: {0}")]
    Load(String),
    /// What was loaded says something else than what was read in the file.
    #[error("the loaded handshake record differs from the one in the file")]
    Substituted,
    /// Built with another ABI library.
    #[error("the plugin's ABI library does not match the host's: {0}; rebuild the plugin")]
    AbiLibrary(String),
    /// The plugin hides the layout of its types.
    #[error("the plugin carries no type layout to compare; rebuild it with export_plugin!")]
    NoLayout,
    /// The types differ.
    #[error(
        "the plugin's type layout differs from the host's; rebuild it against this host's plugin API\n{0}"
    )]
    Layout(String),
}

/// Reads the handshake record in the bytes of a shared library. Runs nothing of it.
///
/// # Errors
/// [`LibraryError::NotALibrary`], [`LibraryError::NoHandshake`], [`LibraryError::Record`].
pub fn read_handshake(image: &[u8]) -> Result<Handshake, LibraryError> {
    let file = object::File::parse(image).map_err(|error| LibraryError::NotALibrary(error.to_string()))?;
    let section = file.section_by_name(SECTION).ok_or(LibraryError::NoHandshake)?;
    let bytes = section
        .data()
        .map_err(|error| LibraryError::NotALibrary(error.to_string()))?;
    Ok(Handshake::parse(bytes)?)
}

/// A loaded plugin library.
#[derive(Clone, Copy)]
pub struct PluginLibrary {
    table: PluginTableRef,
}

impl std::fmt::Debug for PluginLibrary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginLibrary").finish_non_exhaustive()
    }
}

impl PluginLibrary {
    /// Loads the library at `path`, whose file was seen to hold the handshake `expected`. It stays loaded for
    /// ever, also when it is refused here: its initialisers have run by then.
    ///
    /// The caller vouches for the file: loading runs code of it.
    ///
    /// # Errors
    /// Every [`LibraryError`] but [`LibraryError::NoHandshake`].
    pub fn load(path: &Path, expected: &Handshake) -> Result<Self, LibraryError> {
        // SAFETY: running the file's initialisers is what the caller asked for; it vouches for the file. All
        // symbols are bound now, so none is missing at a later call.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| LibraryError::Load(error.to_string()))?;
        let library: &'static Library = Box::leak(Box::new(library));

        // SAFETY: `export_plugin!` exports this symbol as a static of this type; a byte array has no invalid value,
        // and the record's section was read in the file before.
        let record = unsafe { library.get::<*const [u8; RECORD_LEN]>(b"vectorizer_plugin_handshake\0") }
            .map_err(|error| LibraryError::Load(error.to_string()))?;
        // SAFETY: the symbol's address, of a static that lives as long as the library: for ever.
        let record: &'static [u8; RECORD_LEN] = unsafe { &**record };
        if Handshake::parse(record).as_ref() != Ok(expected) {
            return Err(LibraryError::Substituted);
        }

        // SAFETY: `export_plugin!` exports this symbol as a static `LibHeader`, which begins with an `AbiHeader`;
        // `AbiHeaderRef` is a pointer to one. `upgrade` checks its magic before anything else is read.
        let header = unsafe { library.get::<AbiHeaderRef>(ROOT_SYMBOL.as_bytes()) }
            .map_err(|error| LibraryError::Load(error.to_string()))?;
        let header = (*header)
            .upgrade()
            .map_err(|error| LibraryError::AbiLibrary(error.to_string()))?;
        if header.layout().is_none() {
            return Err(LibraryError::NoLayout);
        }
        let table = header
            .check_layout::<PluginTableRef>()
            .map_err(|error| LibraryError::Layout(error.to_string()))?;
        Ok(Self { table })
    }

    /// Creates the plugin's instance.
    ///
    /// # Errors
    /// What [`crate::Plugin::create`] answers, or [`FaultCode::Panicked`].
    pub fn create(&self, host: Host, setup: Setup<'_>) -> Result<PluginInstance, Fault> {
        InstanceRef::create(self.table, host, setup).map(|raw| PluginInstance { raw })
    }
}

/// A plugin's instance. Every method is the one of [`crate::Plugin`] with its name; a panic in it comes back
/// as [`FaultCode::Panicked`].
#[derive(Clone, Copy)]
#[allow(clippy::missing_errors_doc)]
pub struct PluginInstance {
    raw: InstanceRef,
}

impl std::fmt::Debug for PluginInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginInstance").finish_non_exhaustive()
    }
}

#[allow(missing_docs, clippy::missing_errors_doc)]
impl PluginInstance {
    pub fn start(&self) -> Result<(), Fault> {
        self.raw.start()
    }

    pub fn notify(&self, batch: ChangeBatch<'_>) -> Result<(), FaultCode> {
        self.raw.notify(batch)
    }

    pub fn collection_event(&self, event: &CollectionEvent<'_>) -> Result<(), FaultCode> {
        self.raw.collection_event(event)
    }

    pub fn http(&self, request: Request, responder: Responder) -> Result<(), Fault> {
        self.raw.http(request, responder)
    }

    pub fn metrics(&self) -> Result<String, Fault> {
        self.raw.metrics()
    }

    pub fn health(&self) -> Result<Health, Fault> {
        self.raw.health()
    }

    pub fn reload(&self, config: &str) -> Result<(), Fault> {
        self.raw.reload(config)
    }

    pub fn stop_intake(&self) -> Result<(), Fault> {
        self.raw.stop_intake()
    }

    pub fn drain(&self, deadline: Duration) -> Result<u64, Fault> {
        self.raw.drain(deadline)
    }
}
