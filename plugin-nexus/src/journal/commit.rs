//! The end of a lane's work on a batch: what was done, what failed, what is to be done for others, in one atomic write.
//!
//! Invariants:
//! - A document's new state, what is left of its work, the count of its failed attempts and its dead letter are written
//!   together: no crash separates them.
//! - Where the write fails, refused documents stay the caller's as they were, to be released.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::changes::Changes;
use super::failure::{Failure, bounded};
use super::outbox::Happened;
use super::pending::{Hint, Standing};
use super::timing::Moment;
use super::{
    AcrossChange, Batch, Claim, DeadLetter, Desk, DocumentId, DocumentState, Event, Fate, Journal,
    JournalError, Priority, Refusal, RelationKind, RelationsChange, Verdict, Work,
};

/// What a lane did with a document that it had claimed.
#[derive(Debug)]
pub struct Outcome {
    /// The document's id in the batch's collection.
    pub id: Arc<str>,
    /// What is still to do for it.
    pub left: Work,
    /// What the graph holds of it now.
    pub state: StateChange,
    /// Targets to which it has an edge now and had none before.
    pub gained: Vec<String>,
    /// Targets to which it has none any more.
    pub lost: Vec<String>,
    /// How its relations changed; `None`: not at all.
    pub relations: Option<RelationsChange>,
    /// How its edges to other collections changed; `None`: not at all.
    pub across: Option<AcrossChange>,
    /// What happened to it that subscribers may want to be told of.
    pub event: Option<Event>,
}

impl Outcome {
    /// All done, or as much as `left` says, with the edges as they were.
    pub fn new(id: Arc<str>, left: Work, state: StateChange) -> Self {
        Self {
            id,
            left,
            state,
            gained: Vec::new(),
            lost: Vec::new(),
            relations: None,
            across: None,
            event: None,
        }
    }
}

/// How a document's state changed.
#[derive(Debug)]
pub enum StateChange {
    /// Not at all.
    Keep,
    /// To this.
    Put(DocumentState),
    /// The document is not in the graph. Those with an edge to it compare theirs again.
    Remove,
}

/// A refused document, and what its batch of changes makes of it.
struct Sentence {
    document: DocumentId,
    verdict: Verdict,
    /// What subscribers may want to be told of it.
    event: Option<Event>,
}

impl Journal {
    /// Whether another failed attempt at this document is the last one: then [`Refusal::seen`] is asked for.
    #[must_use]
    pub fn is_last_attempt(&self, claim: &Claim) -> bool {
        claim.failures.saturating_add(1) >= self.settings.attempts.most
    }

    /// Ends the work on a batch: new states, what is left to do, refused documents, whose records and edges are no longer
    /// relied upon, and work found for other documents (`marks`), all in one atomic write. Documents of
    /// the batch that are in neither list go back as they were. Answers what becomes of the refused ones.
    ///
    /// # Errors
    /// [`JournalError`]; the batch's work is then repeated after the next start.
    pub fn commit(
        &self,
        batch: &Batch,
        outcomes: Vec<Outcome>,
        refusals: &[Refusal],
        marks: &[(DocumentId, Work)],
        now_micros: u64,
    ) -> Result<Vec<Verdict>, JournalError> {
        let moment = self.timing.now();
        let now = moment.instant;
        let mut changes = Changes::default();
        let mut done: HashMap<Arc<str>, Work> = HashMap::with_capacity(outcomes.len());
        let since: HashMap<&Arc<str>, u64> = batch
            .claims
            .iter()
            .map(|claim| (&claim.id, claim.since_micros))
            .collect();
        let refused: HashSet<&Arc<str>> = refusals.iter().map(|refusal| &refusal.id).collect();
        let verdicts = {
            let mut desk = self.desk.lock();
            let mut parted = Vec::new();
            let mut events = Vec::new();
            for mut outcome in outcomes {
                let document = batch.document(&outcome.id);
                if desk.ended_lives != batch.ended_lives {
                    self.doubt_dead_ends(&document, &mut outcome)?;
                }
                self.put_outcome(&document, &outcome, &mut changes)?;
                if let StateChange::Remove = outcome.state {
                    desk.ended_lives += 1;
                    parted.extend(self.part(&document, &mut changes)?);
                }
                let since = since.get(&outcome.id).copied().unwrap_or(moment.unix_micros);
                events.extend(outcome.event.map(|event| Happened {
                    document,
                    event,
                    since_micros: since,
                }));
                done.insert(outcome.id, outcome.left);
            }
            for refusal in refusals {
                self.distrust_into(&batch.document(&refusal.id), &mut changes)?;
            }
            for claim in batch.claims.iter().filter(|claim| !refused.contains(&claim.id)) {
                let document = batch.document(&claim.id);
                let Some(left) = done.get(&claim.id) else {
                    desk.pending.release(&document, Some(claim.since_micros), now);
                    continue;
                };
                match desk.pending.finish(&document, *left, now) {
                    Some((work, since)) => changes.put_hint(&document, work, since)?,
                    None => changes.remove_hint(&document)?,
                }
                if claim.failures > 0 || claim.interrupted > 0 {
                    changes.remove_failure(&document)?;
                }
            }
            let parted = parted.into_iter().map(|source| (source, Work::EDGES));
            for (document, work) in marks.iter().cloned().chain(parted) {
                self.mark(
                    &mut desk,
                    &document,
                    (work, batch.priority),
                    now_micros,
                    moment,
                    &mut changes,
                )?;
            }
            let mut sentences = self.judge(&desk, batch, refusals, moment, &mut changes)?;
            for sentence in &mut sentences {
                let since = since.get(&sentence.document.id).copied();
                events.extend(sentence.event.take().map(|event| Happened {
                    document: sentence.document.clone(),
                    event,
                    since_micros: since.unwrap_or(moment.unix_micros),
                }));
            }
            let messages = self.outbox.lock().address(&events, moment, &mut changes)?;
            self.disk.apply(&changes)?;
            if !messages.is_empty() {
                self.outbox.lock().post(messages, now);
                self.mail.notify_one();
            }
            execute(&mut desk, sentences, moment)
        };
        self.work.notify_waiters();
        Ok(verdicts)
    }

    fn put_outcome(
        &self,
        document: &DocumentId,
        outcome: &Outcome,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        match &outcome.state {
            StateChange::Keep => {}
            StateChange::Put(state) => changes.put_state(document, state)?,
            StateChange::Remove => changes.remove_state(document)?,
        }
        for target in &outcome.lost {
            changes.remove_edge(document, target)?;
        }
        for target in &outcome.gained {
            changes.put_edge(document, target)?;
        }
        if let Some(change) = &outcome.across {
            changes.change_across(document, change)?;
        }
        match &outcome.relations {
            Some(change) => changes.change_relations(document, change),
            None => Ok(()),
        }
    }

    /// The documents with an edge to one that is gone. The reverse index forgets them as they are told: after damage it may
    /// hold some that have no such edge, and two that are gone and stand there as each other's sources would tell each
    /// other for ever.
    fn part(&self, document: &DocumentId, changes: &mut Changes) -> Result<Vec<DocumentId>, JournalError> {
        let mut parted = self.part_across(document, changes)?;
        for source in self.disk.sources(document)? {
            let source = DocumentId::new(Arc::clone(&document.collection), source);
            changes.remove_edge(&source, &document.id)?;
            parted.push(source);
        }
        Ok(parted)
    }

    /// A node may have been deleted, and another one made for the same document, while edges to it were under way: whether
    /// they lead to the one or the other or were lost, only the graph knows.
    fn doubt_dead_ends(&self, document: &DocumentId, outcome: &mut Outcome) -> Result<(), JournalError> {
        let dead = |ends: &mut dyn Iterator<Item = (DocumentId, u64)>| -> Result<bool, JournalError> {
            for (target, born) in ends {
                if self.head(&target)?.is_none_or(|head| head.born != born) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let beside = |id: &str, born: u64| (DocumentId::new(Arc::clone(&document.collection), id), born);
        if let StateChange::Put(state) = &mut outcome.state
            && !outcome.gained.is_empty()
            && dead(
                &mut state
                    .edges
                    .iter()
                    .map(|edge| beside(&edge.target, edge.target_born)),
            )?
        {
            state.edges_epoch = None;
            outcome.left = outcome.left.and(Work::EDGES);
        }
        if let Some(AcrossChange { after, .. }) = &mut outcome.across
            && dead(&mut after.edges.iter().map(|edge| (edge.target(), edge.target_born)))?
        {
            after.epoch = None;
            outcome.left = outcome.left.and(Work::EDGES);
        }
        if let Some(RelationsChange {
            after: Some(after), ..
        }) = &mut outcome.relations
        {
            let next = after.edges.iter().filter(|edge| edge.kind == RelationKind::Next);
            if dead(&mut next.map(|edge| beside(&edge.target, edge.target_born)))? {
                after.epoch = None;
                outcome.left = outcome.left.and(Work::RELATIONS);
            }
        }
        Ok(())
    }

    /// Adds work that another document has for this one. A dead letter keeps it for later.
    pub(super) fn mark(
        &self,
        desk: &mut Desk,
        document: &DocumentId,
        (work, priority): (Work, Priority),
        now_micros: u64,
        moment: Moment,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        if desk.dead.contains(document)
            && let Some(mut letter) = self.disk.dead_letter(document)?
        {
            if !letter.work.has(work) {
                letter.work = letter.work.and(work);
                changes.put_dead_letter(document, &letter)?;
            }
            return Ok(());
        }
        let added = desk
            .pending
            .add(document, work, now_micros, moment.instant, Hint::Mark, priority);
        changes.put_hint(document, added.work, added.since_micros)
    }

    /// Says what becomes of refused documents and puts it among the changes. Memory stays as it is.
    fn judge(
        &self,
        desk: &Desk,
        batch: &Batch,
        refusals: &[Refusal],
        moment: Moment,
        changes: &mut Changes,
    ) -> Result<Vec<Sentence>, JournalError> {
        let attempts = &self.settings.attempts;
        let mut dead = desk.dead.len();
        let mut sentences = Vec::with_capacity(refusals.len());
        for refusal in refusals {
            let document = batch.document(&refusal.id);
            let Some(standing) = desk.pending.standing(&document) else {
                continue;
            };
            let failures = standing.failures.saturating_add(1);
            let fate = if standing.anew {
                Fate::Anew
            } else if failures < attempts.most {
                Fate::Waits(attempts.backoff.wait(failures, self.timing.chance()))
            } else if dead < attempts.max_dead_letters {
                dead += 1;
                Fate::DeadLetter
            } else {
                Fate::NoRoom(attempts.backoff.last_wait(self.timing.chance()))
            };
            self.write_fate(&document, refusal, &standing, failures, fate, moment, changes)?;
            sentences.push(Sentence {
                verdict: Verdict {
                    id: Arc::clone(&refusal.id),
                    attempts: if fate == Fate::Anew { 0 } else { failures },
                    fate,
                },
                event: (fate == Fate::DeadLetter).then(|| Event::SyncFailed {
                    cause: bounded(&refusal.cause),
                    attempts: failures,
                }),
                document,
            });
        }
        Ok(sentences)
    }

    #[allow(clippy::too_many_arguments, reason = "one document's case, in its parts")]
    fn write_fate(
        &self,
        document: &DocumentId,
        refusal: &Refusal,
        standing: &Standing,
        attempts: u32,
        fate: Fate,
        moment: Moment,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        let last_micros = moment.unix_micros;
        let first_micros = match standing.failures {
            0 => last_micros,
            _ => self
                .disk
                .failure(document)?
                .map_or(last_micros, |failure| failure.first_micros),
        };
        let cause = bounded(&refusal.cause);
        match fate {
            // The hint that came meanwhile is journaled.
            Fate::Anew => Ok(()),
            Fate::Waits(wait) | Fate::NoRoom(wait) => {
                changes.put_hint(document, standing.work, standing.since_micros)?;
                let wait = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
                let failure = Failure {
                    attempts,
                    first_micros,
                    last_micros,
                    due_micros: last_micros.saturating_add(wait),
                    cause,
                    interrupted: 0,
                };
                changes.put_failure(document, &failure)
            }
            Fate::DeadLetter => {
                changes.remove_hint(document)?;
                changes.remove_failure(document)?;
                let letter = DeadLetter {
                    work: standing.work,
                    attempts,
                    first_micros,
                    last_micros,
                    cause,
                    seen: refusal.seen,
                };
                changes.put_dead_letter(document, &letter)
            }
        }
    }

    /// Relies no longer on what is remembered of these documents' records and edges: a write of unknown outcome was
    /// under way.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn distrust(&self, batch: &Batch) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for claim in &batch.claims {
            self.distrust_into(&batch.document(&claim.id), &mut changes)?;
        }
        self.disk.apply(&changes)
    }

    pub(super) fn distrust_into(
        &self,
        document: &DocumentId,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        if let Some(state) = self.disk.state(document)? {
            let state = DocumentState {
                epoch: None,
                edges_epoch: None,
                ..state
            };
            changes.put_state(document, &state)?;
        }
        self.distrust_across(document, changes)?;
        self.distrust_relations(document, changes)
    }
}

/// Does in memory what was written.
fn execute(desk: &mut Desk, sentences: Vec<Sentence>, moment: Moment) -> Vec<Verdict> {
    sentences
        .into_iter()
        .map(
            |Sentence {
                 document, verdict, ..
             }| {
                match verdict.fate {
                    Fate::Anew => desk.pending.release(&document, None, moment.instant),
                    Fate::Waits(wait) | Fate::NoRoom(wait) => {
                        desk.pending
                            .postpone(&document, verdict.attempts, moment.instant + wait);
                    }
                    Fate::DeadLetter => {
                        desk.pending.bury(&document);
                        desk.dead.insert(&document);
                    }
                }
                verdict
            },
        )
        .collect()
}
