//! Payloads and vectors of any kind: there is always a domain, confidences are from 0 to 1, and the same document has the same
//! domains. Rules of any kind are compiled or refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use vectorizer_plugin_nexus::config::Domains;
use vectorizer_plugin_nexus::domains::{Classifier, Knowledge, Subject};

static CLASSIFIER: LazyLock<Classifier> =
    LazyLock::new(|| Classifier::new(&Domains::default(), Knowledge::default()).expect("the defaults are usable"));

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(settings) = serde_json::from_str::<Domains>(&text) {
        let _ = Classifier::new(&settings, Knowledge::default());
    }
    let (title, body) = text.split_once('\0').unwrap_or(("", &text));
    let payload = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(payload)) => payload,
        _ => json!({"title": title, "content": body}).as_object().cloned().unwrap_or_default(),
    };
    let vector: Vec<f32> = bytes.chunks_exact(4).map(|part| f32::from_le_bytes([part[0], part[1], part[2], part[3]])).collect();
    let subject = Subject {
        collection: title,
        id: title,
        payload: Some(&payload),
        vector: &vector,
        assigned: None,
    };
    let found = CLASSIFIER.classify(&subject);
    assert!(!found.is_empty() && found.iter().all(|one| (0.0..=1.0).contains(&one.confidence)));
    assert_eq!(found, CLASSIFIER.classify(&subject));
});
