//! Requests of users who search. See `fuzzing::search`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::search;

fuzz_target!(|bytes: &[u8]| {
    search::body(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        search::query(text);
    }
});
