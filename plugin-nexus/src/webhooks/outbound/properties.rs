//! What must hold of everything that administrators name, and of the file that subscriptions are kept in.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use std::net::{IpAddr, Ipv4Addr};

use url::Host;

use super::guard::Guard;
use super::registry::read_text;

/// Any text as a URL: one that is taken is of HTTP, says no credentials, and names no address that only the server reaches.
pub fn url(text: &str, allow_http: bool) {
    let guard = Guard {
        allow_http,
        ..Guard::default()
    };
    let Ok(url) = guard.parse(text) else {
        return;
    };
    assert!(
        url.scheme() == "https" || allow_http && url.scheme() == "http",
        "{url}"
    );
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    // By the standard library's notions, which are not the guard's.
    let is_inside = |address: Ipv4Addr| {
        address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || address.is_documentation()
    };
    match url.host().unwrap() {
        Host::Ipv4(address) => assert!(!is_inside(address), "{url}"),
        Host::Ipv6(address) => {
            let inside = address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local();
            assert!(!inside, "{url}");
            if let IpAddr::V4(meant) = IpAddr::V6(address).to_canonical() {
                assert!(!is_inside(meant), "{url}");
            }
        }
        Host::Domain(name) => assert!(name.parse::<IpAddr>().is_err(), "{url}"),
    }
}

/// Any bytes as the file of subscriptions: read, or refused without a word of a secret.
pub fn file(bytes: &[u8]) {
    if let Err(reason) = read_text(bytes) {
        assert!(!reason.contains("whsec_") || reason.contains("must"), "{reason}");
    }
}
