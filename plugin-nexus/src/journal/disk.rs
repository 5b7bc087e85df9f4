//! The journal's records: one ordered store of keys and values, so that a hint's removal and the state it led to are one
//! atomic batch.
//!
//! | key | value |
//! | --- | --- |
//! | `h` + document | work (1 byte), since when (8 bytes, big-endian Unix microseconds) |
//! | `s` + document | the state, postcard |
//! | `f` + document | the attempts that failed by the document's own fault, postcard; only beside a hint |
//! | `d` + document | the dead letter, postcard; only where there is no hint |
//! | `r` + document + source id | nothing: the source has an edge to the document |
//! | `x`, `y` | edges to other collections, see [`super::across`] |
//! | `l` + document | the domain that somebody named for it |
//! | `w` + collection | how common words are, see [`super::statistics`] |
//! | `e`; `t`, `m` | relations and what they lead to, see [`super::relations`] and [`super::things`] |
//! | `v` + name | a delivery of a webhook, see [`super::receipts`] |
//! | `c` + number | the documents of a batch at work, postcard |
//! | `j` + number | the record of a job, see [`super::jobs`] |
//! | `mformat` | 1 byte |
//! | `mepoch` | 4 bytes, big-endian |
//! | `mclean` | 1 byte: whether the last run ended with nothing under way |
//! | `minstallation` | 32 hex digits, drawn once: whose canary it is |
//! | `mserver` | the server that was checked last, postcard |
//! | `mcanary` | 8 bytes, big-endian: the last move of the canary |
//! | `mmodel` | what was learned from labelled documents, postcard |
//! | `mheard` | nothing; there once a webhook came |
//! | `mretracted` | nothing; there while the graph may hold edges that were retracted softly |
//!
//! The form of a document in a key is told in [`super::keys`]. A record that cannot be read is reported and taken for one
//! that is not there: a failure or a dead letter costs the count of attempts, a state costs a look at the graph.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use super::DocumentId;
use super::changes::{Changes, StoredLetter};
use super::dead_letter::DeadLetter;
use super::error::JournalError;
use super::failure::Failure;
use super::keys::{CLAIM, DEAD, FAILURE, HINT, STATE, collection_prefix, key, parse_key, reverse_prefix};
use super::server::CheckedServer;
use super::state::DocumentState;
use super::storage::{Entry, end_of};
use super::vault::Vault;
use super::work::Work;
use crate::domains::VectorModel;

const FORMAT: u8 = 1;
const META_FORMAT: &[u8] = b"mformat";
const META_EPOCH: &[u8] = b"mepoch";
const META_CLEAN: &[u8] = b"mclean";
const META_INSTALLATION: &[u8] = b"minstallation";
const META_SERVER: &[u8] = b"mserver";
const META_CANARY: &[u8] = b"mcanary";
const META_RETRACTED: &[u8] = b"mretracted";
const META_MODEL: &[u8] = b"mmodel";

/// Entries that are read at a time.
const PAGE: usize = 512;

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) vault: Vault,
    epoch: AtomicU32,
}

impl Disk {
    pub(super) fn new(vault: Vault) -> Self {
        Self {
            vault,
            epoch: AtomicU32::new(0),
        }
    }

    /// Begins a run: checks the format, and begins a new epoch unless the last run ended well. Says whether it did.
    ///
    /// # Errors
    /// Also [`JournalError::Damaged`] where a storage that is not new has no format: sled takes a damaged head of its file for
    /// one that was never written, and begins with nothing.
    pub(super) fn begin(&self, is_new: bool) -> Result<bool, JournalError> {
        match self.get(META_FORMAT)? {
            None if is_new => self.put(META_FORMAT, [FORMAT])?,
            None => return Err(JournalError::Damaged { what: "format" }),
            Some(found) if found == [FORMAT] => {}
            Some(found) => {
                return Err(JournalError::Format {
                    found: format!("{found:?}"),
                    known: FORMAT,
                });
            }
        }
        let last = match self.get(META_EPOCH)? {
            Some(bytes) => u32::from_be_bytes(fixed(&bytes, "epoch")?),
            None => 0,
        };
        let was_clean = self.get(META_CLEAN)?.is_some_and(|value| value == [1]);
        self.put(META_CLEAN, [0])?;
        self.epoch.store(last, Ordering::Release);
        if !was_clean {
            self.next_epoch()?;
        }
        self.flush()?;
        Ok(was_clean)
    }

    /// Continues a run on a storage that was reopened or made anew: nothing is relied upon.
    pub(super) fn resume(&self, is_new: bool) -> Result<(), JournalError> {
        let epoch = self.epoch();
        self.begin(is_new)?;
        // Never one that was used before, whatever the storage remembers.
        self.epoch.fetch_max(epoch, Ordering::AcqRel);
        self.next_epoch()?;
        Ok(())
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn next_epoch(&self) -> Result<u32, JournalError> {
        let next = self.epoch().wrapping_add(1);
        self.put(META_EPOCH, next.to_be_bytes())?;
        self.flush()?;
        self.epoch.store(next, Ordering::Release);
        Ok(next)
    }

    pub(super) fn close(&self, clean: bool) -> Result<(), JournalError> {
        self.put(META_CLEAN, [u8::from(clean)])?;
        self.flush()
    }

    /// The name of this installation, drawn at the first call.
    pub(super) fn installation(&self) -> Result<String, JournalError> {
        if let Some(bytes) = self.get(META_INSTALLATION)? {
            match parse_installation(&bytes) {
                Some(name) => return Ok(name),
                None => tracing::warn!("the journal holds an unreadable installation; another is drawn"),
            }
        }
        let drawn = format!("{:032x}", rand::random::<u128>());
        self.put(META_INSTALLATION, drawn.as_bytes())?;
        self.flush()?;
        Ok(drawn)
    }

    pub(super) fn checked_server(&self) -> Result<Option<CheckedServer>, JournalError> {
        match self.get(META_SERVER)? {
            Some(bytes) => Ok(postcard::from_bytes(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the journal holds an unreadable server"))
                .ok()),
            None => Ok(None),
        }
    }

    pub(super) fn set_checked_server(&self, server: &CheckedServer) -> Result<(), JournalError> {
        let bytes = postcard::to_stdvec(server).map_err(|_| JournalError::Damaged { what: "server" })?;
        self.put(META_SERVER, bytes)?;
        self.flush()
    }

    pub(super) fn canary(&self) -> Result<u64, JournalError> {
        match self.get(META_CANARY)? {
            Some(bytes) => Ok(fixed(&bytes, "canary").map_or(0, u64::from_be_bytes)),
            None => Ok(0),
        }
    }

    pub(super) fn set_canary(&self, number: u64) -> Result<(), JournalError> {
        self.put(META_CANARY, number.to_be_bytes())
    }

    pub(super) fn taught_model(&self) -> Result<Option<VectorModel>, JournalError> {
        let found = self.get(META_MODEL)?;
        Ok(found.and_then(|bytes| {
            postcard::from_bytes(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the journal holds an unreadable model; it is learned anew"))
                .ok()
        }))
    }

    pub(super) fn set_taught_model(&self, model: Option<&VectorModel>) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        match model {
            Some(model) => {
                let bytes =
                    postcard::to_stdvec(model).map_err(|_| JournalError::Damaged { what: "model" })?;
                changes.put(META_MODEL, bytes);
            }
            None => changes.remove(META_MODEL),
        }
        self.apply(&changes)
    }

    pub(super) fn has_retracted(&self) -> Result<bool, JournalError> {
        Ok(self.get(META_RETRACTED)?.is_some())
    }

    pub(super) fn set_retracted(&self, retracted: bool) -> Result<(), JournalError> {
        if self.has_retracted()? == retracted {
            return Ok(());
        }
        let mut changes = Changes::default();
        if retracted {
            changes.put(META_RETRACTED, []);
        } else {
            changes.remove(META_RETRACTED);
        }
        self.apply(&changes)
    }

    /// The hints of the last run. Records that cannot be read are removed.
    pub(super) fn hints(
        &self,
        each: impl FnMut((DocumentId, Work, u64)),
    ) -> Result<Unreadable, JournalError> {
        let parse = |key: &[u8], value: &[u8]| {
            let document = parse_key(key)?;
            let [work, since @ ..] = fixed::<9>(value, "hint")?;
            Ok((document, Work::from_bits(work), u64::from_be_bytes(since)))
        };
        self.mend(HINT, parse, each)
    }

    /// The failures of the last run, `None` for those that cannot be read.
    pub(super) fn failures(
        &self,
        each: impl FnMut((DocumentId, Option<Failure>)),
    ) -> Result<Unreadable, JournalError> {
        let parse = |key: &[u8], value: &[u8]| Ok((parse_key(key)?, parse_failure(value)));
        self.mend(FAILURE, parse, each)
    }

    /// The attempts at a document that failed.
    pub(super) fn failure(&self, document: &DocumentId) -> Result<Option<Failure>, JournalError> {
        let found = self.get(&key(FAILURE, document)?)?;
        Ok(found.and_then(|bytes| parse_failure(&bytes)))
    }

    /// The documents that are dead letters.
    pub(super) fn dead(&self, each: impl FnMut(DocumentId)) -> Result<Unreadable, JournalError> {
        self.mend(DEAD, |key, _| parse_key(key), each)
    }

    /// The claims of the last run that were not ended, by their keys.
    pub(super) fn claims(
        &self,
        each: impl FnMut((Vec<u8>, Vec<DocumentId>)),
    ) -> Result<Unreadable, JournalError> {
        let parse = |key: &[u8], value: &[u8]| {
            let (collection, ids): (String, Vec<String>) =
                postcard::from_bytes(value).map_err(|_| JournalError::Damaged { what: "claim" })?;
            let collection: std::sync::Arc<str> = collection.into();
            let documents = ids
                .into_iter()
                .map(|id| DocumentId::new(std::sync::Arc::clone(&collection), id))
                .collect();
            Ok((key.to_vec(), documents))
        };
        self.mend(CLAIM, parse, each)
    }

    pub(super) fn dead_letter(&self, document: &DocumentId) -> Result<Option<DeadLetter>, JournalError> {
        let Some(bytes) = self.get(&key(DEAD, document)?)? else {
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
        Ok(self.vault.flush()?)
    }

    /// The state of a document; one that cannot be read counts as none, so that the graph is asked.
    pub(super) fn state(&self, document: &DocumentId) -> Result<Option<DocumentState>, JournalError> {
        let found = self.get(&key(STATE, document)?)?;
        Ok(found.and_then(|bytes| {
            postcard::from_bytes(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the journal holds an unreadable state"))
                .ok()
        }))
    }

    pub(super) fn sources(&self, document: &DocumentId) -> Result<Vec<String>, JournalError> {
        let prefix = reverse_prefix(document)?;
        let mut sources = Vec::new();
        for entry in self.scan(prefix.clone()) {
            let (key, _) = entry?;
            let source = key.get(prefix.len()..).unwrap_or_default();
            match std::str::from_utf8(source) {
                Ok(source) => sources.push(source.to_owned()),
                Err(_) => tracing::warn!("the journal holds an unreadable edge"),
            }
        }
        Ok(sources)
    }

    pub(super) fn ids(
        &self,
        collection: &str,
    ) -> impl Iterator<Item = Result<String, JournalError>> + use<'_> {
        // A name too long for a key has no states.
        let prefix = collection_prefix(STATE, collection).unwrap_or_else(|_| vec![0]);
        self.scan(prefix).filter_map(|entry| match entry {
            Ok((key, _)) => match parse_key(&key) {
                Ok(document) => Some(Ok(document.id.to_string())),
                Err(error) => {
                    tracing::warn!(%error, "the state of some document is passed over");
                    None
                }
            },
            Err(error) => Some(Err(error)),
        })
    }

    /// Seeks from collection to collection instead of reading all keys.
    pub(super) fn collections(&self) -> Result<BTreeSet<String>, JournalError> {
        let mut found = BTreeSet::new();
        let end = [STATE + 1];
        let mut from = vec![STATE];
        while let Some((key, _)) = self.vault.page(&from, Some(&end), 1)?.pop() {
            from = match parse_key(&key) {
                Ok(document) => {
                    let prefix = collection_prefix(STATE, &document.collection)?;
                    found.insert(document.collection.to_string());
                    end_of(&prefix).unwrap_or_else(|| end.to_vec())
                }
                Err(_) => [key, vec![0]].concat(),
            };
        }
        Ok(found)
    }

    pub(super) fn apply(&self, changes: &Changes) -> Result<(), JournalError> {
        Ok(self.vault.apply(changes.writes())?)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.vault.get(key)?)
    }

    pub(super) fn put(&self, key: &[u8], value: impl Into<Vec<u8>>) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        changes.put(key, value);
        self.apply(&changes)
    }

    /// All entries whose keys begin with `prefix`, read page by page: what is changed behind the last page is seen.
    pub(super) fn scan(&self, prefix: Vec<u8>) -> Scan<'_> {
        self.scan_from(&prefix, prefix.clone())
    }

    /// Those of them from the key `from` on.
    pub(super) fn scan_from(&self, prefix: &[u8], from: Vec<u8>) -> Scan<'_> {
        self.scan_in(prefix, from, PAGE)
    }

    /// As [`Disk::scan_from`], with so many entries read at a time.
    pub(super) fn scan_in(&self, prefix: &[u8], from: Vec<u8>, size: usize) -> Scan<'_> {
        Scan {
            size,
            disk: self,
            end: end_of(prefix),
            from: Some(from),
            page: Vec::new().into_iter(),
        }
    }

    /// Hands all records of a kind to `each`, and removes those that cannot be read.
    pub(super) fn mend<T>(
        &self,
        kind: u8,
        parse: impl Fn(&[u8], &[u8]) -> Result<T, JournalError>,
        mut each: impl FnMut(T),
    ) -> Result<Unreadable, JournalError> {
        let mut unreadable = Unreadable(0);
        let mut changes = Changes::default();
        for entry in self.scan(vec![kind]) {
            let (key, value) = entry?;
            match parse(&key, &value) {
                Ok(record) => each(record),
                Err(error) => {
                    tracing::warn!(%error, "an unreadable record of the journal is removed");
                    unreadable.0 += 1;
                    changes.remove(key);
                }
            }
        }
        self.apply(&changes)?;
        Ok(unreadable)
    }
}

/// How many records could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) usize);

/// See [`Disk::scan`].
#[derive(Debug)]
pub(super) struct Scan<'a> {
    disk: &'a Disk,
    size: usize,
    /// Where the next page begins; `None` behind the last.
    from: Option<Vec<u8>>,
    end: Option<Vec<u8>>,
    page: std::vec::IntoIter<Entry>,
}

impl Iterator for Scan<'_> {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.page.next() {
            return Some(Ok(entry));
        }
        let from = self.from.take()?;
        match self.disk.vault.page(&from, self.end.as_deref(), self.size) {
            Ok(page) => {
                if page.len() == self.size
                    && let Some((last, _)) = page.last()
                {
                    self.from = Some([last.as_slice(), &[0]].concat());
                }
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

fn parse_installation(bytes: &[u8]) -> Option<String> {
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let name = std::str::from_utf8(bytes).ok()?;
    (name.len() == 32 && bytes.iter().all(hex)).then(|| name.to_owned())
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
