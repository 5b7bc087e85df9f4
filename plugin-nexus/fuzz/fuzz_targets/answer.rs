//! Answers of the server: whatever comes is complete and accepted, or refused without the API key in the error. The bytes 254
//! and 255 stand for the key in the answer. See `fuzzing::nexus`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::nexus;

fuzz_target!(|bytes: &[u8]| {
    // Every answer is also cut somewhere, at a place that its own bytes choose.
    let cut = bytes.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    nexus::answer(bytes, cut);
});
