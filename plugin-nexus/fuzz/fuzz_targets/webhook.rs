//! Deliveries of webhooks: whatever headers and body come, none is genuine that nobody signed, and an event names only documents
//! whose names can be used. The first line of the input is the headers, each behind a byte 1, with a byte for its name; the rest is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::graph::ForeignType;
use vectorizer_plugin_nexus::webhooks::{GraphEvent, Keyring, PlainSecret, Secret};

const HEADERS: [&str; 5] = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-nexus-signature",
    "x-nexus-timestamp",
];

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(at);
    let headers: Vec<(String, Vec<u8>)> = head
        .split(|byte| *byte == 1)
        .filter_map(|header| {
            let (which, value) = header.split_first()?;
            let name = HEADERS.get(usize::from(*which) % HEADERS.len())?;
            Some(((*name).to_owned(), value.to_vec()))
        })
        .collect();
    let secrets = [Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()];
    let plain = [PlainSecret::parse("a plain secret of some length").unwrap()];
    let keyring = Keyring {
        secrets: &secrets,
        plain: &plain,
        tolerance: u64::MAX,
    };
    assert!(keyring.verify(&headers, body, 1_614_265_330).is_err());
    if let Ok(event) = GraphEvent::parse(body) {
        assert!(event.documents.len() <= 2);
        for (collection, id) in event.documents {
            assert!(!collection.is_empty() && !id.is_empty());
        }
    }
    if let Ok(text) = std::str::from_utf8(body)
        && let Some(kind) = ForeignType::new(text)
    {
        assert!(kind.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    }
});
