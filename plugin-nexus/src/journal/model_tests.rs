//! The journal against the simplest thing that could be right, on a disk that fails, fills up, rots and vanishes.
//!
//! The reference knows which documents have work and which of their changes were acknowledged as durable. What must hold
//! whatever the disk does: an acknowledged hint is claimed in the end, or its collection is to be compared; nobody owns
//! what another owns; a state is what was committed last, or none; and the journal always comes back once the disk does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::bench::Hand;
use super::storage::memory::{Fault, Memory};
use super::tests::{settings, state};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Hint(u8),
    Flush,
    Claim,
    /// Ends the oldest batch well, with this revision.
    Commit(u64),
    Release,
    Upkeep,
    Fault(Fault),
    Heal,
    Delete,
    Crash,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop_oneof![
        Just(Fault::Apply),
        Just(Fault::Flush),
        Just(Fault::Read),
        Just(Fault::Open),
        Just(Fault::Rotten),
    ];
    let step = prop_oneof![
        8 => (0_u8..8).prop_map(Step::Hint),
        4 => Just(Step::Flush),
        6 => Just(Step::Claim),
        6 => (1_u64..1_000).prop_map(Step::Commit),
        1 => Just(Step::Release),
        4 => Just(Step::Upkeep),
        2 => fault.prop_map(Step::Fault),
        1 => Just(Step::Heal),
        1 => Just(Step::Delete),
        2 => Just(Step::Crash),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 1..80)
}

/// The journal, its disk and what is known of both.
struct Run {
    disk: Memory,
    hand: Arc<Hand>,
    journal: Journal,
    /// Documents with work.
    pending: BTreeSet<String>,
    /// Of these, the ones whose hints are on disk.
    durable: BTreeSet<String>,
    /// What was committed last.
    states: BTreeMap<String, u64>,
    batches: Vec<Batch>,
    /// Documents whose end is not on disk.
    ended: BTreeSet<String>,
    /// Documents whose end could not be written: they may be worked on once more.
    repeated: BTreeSet<String>,
    /// Whether everything is to be compared.
    compared: bool,
}

impl Run {
    fn new() -> Self {
        let disk = Memory::default();
        let hand = Hand::new();
        Self {
            journal: open(&disk, &hand).unwrap(),
            disk,
            hand,
            pending: BTreeSet::new(),
            durable: BTreeSet::new(),
            states: BTreeMap::new(),
            batches: Vec::new(),
            ended: BTreeSet::new(),
            repeated: BTreeSet::new(),
            compared: true,
        }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Hint(id) => {
                let id = id.to_string();
                // Whatever the disk says, the hint is pending in memory.
                let _ = self.journal.add("c", [id.as_str()].into_iter(), Work::NODE, 1);
                self.pending.insert(id);
            }
            Step::Flush => {
                let written = self.journal.flush().is_ok() && !self.journal.has_failed();
                if written {
                    self.durable = self.pending.clone();
                    self.ended.clear();
                }
            }
            Step::Claim => {
                if let Ok(Claimable::Batch(batch)) = self.journal.claim(Stage::Nodes, 1) {
                    for claim in &batch.claims {
                        prop_assert!(
                            self.pending.contains(claim.id.as_ref()),
                            "nobody asked for {}",
                            claim.id
                        );
                        let owned = self.batches.iter().flat_map(|batch| &batch.claims);
                        prop_assert!(owned.into_iter().all(|other| other.id != claim.id), "two owners");
                    }
                    self.batches.push(batch);
                }
            }
            Step::Commit(rev) => self.commit(rev),
            Step::Release => {
                if let Some(batch) = self.batches.pop() {
                    self.journal.release(&batch);
                    let _ = self.journal.end(&batch);
                }
            }
            Step::Upkeep => {
                let failed = self.journal.has_failed();
                let done = self.journal.upkeep();
                if done == Upkeep::Reopened {
                    prop_assert!(self.journal.take_all_dirty(), "what is not known is compared");
                    self.compared = true;
                } else if failed {
                    prop_assert!(matches!(done, Upkeep::Failed(_)), "{done:?}");
                }
            }
            Step::Fault(fault) => self.disk.fail([fault]),
            Step::Heal => self.disk.heal(),
            Step::Delete => self.disk.delete(),
            Step::Crash => self.crash()?,
            Step::Close => {
                let _ = self.journal.close(true);
                self.crash()?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, rev: u64) {
        if self.batches.is_empty() {
            return;
        }
        let batch = self.batches.remove(0);
        let id = Arc::clone(&batch.claims[0].id);
        let outcome = Outcome::new(Arc::clone(&id), Work::NONE, StateChange::Put(state(rev, &[])));
        let committed = self.journal.commit(&batch, vec![outcome], &[], &[], 2);
        let document = DocumentId::new("c", Arc::clone(&id));
        if committed.is_ok() {
            self.states.insert(id.to_string(), rev);
        } else {
            // Repeated, or found by the comparison that follows.
            self.states.remove(id.as_ref());
            self.repeated.insert(id.to_string());
            self.compared = true;
        }
        if !self.journal.desk.lock().pending.contains(&document) {
            self.pending.remove(id.as_ref());
            self.durable.remove(id.as_ref());
            self.ended.insert(id.to_string());
        }
        let _ = self.journal.end(&batch);
    }

    /// The process ends and another begins, once the disk lets it.
    fn crash(&mut self) -> Result<(), TestCaseError> {
        self.batches.clear();
        self.disk.crash();
        let quarantined = self.disk.quarantined();
        self.journal = loop {
            match open(&self.disk, &self.hand) {
                Ok(journal) => break journal,
                // Each fault strikes once.
                Err(JournalError::Storage(_)) => {}
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        };
        // At the start everything is compared.
        self.compared = true;
        let known = self.known();
        let condition = self.journal.condition();
        if self.disk.quarantined() == quarantined && condition.began != "new" {
            let lost: Vec<_> = self
                .durable
                .iter()
                .filter(|id| self.pending.contains(*id) && !known.contains(*id))
                .collect();
            prop_assert!(lost.is_empty(), "{lost:?} were on disk");
            let mut more = known.difference(&self.pending);
            let repeated = |id: &String| self.repeated.contains(id) || self.ended.contains(id);
            prop_assert!(more.all(repeated), "{known:?} of {:?}", self.pending);
        }
        if condition.began == "clean" {
            prop_assert!(
                known.is_superset(&self.pending),
                "{known:?} of {:?}",
                self.pending
            );
        }
        self.pending = known;
        self.durable = self.pending.clone();
        self.ended.clear();
        self.states.clear();
        Ok(())
    }

    fn known(&self) -> BTreeSet<String> {
        let desk = self.journal.desk.lock();
        desk.pending
            .all()
            .map(|(document, ..)| document.id.to_string())
            .collect()
    }

    /// All is well again: what is known must be right.
    fn end(mut self) -> Result<(), TestCaseError> {
        self.disk.heal();
        for batch in std::mem::take(&mut self.batches) {
            self.journal.release(&batch);
        }
        for _ in 0..3 {
            self.journal.upkeep();
        }
        prop_assert!(!self.journal.has_failed(), "the disk is back, the journal is not");
        self.hand.pass(Duration::from_secs(600));
        let mut found = BTreeSet::new();
        while let Claimable::Batch(batch) = self.journal.claim(Stage::Nodes, 1).unwrap() {
            found.extend(batch.claims.iter().map(|claim| claim.id.to_string()));
        }
        prop_assert_eq!(&found, &self.pending, "claimed against asked for");
        for (id, rev) in &self.states {
            let stored = self.journal.state(&DocumentId::new("c", id.as_str())).unwrap();
            match stored {
                Some(stored) => prop_assert_eq!(stored.rev, *rev),
                None => prop_assert!(self.compared, "the state of {} is lost unseen", id),
            }
        }
        Ok(())
    }
}

fn open(disk: &Memory, hand: &Arc<Hand>) -> Result<Journal, JournalError> {
    let timing = Arc::clone(hand) as Arc<dyn Timing>;
    Journal::open_on(Box::new(disk.clone()), settings(1_000), timing)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_the_disk_does_no_work_is_lost_or_invented(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            run.take(step)?;
        }
        run.end()?;
    }
}

#[test]
fn what_is_durable_survives_a_kill() {
    let mut run = Run::new();
    run.take(Step::Hint(1)).unwrap();
    run.take(Step::Flush).unwrap();
    run.take(Step::Hint(2)).unwrap();
    run.disk.crash();
    run.journal = open(&run.disk, &run.hand).unwrap();
    assert_eq!(run.known(), BTreeSet::from(["1".to_owned()]));
}

#[test]
fn a_full_disk_keeps_hints_in_memory_and_lanes_idle_until_there_is_room() {
    let mut run = Run::new();
    run.disk.fail([Fault::Flush, Fault::Open, Fault::Open]);
    run.take(Step::Hint(1)).unwrap();
    assert!(run.journal.flush().is_err());
    assert!(run.journal.condition().failure.unwrap().contains("no space left"));
    run.take(Step::Hint(2)).unwrap();
    assert_eq!(run.journal.claim(Stage::Nodes, 9).unwrap(), Claimable::Nothing);
    let epoch = run.journal.epoch();
    for _ in 0..2 {
        assert!(matches!(run.journal.upkeep(), Upkeep::Failed(_)));
    }
    assert_eq!(run.journal.upkeep(), Upkeep::Reopened);
    assert!(
        run.journal.epoch() > epoch,
        "what others wrote meanwhile is not known"
    );
    assert_eq!(run.disk.quarantined(), 0, "nothing was wrong with what is stored");
    run.take(Step::Flush).unwrap();
    run.disk.crash();
    let journal = open(&run.disk, &run.hand).unwrap();
    assert_eq!(journal.waiting(), 2);
}

#[test]
fn what_cannot_be_read_is_put_aside_and_the_work_goes_on() {
    for fault in [Fault::Rotten, Fault::Read] {
        let mut run = Run::new();
        run.take(Step::Hint(1)).unwrap();
        run.take(Step::Flush).unwrap();
        run.disk.crash();
        run.disk.fail([fault]);
        run.journal = open(&run.disk, &run.hand).unwrap();
        let condition = run.journal.condition();
        assert_eq!(
            (condition.began, condition.rebuilt, run.disk.quarantined()),
            ("rebuilt", 1, 1)
        );
        assert!(condition.knows_little() && condition.rebuilt_because.unwrap().contains("checksum"));
        assert_eq!(run.journal.waiting(), 0, "the comparison finds it again");
        // While running.
        run.take(Step::Hint(2)).unwrap();
        run.disk.fail([Fault::Read]);
        assert!(run.journal.state(&DocumentId::new("c", "2")).is_err());
        assert_eq!(run.journal.upkeep(), Upkeep::Reopened);
        assert_eq!((run.disk.quarantined(), run.journal.condition().rebuilt), (2, 2));
        run.journal.flush().unwrap();
        run.disk.crash();
        assert_eq!(open(&run.disk, &run.hand).unwrap().waiting(), 1, "memory had it");
    }
}

#[test]
fn a_deleted_folder_is_noticed_and_made_again() {
    let mut run = Run::new();
    run.take(Step::Hint(1)).unwrap();
    run.disk.delete();
    assert_eq!(run.journal.upkeep(), Upkeep::Reopened);
    run.journal.flush().unwrap();
    run.disk.crash();
    assert_eq!(open(&run.disk, &run.hand).unwrap().waiting(), 1);
}
