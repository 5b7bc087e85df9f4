//! The journal on disk: one sled tree, so that a hint's removal and the state it led to are one atomic batch.
//!
//! | key | value |
//! | --- | --- |
//! | `h` + document | work (1 byte), since when (8 bytes, big-endian Unix microseconds) |
//! | `s` + document | the state, postcard |
//! | `f` + document | the attempts that failed by the document's own fault, postcard; only beside a hint |
//! | `d` + document | the dead letter, postcard; only where there is no hint |
//! | `r` + document + source id | nothing: the source has an edge to the document |
//! | `mformat` | 1 byte |
//! | `mepoch` | 4 bytes, big-endian |
//! | `mclean` | 1 byte: whether the last run ended with nothing under way |
//! | `minstallation` | 32 hex digits, drawn once: whose canary it is |
//! | `mserver` | the server that was checked last, postcard |
//! | `mcanary` | 8 bytes, big-endian: the last move of the canary |
//! | `mretracted` | nothing; there while the graph may hold edges that were retracted softly |
//!
//! The form of a document in a key is told in [`super::keys`]. A record of a failure or a dead letter that cannot be read
//! costs the count of attempts and no more, so it is reported and taken as one that knows nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::DocumentId;
use super::changes::{Changes, StoredLetter};
use super::dead_letter::DeadLetter;
use super::error::JournalError;
use super::failure::Failure;
use super::keys::{DEAD, FAILURE, HINT, STATE, collection_prefix, key, parse_key, reverse_prefix};
use super::server::CheckedServer;
use super::state::DocumentState;
use super::work::Work;

const FORMAT: u8 = 1;
const META_FORMAT: &[u8] = b"mformat";
const META_EPOCH: &[u8] = b"mepoch";
const META_CLEAN: &[u8] = b"mclean";
const META_INSTALLATION: &[u8] = b"minstallation";
const META_SERVER: &[u8] = b"mserver";
const META_CANARY: &[u8] = b"mcanary";
const META_RETRACTED: &[u8] = b"mretracted";

/// Enough for the hot end of the tree; the rest is the page cache's.
const CACHE_BYTES: u64 = 64 << 20;

/// How long a lock on the folder is waited for: sled's own threads give it back a moment after the last user closed it.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Disk {
    db: sled::Db,
    epoch: AtomicU32,
}

impl Disk {
    pub(super) fn open(folder: &Path, flush_interval: Duration) -> Result<Self, JournalError> {
        let config = sled::Config::new()
            .path(folder)
            .mode(sled::Mode::HighThroughput)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(
                u64::try_from(flush_interval.as_millis()).unwrap_or(u64::MAX),
            ));
        let end = Instant::now() + LOCK_PATIENCE;
        let db = loop {
            match config.open() {
                Ok(db) => break db,
                Err(sled::Error::Io(_)) if Instant::now() < end => std::thread::sleep(LOCK_RETRY),
                Err(error) => {
                    return Err(JournalError::Open {
                        folder: folder.to_owned(),
                        reason: error.to_string(),
                    });
                }
            }
        };
        let disk = Self {
            db,
            epoch: AtomicU32::new(0),
        };
        disk.begin(folder.to_owned())?;
        Ok(disk)
    }

    fn begin(&self, folder: PathBuf) -> Result<(), JournalError> {
        match self.db.get(META_FORMAT)? {
            None => drop(self.db.insert(META_FORMAT, &[FORMAT])?),
            Some(found) if found.as_ref() == [FORMAT] => {}
            Some(found) => {
                return Err(JournalError::Format {
                    folder,
                    found: format!("{:?}", found.as_ref()),
                    known: FORMAT,
                });
            }
        }
        let last = match self.db.get(META_EPOCH)? {
            Some(bytes) => u32::from_be_bytes(fixed(&bytes, "epoch")?),
            None => 0,
        };
        let was_clean = self
            .db
            .get(META_CLEAN)?
            .is_some_and(|value| value.as_ref() == [1]);
        self.db.insert(META_CLEAN, &[0])?;
        self.epoch.store(last, Ordering::Release);
        if !was_clean {
            self.next_epoch()?;
        }
        self.db.flush()?;
        Ok(())
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn next_epoch(&self) -> Result<u32, JournalError> {
        let next = self.epoch().wrapping_add(1);
        self.db.insert(META_EPOCH, &next.to_be_bytes())?;
        self.db.flush()?;
        self.epoch.store(next, Ordering::Release);
        Ok(next)
    }

    pub(super) fn close(&self, clean: bool) -> Result<(), JournalError> {
        self.db.insert(META_CLEAN, &[u8::from(clean)])?;
        self.db.flush()?;
        Ok(())
    }

    /// The name of this installation, drawn at the first call.
    pub(super) fn installation(&self) -> Result<String, JournalError> {
        if let Some(bytes) = self.db.get(META_INSTALLATION)? {
            return parse_installation(&bytes);
        }
        let drawn = format!("{:032x}", rand::random::<u128>());
        self.db.insert(META_INSTALLATION, drawn.as_bytes())?;
        self.db.flush()?;
        Ok(drawn)
    }

    pub(super) fn checked_server(&self) -> Result<Option<CheckedServer>, JournalError> {
        match self.db.get(META_SERVER)? {
            Some(bytes) => postcard::from_bytes(&bytes)
                .map(Some)
                .map_err(|_| JournalError::Damaged { what: "server" }),
            None => Ok(None),
        }
    }

    pub(super) fn set_checked_server(&self, server: &CheckedServer) -> Result<(), JournalError> {
        let bytes = postcard::to_stdvec(server).map_err(|_| JournalError::Damaged { what: "server" })?;
        self.db.insert(META_SERVER, bytes)?;
        self.db.flush()?;
        Ok(())
    }

    pub(super) fn canary(&self) -> Result<u64, JournalError> {
        match self.db.get(META_CANARY)? {
            Some(bytes) => Ok(u64::from_be_bytes(fixed(&bytes, "canary")?)),
            None => Ok(0),
        }
    }

    pub(super) fn set_canary(&self, number: u64) -> Result<(), JournalError> {
        self.db.insert(META_CANARY, &number.to_be_bytes())?;
        Ok(())
    }

    pub(super) fn has_retracted(&self) -> Result<bool, JournalError> {
        Ok(self.db.contains_key(META_RETRACTED)?)
    }

    pub(super) fn set_retracted(&self, retracted: bool) -> Result<(), JournalError> {
        if retracted {
            self.db.insert(META_RETRACTED, &[])?;
        } else {
            self.db.remove(META_RETRACTED)?;
        }
        Ok(())
    }

    /// The hints of the last run.
    pub(super) fn hints(&self) -> impl Iterator<Item = Result<(DocumentId, Work, u64), JournalError>> {
        self.db.scan_prefix([HINT]).map(|entry| {
            let (key, value) = entry?;
            let document = parse_key(&key)?;
            let [work, since @ ..] = fixed::<9>(&value, "hint")?;
            Ok((document, Work::from_bits(work), u64::from_be_bytes(since)))
        })
    }

    /// The failures of the last run.
    pub(super) fn failures(
        &self,
    ) -> impl Iterator<Item = Result<(DocumentId, Option<Failure>), JournalError>> {
        self.db.scan_prefix([FAILURE]).map(|entry| {
            let (key, value) = entry?;
            Ok((parse_key(&key)?, parse_failure(&value)))
        })
    }

    /// The attempts at a document that failed.
    pub(super) fn failure(&self, document: &DocumentId) -> Result<Option<Failure>, JournalError> {
        let found = self.db.get(key(FAILURE, document)?)?;
        Ok(found.and_then(|bytes| parse_failure(&bytes)))
    }

    /// The documents that are dead letters.
    pub(super) fn dead(&self) -> impl Iterator<Item = Result<DocumentId, JournalError>> {
        self.db.scan_prefix([DEAD]).keys().map(|key| parse_key(&key?))
    }

    pub(super) fn dead_letter(&self, document: &DocumentId) -> Result<Option<DeadLetter>, JournalError> {
        let Some(bytes) = self.db.get(key(DEAD, document)?)? else {
            return Ok(None);
        };
        Ok(Some(match postcard::from_bytes::<StoredLetter>(&bytes) {
            Ok(stored) => stored.into(),
            Err(error) => {
                tracing::warn!(%error, "the journal holds an unreadable dead letter");
                DeadLetter::unreadable()
            }
        }))
    }

    pub(super) fn flush(&self) -> Result<(), JournalError> {
        self.db.flush()?;
        Ok(())
    }

    pub(super) fn state(&self, document: &DocumentId) -> Result<Option<DocumentState>, JournalError> {
        match self.db.get(key(STATE, document)?)? {
            Some(bytes) => parse_state(&bytes).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn sources(&self, document: &DocumentId) -> Result<Vec<String>, JournalError> {
        let prefix = reverse_prefix(document)?;
        self.db
            .scan_prefix(&prefix)
            .keys()
            .map(|key| {
                let key = key?;
                let source = key.get(prefix.len()..).unwrap_or_default();
                Ok(std::str::from_utf8(source)
                    .map_err(|_| JournalError::Damaged { what: "key" })?
                    .to_owned())
            })
            .collect()
    }

    pub(super) fn ids(&self, collection: &str) -> impl Iterator<Item = Result<String, JournalError>> + use<> {
        // A name too long for a key has no states.
        let prefix = collection_prefix(STATE, collection).unwrap_or_else(|_| vec![0]);
        self.db
            .scan_prefix(prefix)
            .keys()
            .map(|key| Ok(parse_key(&key?)?.id.to_string()))
    }

    /// Seeks from collection to collection instead of reading all keys.
    pub(super) fn collections(&self) -> Result<BTreeSet<String>, JournalError> {
        let mut found = BTreeSet::new();
        let mut from = vec![STATE];
        while let Some(entry) = self.db.range(from.as_slice()..[STATE + 1].as_slice()).next() {
            let document = parse_key(&entry?.0)?;
            let mut after = collection_prefix(STATE, &document.collection)?;
            found.insert(document.collection.to_string());
            // The least key above all that begin with this prefix.
            while let Some(last) = after.pop() {
                if last < u8::MAX {
                    after.push(last + 1);
                    break;
                }
            }
            from = after;
        }
        Ok(found)
    }

    pub(super) fn apply(&self, changes: Changes) -> Result<(), JournalError> {
        Ok(self.db.apply_batch(changes.into_batch())?)
    }
}

fn parse_installation(bytes: &[u8]) -> Result<String, JournalError> {
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match std::str::from_utf8(bytes) {
        Ok(name) if name.len() == 32 && bytes.iter().all(hex) => Ok(name.to_owned()),
        _ => Err(JournalError::Damaged { what: "installation" }),
    }
}

fn parse_state(bytes: &[u8]) -> Result<DocumentState, JournalError> {
    postcard::from_bytes(bytes).map_err(|_| JournalError::Damaged { what: "state" })
}

fn fixed<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], JournalError> {
    bytes.try_into().map_err(|_| JournalError::Damaged { what })
}

fn parse_failure(bytes: &[u8]) -> Option<Failure> {
    postcard::from_bytes(bytes)
        .inspect_err(|error| tracing::warn!(%error, "the journal holds an unreadable count of attempts"))
        .ok()
}

#[cfg(any(test, fuzzing))]
#[path = "disk_properties.rs"]
#[doc(hidden)]
pub mod properties;
