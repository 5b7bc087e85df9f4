//! Between the hook and the journal: a bounded queue that a hook fills without a lock, and one thread that empties it.
//!
//! A hook pays for copying the ids and a push. In a stream of changes the thread naps for [`NAP`] at a time instead of being
//! woken by each: a wake-up is a system call, and on a busy machine it would hand the writer's processor over. Only after a
//! pause of [`ALERT`] the next hook pays for waking it. What is not taken because the queue is full marks its collection
//! dirty, so nothing is lost.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use parking_lot::Mutex;

/// Batches that may wait between the hook and the journal, each of at most 256 ids.
const CAPACITY: usize = 16_384;

/// How long the thread naps in a stream of changes, at the most that this adds to a change's lag.
const NAP: Duration = Duration::from_millis(1);
/// How long after the last change it still looks by itself.
const ALERT: Duration = Duration::from_secs(1);

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

struct Shared {
    queue: ArrayQueue<IntakeEvent>,
    asleep: AtomicBool,
    stopping: AtomicBool,
    overflowed: AtomicU64,
    /// Collections with hints that found the queue full.
    overflow: Mutex<BTreeSet<String>>,
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
    /// Starts the thread, which hands every event to `absorb`.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(absorb: impl FnMut(IntakeEvent) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: ArrayQueue::new(CAPACITY),
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            overflowed: AtomicU64::new(0),
            overflow: Mutex::default(),
        });
        let worker = Arc::clone(&shared);
        let join = thread::Builder::new()
            .name("nexus-intake".into())
            .spawn(move || run(&worker, absorb))?;
        Ok(Self {
            shared,
            thread: join.thread().clone(),
            join: Mutex::new(Some(join)),
        })
    }

    /// Takes an event; called inside hooks.
    pub fn push(&self, event: IntakeEvent) {
        if let Err(event) = self.shared.queue.push(event) {
            self.shared.overflowed.fetch_add(1, Ordering::Relaxed);
            self.shared.overflow.lock().insert(event.collection().to_owned());
        }
        // A load first: the swap would take the flag's cache line from the other writers.
        if self.shared.asleep.load(Ordering::SeqCst) && self.shared.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// Batches that found the queue full.
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

fn run(shared: &Shared, mut absorb: impl FnMut(IntakeEvent)) {
    let mut last = Instant::now();
    loop {
        while let Some(event) = shared.queue.pop() {
            absorb(event);
            last = Instant::now();
        }
        for collection in std::mem::take(&mut *shared.overflow.lock()) {
            absorb(IntakeEvent::Collection(collection.into()));
        }
        if shared.stopping.load(Ordering::Acquire) && shared.queue.is_empty() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn every_id_arrives_in_order_and_none_after_stop() {
        let (send, receive) = mpsc::channel();
        let intake = Intake::start(move |event| send.send(event).unwrap()).unwrap();
        for n in 0..1_000 {
            let ids = [format!("a{n}"), String::new(), format!("é{n}")];
            intake.push(IntakeEvent::documents("c", ids.iter().map(String::as_str), n));
        }
        intake.stop();
        let events: Vec<_> = receive.iter().collect();
        assert_eq!(events.len(), 1_000);
        for (n, event) in events.iter().enumerate() {
            let IntakeEvent::Documents {
                ids, ends, at_micros, ..
            } = event
            else {
                panic!("{event:?}")
            };
            assert_eq!(*at_micros, n as u64);
            assert_eq!(
                split(ids, ends).collect::<Vec<_>>(),
                [format!("a{n}"), String::new(), format!("é{n}")]
            );
        }
    }

    #[test]
    fn what_finds_the_queue_full_makes_its_collection_dirty() {
        let (open, gate) = mpsc::channel::<()>();
        let (send, receive) = mpsc::channel();
        let intake = Intake::start(move |event| {
            let _ = gate.recv();
            send.send(event.collection().to_owned()).unwrap();
        })
        .unwrap();
        for _ in 0..CAPACITY + 10 {
            intake.push(IntakeEvent::documents("kept", ["a"].into_iter(), 0));
        }
        intake.push(IntakeEvent::documents("dropped", ["a"].into_iter(), 0));
        assert!(intake.overflowed() > 0);
        drop(open);
        intake.stop();
        assert!(receive.iter().any(|collection| collection == "dropped"));
    }
}
