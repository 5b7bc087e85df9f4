//! The audit log on disk: whatever lies there, a line that is taken for genuine has its own hash, and none is made by chance.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::audit;

fuzz_target!(|bytes: &[u8]| audit::file(bytes));
