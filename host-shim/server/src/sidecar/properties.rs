//! What must hold of everything that clients and Vectorizer say, whatever it is. Each function panics where it does not.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::asked::Asked;
use super::effects::{Effect, effects, possible_effects};
use super::mutation::Mutation;
use super::{answers, headers, payload};

/// Any exchange: what it changed is found out, and each document that it is said to have changed is named in it.
pub fn exchange(method: &str, path: &str, request: &[u8], answer: &[u8]) {
    let Some(mutation) = Mutation::of(method, path) else {
        return;
    };
    let asked = || match mutation.reads_request() {
        true => Asked::read(&mutation, request),
        false => Asked::Unknown,
    };
    let answered = serde_json::from_slice(answer).unwrap_or(Value::Null);
    let changed = [
        effects(&mutation, asked(), &answered),
        possible_effects(&mutation, asked()),
    ];
    for effect in changed.into_iter().flatten() {
        match effect {
            Effect::Documents { ids, .. } => assert!(!ids.is_empty()),
            Effect::Promised { points, .. } => assert!(!points.is_empty()),
            Effect::Created(_)
            | Effect::Dropped(_)
            | Effect::Renamed { .. }
            | Effect::Collection(_)
            | Effect::Anything => {}
        }
    }
    if asked() == Asked::Nothing {
        assert!(effects(&mutation, asked(), &answered).is_empty());
    }
}

/// Any object as a payload: it has one form, which is that of what was written.
pub fn normal_payload(bytes: &[u8]) {
    let Ok(written) = serde_json::from_slice::<JsonMap>(bytes) else {
        return;
    };
    let mut once = written.clone();
    payload::normalize(&mut once);
    let mut twice = once.clone();
    payload::normalize(&mut twice);
    assert_eq!(once, twice);
    assert!(payload::is_same(Some(&written), Some(&once)));
}

/// Any bytes as answers to calls of this server's own: they are read, or refused.
pub fn answer(bytes: &[u8]) {
    let _ = serde_json::from_slice::<answers::Answer<Vec<answers::Point>>>(bytes);
    let _ = serde_json::from_slice::<answers::Answer<answers::Scrolled>>(bytes);
    let _ = serde_json::from_slice::<answers::GraphQl>(bytes);
    let _ = serde_json::from_slice::<answers::RestCollections>(bytes);
    let _ = serde_json::from_slice::<answers::Aliases>(bytes);
    let _ = serde_json::from_slice::<answers::Updated>(bytes);
    let _ = serde_json::from_slice::<answers::Me>(bytes);
}

/// Any headers on their way through: none of one hop is left, but for an agreement to switch protocols.
pub fn passing_headers(given: &[(&str, &[u8])], is_switching: bool) {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    let mut map = HeaderMap::new();
    for (name, value) in given {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    let mut asked = map.clone();
    headers::request(&mut asked, None);
    headers::response(&mut map, is_switching);
    for map in [asked, map] {
        for name in [
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "proxy-authorization",
        ] {
            assert!(!map.contains_key(name), "{name}");
        }
        assert_eq!(map.contains_key("connection"), map.contains_key("upgrade"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_exchange_is_understood_as_far_as_it_goes(
            method in "(POST|PUT|DELETE|PATCH)",
            path in "/(insert|insert_texts|batch_update|batch_delete|mcp|graphql|umicp|collections/c/vectors/(move|a)|qdrant/collections/c/points(/delete)?)",
            request in "\\PC{0,80}",
            answer in "\\PC{0,80}",
        ) {
            exchange(&method, &path, request.as_bytes(), answer.as_bytes());
        }

        #[test]
        fn any_payload_has_one_form(key in "[a-c]{1,2}", text in "[a \\t\\r\\n]{0,16}", number in any::<f64>()) {
            let object = serde_json::json!({key: [text, number, {"k": text}]});
            normal_payload(object.to_string().as_bytes());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            answer(&bytes);
        }

        #[test]
        fn no_header_of_one_hop_comes_through(
            names in proptest::collection::vec("(connection|upgrade|te|x-a|keep-alive|trailer)", 0..6),
            value in "(close|upgrade, x-a|x-a,,|websocket|\\PC{0,8})",
            is_switching in any::<bool>(),
        ) {
            let given: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), value.as_bytes())).collect();
            passing_headers(&given, is_switching);
        }
    }
}
