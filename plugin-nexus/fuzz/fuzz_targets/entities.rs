//! Texts of any kind: mentions are in order, at borders of characters, and do not overlap; entities are bounded, and their names in
//! normal form are their keys. Bytes of any kind are a model of the tagger or are refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::config::Entities;
use vectorizer_plugin_nexus::entities::{EntityExtractor, Tagger};

static EXTRACTOR: LazyLock<EntityExtractor> =
    LazyLock::new(|| EntityExtractor::new(&Entities::default()).expect("the defaults are usable"));

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut end = 0;
    for mention in EXTRACTOR.mentions(&text) {
        assert!(mention.span.start >= end && mention.span.start < mention.span.end);
        assert!(text.get(mention.span.clone()).is_some());
        assert!((0.0..=1.0).contains(&mention.confidence));
        end = mention.span.end;
    }
    let found = EXTRACTOR.extract(&text);
    assert!(found.entities.len() <= Entities::default().max_per_document);
    assert!(found.entities.iter().all(|entity| !entity.key.is_empty() && entity.count > 0));
    if let Ok(tagger) = Tagger::from_bytes(bytes) {
        assert!(Tagger::from_bytes(&tagger.to_bytes()).is_ok());
    }
});
