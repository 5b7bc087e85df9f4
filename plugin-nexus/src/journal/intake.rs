//! Between the hook and the journal: a bounded queue that a hook fills without a lock, and one thread that empties it.
//!
//! A hook pays for copying the ids and a push. In a stream of changes the thread naps for [`NAP`] at a time instead of being
//! woken by each: a wake-up is a system call, and on a busy machine it would hand the writer's processor over. Only after a
//! pause of [`ALERT`] the next hook pays for waking it.
//!
//! Where there is no room (too many batches, too many bytes, or too many documents waiting behind it) the [`Overflow`] policy
//! says what a hook does. With either, what is not taken marks its collection dirty in the end, so nothing is lost and memory
//! stays bounded.
//!
//! A hook that wants its hints on disk ([`Intake::push_durable`]) waits for the thread, which journals all that is queued,
//! writes it out once, and then answers all who wait: one write for many hooks.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use parking_lot::{Condvar, Mutex};

/// Batches that may wait between the hook and the journal, each of at most 256 ids.
const CAPACITY: usize = 16_384;
/// Bytes of ids that may.
const MAX_BYTES: usize = 32 << 20;

/// How long the thread naps in a stream of changes, at the most that this adds to a change's lag.
const NAP: Duration = Duration::from_millis(1);
/// How long after the last change it still looks by itself.
const ALERT: Duration = Duration::from_secs(1);
/// How often the thread looks whether there is room behind it again.
const ROOM: Duration = Duration::from_millis(5);
/// Events that share one write to disk.
const GROUP: usize = 1_024;
/// How long a hook waits for that.
const DURABLE_PATIENCE: Duration = Duration::from_secs(5);

/// What a hook does when there is no room for its hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Drops them at once; their collection is compared with the store.
    MarkDirty,
    /// Waits for room, so that writers go no faster than the graph; after this time as [`Overflow::MarkDirty`]. For stores
    /// that call hooks without holding locks only: where a lane needs such a lock, it finds it when the time is up.
    Block(Duration),
}

/// The hints are not on disk; the comparison at the next start finds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unjournaled;

/// Where the hints go.
pub trait Journaling: Send + 'static {
    /// Whether another document can wait.
    fn has_room(&self) -> bool;

    /// Takes an event in.
    fn absorb(&self, event: IntakeEvent);

    /// Makes what was absorbed durable; says whether it is.
    fn flush(&self) -> bool;
}

/// What a hook was told.
#[derive(Debug, PartialEq, Eq)]
pub enum IntakeEvent {
    /// These documents changed.
    Documents {
        /// Their collection.
        collection: Box<str>,
        /// Their ids, one after the other.
        ids: Box<str>,
        /// Where each id ends.
        ends: Box<[u32]>,
        /// When: Unix microseconds.
        at_micros: u64,
    },
    /// Anything may have changed in this collection.
    Collection(Box<str>),
}

impl IntakeEvent {
    /// Copies a batch's ids into one text.
    pub fn documents<'a>(
        collection: &str,
        ids: impl ExactSizeIterator<Item = &'a str> + Clone,
        at_micros: u64,
    ) -> Self {
        let mut text = String::with_capacity(ids.clone().map(str::len).sum());
        let mut ends = Vec::with_capacity(ids.len());
        for id in ids {
            text.push_str(id);
            // Ids of one batch do not come near 4 GiB; one that did would be cut off here and reconciled.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self::Documents {
            collection: collection.into(),
            ids: text.into_boxed_str(),
            ends: ends.into_boxed_slice(),
            at_micros,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Documents {
                collection,
                ids,
                ends,
                ..
            } => collection.len() + ids.len() + size_of_val(ends.as_ref()),
            Self::Collection(collection) => collection.len(),
        }
    }

    fn collection(&self) -> &str {
        match self {
            Self::Documents { collection, .. } | Self::Collection(collection) => collection,
        }
    }
}

/// The ids of a batch.
pub fn split<'a>(ids: &'a str, ends: &'a [u32]) -> impl Iterator<Item = &'a str> {
    let mut start = 0;
    ends.iter().filter_map(move |&end| {
        let end = end as usize;
        ids.get(std::mem::replace(&mut start, end)..end)
    })
}

/// Tells one hook that its hints are on disk, or will not be.
#[derive(Default)]
struct Latch {
    durable: Mutex<Option<bool>>,
    told: Condvar,
}

impl Latch {
    fn tell(&self, durable: bool) {
        *self.durable.lock() = Some(durable);
        self.told.notify_one();
    }

    fn wait(&self, patience: Duration) -> bool {
        let mut durable = self.durable.lock();
        self.told
            .wait_while_for(&mut durable, |durable| durable.is_none(), patience);
        *durable == Some(true)
    }
}

struct Entry {
    event: IntakeEvent,
    latch: Option<Arc<Latch>>,
    pushed: Instant,
}

struct Shared {
    queue: ArrayQueue<Entry>,
    bytes: AtomicUsize,
    asleep: AtomicBool,
    stopping: AtomicBool,
    overflowed: AtomicU64,
    /// Collections with hints that found no room.
    overflow: Mutex<BTreeSet<String>>,
    policy: Overflow,
    /// Hooks that wait for room.
    blocked: AtomicUsize,
    gate: Mutex<()>,
    room: Condvar,
}

impl Shared {
    /// Puts an entry into the queue, or gives it back.
    fn offer(&self, entry: Entry) -> Result<(), Entry> {
        let bytes = entry.event.bytes();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_BYTES {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(entry);
        }
        self.queue.push(entry).inspect_err(|_| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        })
    }

    fn take(&self) -> Option<Entry> {
        let entry = self.queue.pop()?;
        self.bytes.fetch_sub(entry.event.bytes(), Ordering::Relaxed);
        if self.blocked.load(Ordering::SeqCst) > 0 {
            let _held = self.gate.lock();
            self.room.notify_all();
        }
        Some(entry)
    }

    /// Offers an entry until there is room or the time is up.
    fn offer_until(&self, mut entry: Entry, end: Instant) -> Result<(), Entry> {
        self.blocked.fetch_add(1, Ordering::SeqCst);
        let mut held = self.gate.lock();
        let result = loop {
            entry = match self.offer(entry) {
                Ok(()) => break Ok(()),
                Err(entry) => entry,
            };
            if self.stopping.load(Ordering::SeqCst) || self.room.wait_until(&mut held, end).timed_out() {
                break self.offer(entry);
            }
        };
        drop(held);
        self.blocked.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

/// The bounded queue and the thread that empties it.
pub struct Intake {
    shared: Arc<Shared>,
    thread: Thread,
    join: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("waiting", &self.shared.queue.len())
            .finish_non_exhaustive()
    }
}

impl Intake {
    /// Starts the thread, which hands every event to `journal`.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(journal: impl Journaling, policy: Overflow) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: ArrayQueue::new(CAPACITY),
            bytes: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            overflowed: AtomicU64::new(0),
            overflow: Mutex::default(),
            policy,
            blocked: AtomicUsize::new(0),
            gate: Mutex::default(),
            room: Condvar::new(),
        });
        let worker = Arc::clone(&shared);
        let join = thread::Builder::new()
            .name("nexus-intake".into())
            .spawn(move || run(&worker, &journal))?;
        Ok(Self {
            shared,
            thread: join.thread().clone(),
            join: Mutex::new(Some(join)),
        })
    }

    /// Takes an event; called inside hooks.
    pub fn push(&self, event: IntakeEvent) {
        self.enter(event, None);
    }

    /// Takes an event and waits until it is on disk.
    ///
    /// # Errors
    /// [`Unjournaled`]: the storage fails, or takes too long.
    pub fn push_durable(&self, event: IntakeEvent) -> Result<(), Unjournaled> {
        let latch = Arc::new(Latch::default());
        let taken = self.enter(event, Some(Arc::clone(&latch)));
        // Somebody waits: no nap.
        self.thread.unpark();
        if taken && latch.wait(DURABLE_PATIENCE) {
            Ok(())
        } else {
            Err(Unjournaled)
        }
    }

    fn enter(&self, event: IntakeEvent, latch: Option<Arc<Latch>>) -> bool {
        let pushed = Instant::now();
        let entry = Entry { event, latch, pushed };
        let entered = match (self.shared.offer(entry), self.shared.policy) {
            (Err(entry), Overflow::Block(patience)) => self.shared.offer_until(entry, pushed + patience),
            (result, _) => result,
        };
        let taken = entered.is_ok();
        if let Err(entry) = entered {
            self.shared.overflowed.fetch_add(1, Ordering::Relaxed);
            self.shared
                .overflow
                .lock()
                .insert(entry.event.collection().to_owned());
        }
        // A load first: the swap would take the flag's cache line from the other writers.
        if self.shared.asleep.load(Ordering::SeqCst) && self.shared.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        taken
    }

    /// Batches that found no room.
    pub fn overflowed(&self) -> u64 {
        self.shared.overflowed.load(Ordering::Relaxed)
    }

    /// Hands over what is queued and ends the thread.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(join) = self.join.lock().take()
            && join.join().is_err()
        {
            tracing::error!("the intake thread panicked; the next start compares everything with the store");
        }
    }
}

fn run(shared: &Shared, journal: &impl Journaling) {
    let mut last = Instant::now();
    let mut waiting: Vec<Arc<Latch>> = Vec::new();
    loop {
        for _ in 0..GROUP {
            let Some(Entry { event, latch, pushed }) = shared.take() else {
                break;
            };
            await_room(shared, journal, pushed);
            journal.absorb(event);
            waiting.extend(latch);
            last = Instant::now();
        }
        for collection in std::mem::take(&mut *shared.overflow.lock()) {
            journal.absorb(IntakeEvent::Collection(collection.into()));
        }
        if !waiting.is_empty() {
            let durable = journal.flush();
            waiting.drain(..).for_each(|latch| latch.tell(durable));
        }
        if !shared.queue.is_empty() {
            continue;
        }
        if shared.stopping.load(Ordering::Acquire) {
            return;
        }
        if last.elapsed() < ALERT {
            thread::park_timeout(NAP);
            continue;
        }
        // Announce the sleep, then look again: an event pushed in between wakes us or is seen here.
        shared.asleep.store(true, Ordering::SeqCst);
        if shared.queue.is_empty() && !shared.stopping.load(Ordering::SeqCst) {
            thread::park();
        }
        shared.asleep.store(false, Ordering::SeqCst);
        last = Instant::now();
    }
}

/// With [`Overflow::Block`] what is full behind the queue makes the queue full, and hooks wait: until an event has waited
/// for long enough.
fn await_room(shared: &Shared, journal: &impl Journaling, pushed: Instant) {
    let Overflow::Block(patience) = shared.policy else {
        return;
    };
    while !journal.has_room() && pushed.elapsed() < patience && !shared.stopping.load(Ordering::Acquire) {
        thread::sleep(ROOM);
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
