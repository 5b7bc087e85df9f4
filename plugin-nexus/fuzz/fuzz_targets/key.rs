//! Documents and keys: a key names one document, is made of the safe alphabet alone and changes no statement; a text is a key,
//! a mark or a literal only where it is printed so. See `fuzzing::key`.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::key;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    collection: &'a str,
    id: &'a str,
    /// How often the id is repeated: beyond the bound of a part it becomes a digest.
    times: u8,
    other: &'a str,
    other_id: &'a str,
    text: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    let id = input.id.repeat(usize::from(input.times.max(1)));
    key::documents((input.collection, &id), (input.other, input.other_id));
    // Where the border between both parts lies has to matter.
    key::documents((input.collection, &id), (&id, input.collection));
    for text in [
        input.text,
        input.id,
        &format!("{}/{}", input.other, input.other_id),
    ] {
        key::text(text);
    }
});
