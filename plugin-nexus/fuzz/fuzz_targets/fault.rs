//! Failures: each status with each text has exactly one meaning, told in one bounded line. See `fuzzing::nexus`.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::nexus;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    status: u16,
    retry_after: &'a [u8],
    text: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    for status in [input.status % 500 + 100, input.status, 400] {
        nexus::status(status, input.retry_after, input.text);
    }
    nexus::message(input.text);
});
