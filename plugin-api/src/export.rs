//! The one macro that makes a crate a plugin.

// The header's constructor contract is unsafe; its proof is below.
#![allow(unsafe_code)]

use abi_stable::library::{__call_root_module_loader, CheckTypeLayout, RootModuleResult};

use crate::abi::{PluginTableRef, table_of};
use crate::plugin::Plugin;

/// The symbol under which a plugin exports its table, with the terminating nul.
pub const ROOT_SYMBOL: &str = "vectorizer_plugin_root\0";

/// What stands behind [`ROOT_SYMBOL`]: the table's layout, to compare, and its constructor.
pub type RootHeader = abi_stable::library::LibHeader;

/// The header of plugin `P`.
#[must_use]
pub const fn root_header<P: Plugin>() -> RootHeader {
    extern "C" fn construct<P: Plugin>() -> RootModuleResult {
        __call_root_module_loader(table_of::<P>)
    }
    // SAFETY: `construct` returns what `__call_root_module_loader` erased from a `PluginTableRef`.
    unsafe { RootHeader::from_constructor::<PluginTableRef>(construct::<P>, CheckTypeLayout::Yes) }
}

/// Exports a [`crate::Plugin`] from a `cdylib`: its handshake record, readable in the file without running
/// anything, and its function table. Use it once in a crate.
///
/// `name` is what operators write in their configuration; `config_section` is the top-level section of the host's
/// configuration that the plugin reads when it has none of its own under `plugins`.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty, name: $name:literal, config_section: $section:literal $(,)?) => {
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            // SAFETY: the names are this crate's own and a shared library exports them once.
            #[used]
            #[unsafe(export_name = "vectorizer_plugin_handshake")]
            #[unsafe(link_section = ".vzplugin")]
            pub static HANDSHAKE: [u8; $crate::private::RECORD_LEN] = $crate::private::encode(
                if cfg!(panic = "unwind") { "unwind" } else { "abort" },
                $name,
                env!("CARGO_PKG_VERSION"),
                $section,
            );

            // SAFETY: as above.
            #[unsafe(export_name = "vectorizer_plugin_root")]
            pub static ROOT: $crate::private::RootHeader = $crate::private::root_header::<$plugin>();
        };
    };
}
