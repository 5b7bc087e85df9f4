//! Answers and payloads. See `sidecar::properties`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_host::sidecar::properties;

fuzz_target!(|bytes: &[u8]| {
    properties::answer(bytes);
    properties::normal_payload(bytes);
});
