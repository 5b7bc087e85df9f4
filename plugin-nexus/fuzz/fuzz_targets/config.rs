//! The section of the host's configuration: what is accepted is in range, what is refused is named and shows no credentials
//! of an address. See `fuzzing::config`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::config;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    config::text(&text);
    // The same text as the parts of an address.
    let mut parts = text.splitn(3, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (rest, user, password) = (part(), part(), part());
    let scheme = ["http:", "https:", "ftp:"][bytes.len() % 3];
    config::credentials(scheme, user, password, rest);
});
