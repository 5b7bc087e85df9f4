//! Exchanges: what they changed is found out. See `sidecar::properties`.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vectorizer_host::sidecar::properties;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    method: u8,
    path: &'a str,
    request: &'a [u8],
    answer: &'a [u8],
}

const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "GET"];

/// Paths that the fuzzer need not find by itself.
const PATHS: [&str; 8] = [
    "/insert",
    "/insert_texts",
    "/batch_update",
    "/collections/c/vectors/move",
    "/qdrant/collections/c/points",
    "/qdrant/collections/c/points/delete",
    "/graphql",
    "/mcp",
];

fuzz_target!(|input: Input<'_>| {
    let method = METHODS[usize::from(input.method) % METHODS.len()];
    for path in PATHS.iter().chain(&[input.path]) {
        properties::exchange(method, path, input.request, input.answer);
    }
});
