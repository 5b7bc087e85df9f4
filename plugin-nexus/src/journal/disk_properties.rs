//! What must hold of the journal, whatever lies on the disk.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use std::time::Instant;

use super::super::pending::{Hint, Pending};
use super::super::work::Stage;
use super::*;

/// A journal in memory, for many runs.
#[derive(Debug)]
pub struct Scratch(Disk);

impl Default for Scratch {
    fn default() -> Self {
        let db = sled::Config::new().temporary(true).flush_every_ms(None).open();
        Self(Disk {
            db: db.unwrap(),
            epoch: AtomicU32::new(0),
        })
    }
}

/// Any keys with any values: each reader gives what is there, or says that it is damaged.
pub fn stored<'a>(scratch: &Scratch, entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) {
    let disk = &scratch.0;
    disk.db.clear().unwrap();
    let mut documents = Vec::new();
    for (stored_key, value) in entries {
        disk.db.insert(stored_key, value).unwrap();
        if let Some(document) = read(parse_key(&stored_key.into())) {
            let kind = stored_key[0];
            assert_eq!(key(kind, &document).unwrap(), stored_key);
            documents.push(document);
        }
    }

    match disk.begin(PathBuf::from("scratch")) {
        Ok(()) | Err(JournalError::Format { .. }) => {}
        Err(error) => drop(read::<()>(Err(error))),
    }
    if let Some(installation) = read(disk.installation()) {
        assert_eq!(installation.len(), 32);
    }
    read(disk.checked_server());
    read(disk.canary());
    disk.has_retracted().unwrap();

    let mut collections = read(disk.collections()).unwrap_or_default();
    for document in &documents {
        read(disk.state(document));
        read(disk.sources(document));
        disk.failure(document).unwrap();
        disk.dead_letter(document).unwrap();
        collections.insert(document.collection.to_string());
    }
    for collection in &collections {
        disk.ids(collection).for_each(|id| drop(read(id)));
    }

    let (mut pending, now) = (Pending::default(), Instant::now());
    for (document, work, since) in disk.hints().filter_map(read) {
        pending.add(&document, work, since, now, Hint::Change);
    }
    for (document, failure) in disk.failures().filter_map(read) {
        if let Some(failure) = failure {
            pending.restore(&document, failure.attempts, now);
        }
    }
    for document in disk.dead().filter_map(read) {
        assert!(disk.dead_letter(&document).unwrap().is_some());
    }
    let later = now + Duration::from_secs(60);
    for stage in [Stage::Nodes, Stage::Edges] {
        while let Some(batch) = pending.claim(stage, 2, later) {
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
    disk.db.clear().unwrap();
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
    disk.apply(changes).unwrap();
    disk.set_checked_server(server).unwrap();
    disk.set_canary(canary).unwrap();
    disk.set_retracted(true).unwrap();

    let hints: Vec<_> = disk.hints().map(Result::unwrap).collect();
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
    disk.apply(changes).unwrap();
    assert!(disk.hints().next().is_none() && disk.collections().unwrap().is_empty());
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
