//! What must hold of the journal, whatever lies on the disk.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use std::time::{Duration, Instant};

use super::super::outbox::Outbox;
use super::super::pending::{Claimed, Hint, Pending};
use super::super::storage::memory::Memory;
use super::super::timing::{System, Timing};
use super::super::work::{Priority, Stage};
use super::*;

/// A journal in memory, for many runs.
#[derive(Debug)]
pub struct Scratch(Disk);

impl Default for Scratch {
    fn default() -> Self {
        Self(Disk::new(Vault::open(Box::new(Memory::default())).unwrap().0))
    }
}

impl Scratch {
    fn clear(&self) {
        let mut changes = Changes::default();
        for entry in self.0.scan(Vec::new()) {
            changes.remove(entry.unwrap().0);
        }
        self.0.apply(&changes).unwrap();
    }
}

/// Any keys with any values: each reader gives what is there, or says that it is damaged.
pub fn stored<'a>(scratch: &Scratch, entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) {
    let disk = &scratch.0;
    scratch.clear();
    let mut documents = Vec::new();
    for (stored_key, value) in entries {
        disk.put(stored_key, value).unwrap();
        if let Some(document) = read(parse_key(stored_key)) {
            let kind = stored_key[0];
            assert_eq!(key(kind, &document).unwrap(), stored_key);
            documents.push(document);
        }
    }

    match disk.begin(true) {
        Ok(_) | Err(JournalError::Format { .. }) => {}
        Err(error) => drop(read::<()>(Err(error))),
    }
    assert_eq!(disk.installation().unwrap().len(), 32);
    disk.checked_server().unwrap();
    disk.canary().unwrap();
    disk.has_retracted().unwrap();

    let mut collections = disk.collections().unwrap();
    for document in &documents {
        disk.state(document).unwrap();
        disk.sources(document).unwrap();
        disk.failure(document).unwrap();
        disk.dead_letter(document).unwrap();
        collections.insert(document.collection.to_string());
    }
    for collection in &collections {
        disk.ids(collection).for_each(|id| drop(id.unwrap()));
    }

    let now = Instant::now();
    let mut pending = Pending::new(now);
    disk.hints(|(document, work, since)| {
        pending.add(&document, work, since, now, Hint::Change, Priority::Bulk);
    })
    .unwrap();
    disk.failures(|(document, failure)| {
        if let Some(failure) = failure {
            pending.restore(&document, failure.attempts, failure.interrupted, None);
        }
    })
    .unwrap();
    disk.dead(|document| assert!(disk.dead_letter(&document).unwrap().is_some()))
        .unwrap();
    disk.claims(|_| {}).unwrap();
    let moment = Timing::now(&System);
    Outbox::load(disk, moment).unwrap();
    assert_eq!(
        Outbox::load(disk, moment).unwrap().waiting(),
        disk.scan(vec![b'o']).count()
    );
    // What could not be read is gone.
    assert_eq!(disk.hints(|_| {}).unwrap(), Unreadable(0));
    let later = now + Duration::from_secs(60);
    for stage in [Stage::Nodes, Stage::Edges, Stage::Enrichment] {
        while let Claimed::Batch(batch) = pending.claim(stage, 2, later) {
            for claim in &batch.claims {
                assert_eq!(
                    pending.finish(&batch.document(&claim.id), Work::NONE, later),
                    None
                );
            }
        }
    }
    assert_eq!(pending.len(), 0);
}

/// What is put reads back equal, for this document and for no other.
pub fn round_trip(
    scratch: &Scratch,
    document: &DocumentId,
    other: &DocumentId,
    (work, since): (u8, u64),
    state: &DocumentState,
    server: &CheckedServer,
    canary: u64,
) {
    let disk = &scratch.0;
    scratch.clear();
    let work = Work::from_bits(work);
    let mut changes = Changes::default();
    let put = changes
        .put_hint(document, work, since)
        .and_then(|()| changes.put_state(document, state))
        .and_then(|()| changes.put_edge(document, &other.id));
    if let Err(error) = put {
        assert!(matches!(error, JournalError::NameTooLong(_)), "{error}");
        assert!(document.collection.len() > usize::from(u16::MAX));
        return;
    }
    disk.apply(&changes).unwrap();
    disk.set_checked_server(server).unwrap();
    disk.set_canary(canary).unwrap();
    disk.set_retracted(true).unwrap();

    let mut hints = Vec::new();
    disk.hints(|hint| hints.push(hint)).unwrap();
    assert_eq!(hints, [(document.clone(), work, since)]);
    // A score may be no number, so that it is not equal to itself.
    let bytes = |state: &DocumentState| postcard::to_stdvec(state).unwrap();
    let read = disk.state(document).unwrap().unwrap();
    assert_eq!(bytes(&read), bytes(state));
    assert_eq!(
        disk.state(other).is_ok_and(|state| state.is_some()),
        document == other
    );
    let ids: Vec<_> = disk.ids(&document.collection).map(Result::unwrap).collect();
    assert_eq!(ids, [document.id.as_ref()]);
    assert_eq!(
        disk.collections().unwrap(),
        BTreeSet::from([document.collection.to_string()])
    );
    let target = DocumentId::new(document.collection.clone(), other.id.clone());
    assert_eq!(disk.sources(&target).unwrap(), [document.id.as_ref()]);
    assert_eq!(
        disk.sources(document).unwrap().is_empty(),
        document.id != other.id
    );
    assert_eq!(disk.checked_server().unwrap().as_ref(), Some(server));
    assert_eq!(disk.canary().unwrap(), canary);
    assert!(disk.has_retracted().unwrap());

    let mut changes = Changes::default();
    changes.remove_hint(document).unwrap();
    changes.remove_state(document).unwrap();
    changes.remove_edge(document, &other.id).unwrap();
    disk.apply(&changes).unwrap();
    disk.hints(|hint| panic!("{hint:?}")).unwrap();
    assert!(disk.collections().unwrap().is_empty());
    assert!(disk.sources(&target).unwrap().is_empty());
}

/// What was read, `None` where it is damaged; nothing else may be wrong.
fn read<T>(result: Result<T, JournalError>) -> Option<T> {
    match result {
        Ok(read) => Some(read),
        Err(JournalError::Damaged { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}
