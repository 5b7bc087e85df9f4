//! What administrators name as a receiver, and the file of subscriptions. See `fuzzing::outbound`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::outbound;

fuzz_target!(|bytes: &[u8]| {
    outbound::file(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        outbound::url(text, false);
        outbound::url(text, true);
    }
});
