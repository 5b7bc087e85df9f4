//! Headers on their way through: what is for one hop only stays behind (RFC 9110, section 7.6.1), and what says who asked is added.

use std::net::IpAddr;

use axum::http::header::{
    CONNECTION, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers of one hop.
const HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Makes the headers of a client's request those of the request to the server behind.
pub(super) fn request(headers: &mut HeaderMap, peer: Option<IpAddr>) {
    let upgrade = wanted_protocol(headers);
    strip(headers);
    if let Some(host) = headers.remove(HOST) {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    headers
        .entry(FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    if let Some(peer) = peer.and_then(|peer| HeaderValue::try_from(peer.to_string()).ok()) {
        headers.append(FORWARDED_FOR, peer);
    }
    if let Some(protocol) = upgrade {
        restore(headers, protocol);
    }
}

/// Makes the headers of an answer those of the answer to the client.
pub(super) fn response(headers: &mut HeaderMap, is_switching: bool) {
    let upgrade = headers.get(UPGRADE).filter(|_| is_switching).cloned();
    strip(headers);
    if let Some(protocol) = upgrade {
        restore(headers, protocol);
    }
}

/// The protocol that a client wants to go on in.
fn wanted_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_wanted = tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| is_wanted).cloned()
}

fn restore(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Takes out what is for one hop, and what `Connection` says is.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers).filter_map(|name| name.parse().ok()).collect();
    for name in named.iter().chain(&HOP) {
        headers.remove(name);
    }
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_for_one_hop_stays_behind() {
        let mut given = headers(&[
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "secret"),
            ("authorization", "Bearer t"),
            ("x-api-key", "k"),
        ]);
        request(&mut given, None);
        assert_eq!(names(&given), ["authorization", "x-api-key", "x-forwarded-proto"]);
    }

    #[test]
    fn who_asked_is_added_to_whoever_asked_before() {
        let mut given = headers(&[("host", "shop.example"), ("x-forwarded-for", "10.0.0.1")]);
        request(&mut given, Some([127, 0, 0, 1].into()));
        assert_eq!(given["x-forwarded-host"], "shop.example");
        let hops: Vec<_> = given.get_all("x-forwarded-for").iter().collect();
        assert_eq!(hops, ["10.0.0.1", "127.0.0.1"]);
        assert!(!given.contains_key(HOST));
    }

    #[test]
    fn a_switch_of_protocols_is_asked_for_and_agreed_to() {
        let mut given = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
        ]);
        request(&mut given, None);
        assert_eq!(
            (&given["connection"], &given["upgrade"]),
            (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
        let answered = headers(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        let mut agreed = answered.clone();
        response(&mut agreed, true);
        assert_eq!(names(&agreed), ["connection", "upgrade"]);
        let mut refused = answered;
        response(&mut refused, false);
        assert!(refused.is_empty());
    }
}
