//! The file of what was set by request: what is read can be written and read again, what is not is refused with the reason. See
//! `fuzzing::requested`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::requested;

fuzz_target!(|bytes: &[u8]| requested(bytes));
