//! Headers on their way through. See `sidecar::properties`.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vectorizer_host::sidecar::properties;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    headers: Vec<(&'a str, &'a [u8])>,
    is_switching: bool,
}

fuzz_target!(|input: Input<'_>| properties::passing_headers(&input.headers, input.is_switching));
