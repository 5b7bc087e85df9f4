//! A journal for tests, on a clock that is moved by hand, and which can be killed at any point.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use parking_lot::Mutex;

use super::storage::Folder;
use super::tests::settings;
use super::timing::Moment;
use super::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A clock that stands still, and no luck: every wait is the whole of its bound.
#[derive(Debug)]
pub(super) struct Hand {
    start: Instant,
    passed: Mutex<Duration>,
}

impl Hand {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            passed: Mutex::default(),
        })
    }

    pub(super) fn pass(&self, time: Duration) {
        *self.passed.lock() += time;
    }
}

impl Timing for Hand {
    fn now(&self) -> Moment {
        let passed = *self.passed.lock();
        Moment {
            instant: self.start + passed,
            unix_micros: 1_000_000_000 + passed.as_micros() as u64,
        }
    }

    fn chance(&self) -> f64 {
        1.0
    }
}

/// A journal in which three attempts are all and two dead letters fit.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) hand: Arc<Hand>,
    pub(super) journal: Journal,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hand = Hand::new();
        let journal = Self::open(folder.path(), &hand);
        Self {
            folder,
            hand,
            journal,
        }
    }

    pub(super) fn open(folder: &Path, hand: &Arc<Hand>) -> Journal {
        let settings = settings(10_000);
        let attempts = Attempts {
            most: 3,
            max_dead_letters: 2,
            ..settings.attempts
        };
        Journal::open_on(
            Box::new(Folder::take(folder).unwrap()),
            Settings { attempts, ..settings },
            Arc::clone(hand) as Arc<dyn Timing>,
        )
        .unwrap()
    }

    /// The process ends here and another one begins, on a copy of what is on disk.
    pub(super) fn crash(self) -> Self {
        self.journal.disk.flush().unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy(self.folder.path(), folder.path());
        let journal = Self::open(folder.path(), &self.hand);
        Self {
            folder,
            hand: self.hand,
            journal,
        }
    }

    pub(super) fn hint(&self, id: &str) {
        self.journal.add("c", [id].into_iter(), Work::NODE, 5).unwrap();
    }

    pub(super) fn claim(&self) -> Option<Batch> {
        self.journal.claim(Stage::Nodes, 1).unwrap().batch()
    }

    pub(super) fn refuse(&self, batch: &Batch) -> Fate {
        self.refuse_with(batch, &[])
    }

    pub(super) fn refuse_with(&self, batch: &Batch, marks: &[(DocumentId, Work)]) -> Fate {
        let refusals = [Refusal {
            id: Arc::clone(&batch.claims[0].id),
            cause: "the server does not like it".to_owned(),
            seen: Some(SEEN),
        }];
        let verdicts = self
            .journal
            .commit(batch, Vec::new(), &refusals, marks, 6)
            .unwrap();
        self.journal.end(batch).unwrap();
        verdicts[0].fate
    }

    /// Lets the document of this id fail until it is a dead letter.
    pub(super) fn bury(&self, id: &str) {
        self.hint(id);
        loop {
            self.hand.pass(4 * SECOND);
            if self.refuse(&self.claim().unwrap()) == Fate::DeadLetter {
                return;
            }
        }
    }

    pub(super) fn dead(&self) -> Vec<String> {
        let page = self.journal.dead_letters(None, None, 100).unwrap();
        assert_eq!((page.total, page.next), (page.letters.len(), None));
        page.letters
            .into_iter()
            .map(|(document, letter)| {
                assert_eq!(letter.seen, Some(SEEN));
                document.id.to_string()
            })
            .collect()
    }

    pub(super) fn letter(&self, id: &str) -> Option<DeadLetter> {
        self.journal.dead_letter(&DocumentId::new("c", id)).unwrap()
    }

    /// Hints, counts of attempts and dead letters on disk: never two of a kind that exclude each other.
    pub(super) fn check_disk(&self) {
        let disk = &self.journal.disk;
        let mut hints = BTreeSet::new();
        disk.hints(|(document, ..)| {
            hints.insert(document);
        })
        .unwrap();
        disk.failures(|(document, failure)| {
            assert!(hints.contains(&document) && failure.is_some(), "{document:?}");
        })
        .unwrap();
        disk.dead(|document| {
            assert!(!hints.contains(&document), "{document:?}");
            assert!(self.journal.is_dead_letter(&document));
        })
        .unwrap();
    }
}

pub(super) const SEEN: Seen = Seen {
    fingerprint: 1 << 99,
    vector: Some(3),
    copy_rules: 4,
};

pub(super) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
