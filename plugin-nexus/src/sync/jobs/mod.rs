//! Jobs: comparisons of store, journal and graph, and backfills.
//!
//! ```text
//! start, schedule, request, ... -> order -> runner: page by page -> hints -> lanes -> effects
//!                                             |  store <-> journal   [`store`]
//!                                             |  graph <-> journal   [`graph`]
//! ```
//!
//! Invariants:
//! - A job only adds hints and takes back what the journal remembers; lanes look at the store when they work. So a page
//!   that was read long ago never overwrites what came later, and a page may be repeated.
//! - One page at a time is worked on: of the jobs that can go on, requested ones come first, then the one that has begun.
//! - The record is written after each page. After a kill a requested job goes on behind the last page; others are begun anew
//!   by the comparison at the start.
//! - Memory is bounded: at most 20,000 documents that a job hinted are on their way, and 100 ended jobs
//!   are remembered.
//! - A document that is known to be on its way to the graph is no difference.

mod effects;
mod graph;
mod page;
mod record;
mod runner;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::journal::{Journal, JournalError};

pub use effects::Effect;
pub use record::{
    Cursor, Effects, Finding, Findings, GraphScope, Job, JobKind, JobState, Order, Phase, Sample, Trigger,
};
pub(super) use runner::{order, run};

use effects::Owners;
use page::Page;

/// Documents of one job that are on their way to the graph.
const MAX_OUTSTANDING: usize = 20_000;
/// Ended jobs that are remembered.
const KEPT: usize = 100;

/// Why a job cannot be steered.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is none of this number.
    #[error("no such job")]
    Unknown,
    /// It is not in a state for that.
    #[error("the job is {}", .0.name())]
    State(JobState),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What may be done now.
#[derive(Debug, Clone, Copy)]
struct Conditions {
    /// Nexus may be asked.
    link: bool,
    /// The journal has room for hints.
    room: bool,
}

#[derive(Debug, Default)]
struct Desk {
    jobs: BTreeMap<u64, Job>,
    last: u64,
    owners: Owners,
    /// Jobs whose records are older than what is known.
    unsaved: BTreeSet<u64>,
}

/// All jobs. See the [module](self).
#[derive(Debug, Default)]
pub struct Jobs {
    desk: Mutex<Desk>,
    /// Documents on their way: lanes look here first.
    tracked: AtomicUsize,
    wake: Notify,
}

impl Jobs {
    /// The jobs that the journal remembers. What cannot be read is told and left out.
    pub fn load(journal: &Journal) -> Self {
        let mut desk = Desk::default();
        match journal.jobs() {
            Ok(records) => {
                for (number, record) in records {
                    desk.last = desk.last.max(number);
                    match serde_json::from_slice(&record) {
                        Ok(job) => drop(desk.jobs.insert(number, job)),
                        Err(error) => tracing::warn!(number, %error, "the record of a job is unreadable"),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the records of jobs are unreadable"),
        }
        Self {
            desk: Mutex::new(desk),
            ..Self::default()
        }
    }

    /// Takes an order. One that a waiting job covers already is that job.
    ///
    /// # Errors
    /// [`JournalError`]; the job is not there then.
    pub fn submit(&self, journal: &Journal, order: Order) -> Result<(u64, Job), JournalError> {
        let mut desk = self.desk.lock();
        let waiting = desk.jobs.iter_mut().find(|(_, job)| {
            job.state == JobState::Queued
                && job.started_at.is_none()
                && job.order.trigger == order.trigger
                && order.trigger != Trigger::Request
                && job.order.graph == order.graph
                && job.order.collections.is_some() == order.collections.is_some()
        });
        let (number, job) = match waiting {
            Some((number, job)) => {
                if let (Some(before), Some(more)) = (&mut job.order.collections, order.collections) {
                    before.extend(more);
                }
                (*number, job.clone())
            }
            None => (desk.last + 1, Job::new(order, Timestamp::now())),
        };
        put(journal, number, &job)?;
        desk.last = desk.last.max(number);
        desk.jobs.insert(number, job.clone());
        drop(desk);
        self.wake.notify_one();
        Ok((number, job))
    }

    /// All jobs, the newest first.
    pub fn list(&self) -> Vec<(u64, Job)> {
        let desk = self.desk.lock();
        let jobs = desk.jobs.iter().rev();
        jobs.map(|(number, job)| (*number, job.clone())).collect()
    }

    /// One job.
    pub fn get(&self, number: u64) -> Option<Job> {
        self.desk.lock().jobs.get(&number).cloned()
    }

    /// Jobs by state.
    pub fn counts(&self) -> BTreeMap<JobState, usize> {
        let mut counts: BTreeMap<_, _> = JobState::ALL.map(|state| (state, 0)).into();
        for job in self.desk.lock().jobs.values() {
            *counts.entry(job.state).or_default() += 1;
        }
        counts
    }

    /// Lets a job wait behind its present page.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn pause(&self, journal: &Journal, number: u64) -> Result<Job, JobError> {
        self.steer(journal, number, |job| match job.state {
            JobState::Queued | JobState::Running => Ok(JobState::Paused),
            state => Err(state),
        })
    }

    /// Lets a paused job go on.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn resume(&self, journal: &Journal, number: u64) -> Result<Job, JobError> {
        self.steer(journal, number, |job| match job.state {
            JobState::Paused if job.cursor.phase == Phase::Draining => Ok(JobState::Running),
            JobState::Paused => Ok(JobState::Queued),
            state => Err(state),
        })
    }

    /// Ends a job behind its present page. What it hinted is done all the same: it was found to differ.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn cancel(&self, journal: &Journal, number: u64) -> Result<Job, JobError> {
        self.steer(journal, number, |job| {
            if job.state.is_end() {
                Err(job.state)
            } else {
                job.ended_at = Some(Timestamp::now());
                Ok(JobState::Cancelled)
            }
        })
    }

    fn steer(
        &self,
        journal: &Journal,
        number: u64,
        change: impl FnOnce(&mut Job) -> Result<JobState, JobState>,
    ) -> Result<Job, JobError> {
        let mut desk = self.desk.lock();
        let job = desk.jobs.get(&number).ok_or(JobError::Unknown)?;
        let mut next = job.clone();
        next.state = change(&mut next).map_err(JobError::State)?;
        put(journal, number, &next)?;
        tracing::info!(
            correlation_id = next.order.correlation_id,
            job = number,
            state = next.state.name(),
            "a job was steered"
        );
        desk.jobs.insert(number, next.clone());
        desk.unsaved.remove(&number);
        drop(desk);
        self.wake.notify_one();
        Ok(next)
    }

    /// The job whose page is next.
    fn pick(&self, conditions: Conditions) -> Option<(u64, Job)> {
        let mut desk = self.desk.lock();
        let Desk {
            jobs,
            owners,
            unsaved,
            ..
        } = &mut *desk;
        let picked = jobs
            .iter()
            .filter(|(number, job)| {
                let needs_link = matches!(job.cursor.phase, Phase::Census | Phase::Graph);
                matches!(job.state, JobState::Queued | JobState::Running)
                    && job.cursor.phase != Phase::Draining
                    && (conditions.link || !needs_link)
                    && (conditions.room || job.order.dry_run)
                    && owners.outstanding(**number) < MAX_OUTSTANDING
            })
            .min_by_key(|(number, job)| {
                (
                    job.order.trigger != Trigger::Request,
                    job.state != JobState::Running,
                    **number,
                )
            })
            .map(|(number, _)| *number)?;
        for (number, job) in jobs.iter_mut() {
            if *number == picked {
                job.state = JobState::Running;
                if job.started_at.is_none() {
                    job.started_at = Some(Timestamp::now());
                    tracing::info!(
                        correlation_id = job.order.correlation_id,
                        job = picked,
                        trigger = job.order.trigger.name(),
                        dry_run = job.order.dry_run,
                        "a job begins"
                    );
                }
            } else if job.state == JobState::Running && job.cursor.phase != Phase::Draining {
                job.state = JobState::Queued;
                unsaved.insert(*number);
            }
        }
        jobs.get(&picked).map(|job| (picked, job.clone()))
    }

    /// Takes in what a page brought. One that was ended meanwhile keeps its end.
    fn advance(&self, journal: &Journal, number: u64, page: Page) -> Result<(), JournalError> {
        let mut desk = self.desk.lock();
        let Some(job) = desk.jobs.get_mut(&number) else {
            return Ok(());
        };
        job.findings.add(page.findings);
        job.notes.extend(page.notes);
        job.error = None;
        if !job.state.is_end() {
            job.cursor = page.cursor;
        }
        put(journal, number, job)?;
        desk.unsaved.remove(&number);
        Ok(())
    }

    /// Says why a job does not go on; `end`: never.
    fn fail(&self, number: u64, error: &str, end: bool) {
        let mut desk = self.desk.lock();
        if let Some(job) = desk.jobs.get_mut(&number) {
            job.error = Some(error.to_owned());
            if end && !job.state.is_end() {
                job.state = JobState::Failed;
                job.ended_at = Some(Timestamp::now());
            }
        }
        desk.unsaved.insert(number);
    }

    /// Ends the jobs that have nothing left to wait for; answers them.
    fn end_drained(&self) -> Vec<(u64, Job)> {
        let mut desk = self.desk.lock();
        let Desk {
            jobs,
            owners,
            unsaved,
            ..
        } = &mut *desk;
        let mut ended = Vec::new();
        for (number, job) in jobs.iter_mut() {
            if job.state == JobState::Running
                && job.cursor.phase == Phase::Draining
                && owners.outstanding(*number) == 0
            {
                job.state = JobState::Done;
                job.ended_at = Some(Timestamp::now());
                unsaved.insert(*number);
                ended.push((*number, job.clone()));
            }
        }
        ended
    }

    /// Writes the records that are behind, and forgets the oldest of the ended jobs.
    fn save(&self, journal: &Journal) -> Result<(), JournalError> {
        let mut desk = self.desk.lock();
        for number in std::mem::take(&mut desk.unsaved) {
            if let Some(job) = desk.jobs.get(&number) {
                put(journal, number, job)?;
            }
        }
        let ended: Vec<u64> = desk
            .jobs
            .iter()
            .filter(|(_, job)| job.state.is_end())
            .map(|(number, _)| *number)
            .collect();
        for number in &ended[..ended.len().saturating_sub(KEPT)] {
            journal.remove_job(*number)?;
            desk.jobs.remove(number);
        }
        Ok(())
    }

    /// Begins a run of the process: jobs that nobody asked for were superseded by the comparison that comes now; the others
    /// wait again for those of their documents that are still pending. Answers whether one of the former was to read the
    /// graph.
    fn take_up(&self, journal: &Journal) -> bool {
        let mut desk = self.desk.lock();
        let Desk {
            jobs,
            owners,
            unsaved,
            ..
        } = &mut *desk;
        let mut graph = false;
        for (number, job) in jobs.iter_mut().filter(|(_, job)| !job.state.is_end()) {
            unsaved.insert(*number);
            if job.order.trigger != Trigger::Request {
                graph |= job.order.graph == GraphScope::Full && job.cursor.phase < Phase::Draining;
                job.state = JobState::Cancelled;
                job.ended_at = Some(Timestamp::now());
                job.error = Some("superseded by the comparison at the next start".to_owned());
                continue;
            }
            let open = job.effects.queued.saturating_sub(job.effects.settled);
            let most = usize::try_from(open).unwrap_or(usize::MAX);
            let pending = journal.some_pending(|collection| job.is_for(collection), most);
            for document in &pending {
                owners.track(*number, document);
            }
            // The others are done; what became of them was not written down any more.
            job.effects.settled = job.effects.queued - pending.len() as u64;
        }
        self.tracked.store(owners.len(), Ordering::Release);
        graph
    }

    /// When all collections were last compared with the whole graph.
    fn last_of_everything(&self) -> Option<Timestamp> {
        let desk = self.desk.lock();
        let ended = desk.jobs.values().filter(|job| job.covers_everything());
        ended
            .filter(|job| job.state == JobState::Done)
            .filter_map(|job| job.ended_at)
            .max()
    }
}

fn put(journal: &Journal, number: u64, job: &Job) -> Result<(), JournalError> {
    let record = serde_json::to_vec(job).map_err(|_| JournalError::Damaged { what: "job" })?;
    journal.put_job(number, &record)
}
