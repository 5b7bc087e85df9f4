//! The journal: what lies on the disk is read or found damaged, and what was put reads back. See `fuzzing::journal`.
#![no_main]

use std::cell::RefCell;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vectorizer_plugin_nexus::fuzzing::journal::{Scratch, round_trip, stored};
use vectorizer_plugin_nexus::graph::RecordShape;
use vectorizer_plugin_nexus::journal::{CheckedServer, DocumentId, DocumentState, EdgeState};

const META: [&[u8]; 7] = [
    b"mformat",
    b"mepoch",
    b"mclean",
    b"minstallation",
    b"mserver",
    b"mcanary",
    b"mretracted",
];

/// Runs with one journal: its file grows.
const RUNS: u32 = 2_000;

#[derive(Debug, Arbitrary)]
enum Key<'a> {
    Meta(u8),
    Document {
        kind: u8,
        collection: &'a str,
        id: &'a str,
    },
    Raw(u8, &'a [u8]),
}

impl Key<'_> {
    fn bytes(&self) -> Vec<u8> {
        match *self {
            Key::Meta(which) => META[usize::from(which) % META.len()].to_vec(),
            Key::Document { kind, collection, id } => {
                let length = (collection.len() as u16).to_be_bytes();
                [
                    &[b"hsr"[usize::from(kind) % 3]],
                    &length[..],
                    collection.as_bytes(),
                    id.as_bytes(),
                ]
                .concat()
            }
            Key::Raw(kind, rest) => [&[b"hsrm"[usize::from(kind) % 4]], rest].concat(),
        }
    }
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    entries: Vec<(Key<'a>, &'a [u8])>,
    names: [&'a str; 4],
    hint: (u8, u64),
    epochs: [Option<u32>; 2],
    numbers: [u64; 4],
    fingerprint: u128,
    vector: Option<u64>,
    shape: (u32, Vec<String>),
    edges: Vec<(String, u64, f32)>,
    version: String,
    started_millis: Option<i64>,
}

thread_local! {
    static SCRATCH: RefCell<(u32, Scratch)> = RefCell::default();
}

fuzz_target!(|input: Input<'_>| {
    let [collection, id, other, other_id] = input.names;
    let [epoch, edges_epoch] = input.epochs;
    let [rev, born, copy_rules, number] = input.numbers;
    let state = DocumentState {
        access: 0,
        content: number,
        epoch,
        edges_epoch,
        rev,
        born,
        fingerprint: input.fingerprint,
        copy_rules,
        vector: input.vector,
        shape: RecordShape {
            width: input.shape.0,
            names: input.shape.1.into_iter().collect(),
        },
        edges: (input.edges.into_iter())
            .map(|(target, target_born, score)| EdgeState {
                target,
                target_born,
                score,
            })
            .collect(),
    };
    let server = CheckedServer {
        version: input.version,
        started_millis: input.started_millis,
        unreadable: number,
    };
    let entries: Vec<_> = input
        .entries
        .iter()
        .map(|(key, value)| (key.bytes(), *value))
        .collect();
    SCRATCH.with_borrow_mut(|(runs, scratch)| {
        *runs += 1;
        if *runs % RUNS == 0 {
            *scratch = Scratch::default();
        }
        stored(
            scratch,
            entries.iter().map(|(key, value)| (key.as_slice(), *value)),
        );
        let (document, other) = (DocumentId::new(collection, id), DocumentId::new(other, other_id));
        round_trip(scratch, &document, &other, input.hint, &state, &server, number);
    });
});
