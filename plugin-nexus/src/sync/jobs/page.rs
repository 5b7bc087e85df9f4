//! What one page of a job brought.

use std::sync::Arc;

use super::super::context::{Context, now_micros};
use super::super::fault::StageFault;
use super::record::{Cursor, Finding, Findings, Job};
use crate::journal::Work;

/// A job, for one page.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) number: u64,
    pub(super) job: Job,
    /// Most documents of the page.
    pub(super) most: usize,
}

impl Turn {
    /// Hints documents that were found, unless the job only counts.
    ///
    /// # Errors
    /// `StageFault::Journal`.
    pub(super) fn hint(
        &self,
        context: &Context,
        collection: &Arc<str>,
        ids: &[Arc<str>],
        work: Work,
    ) -> Result<(), StageFault> {
        if ids.is_empty() || self.job.order.dry_run {
            return Ok(());
        }
        // Before the hint: a lane may be done with it in no time.
        context.jobs.track(self.number, collection, ids);
        let ids = ids.iter().map(AsRef::as_ref);
        context
            .journal
            .add_compared(collection, ids, work, now_micros())?;
        Ok(())
    }

    /// A page that has found nothing yet and stays where it is.
    pub(super) fn page(&self) -> Page {
        Page {
            cursor: self.job.cursor.clone(),
            findings: Findings::default(),
            looked_at: 0,
            compared_all: false,
            notes: Vec::new(),
        }
    }
}

/// What one page of a job brought.
#[derive(Debug)]
pub(super) struct Page {
    /// Where the next one begins.
    pub(super) cursor: Cursor,
    /// What was found on it.
    pub(super) findings: Findings,
    /// Documents and nodes that were looked at: what the rate is counted by.
    pub(super) looked_at: usize,
    /// Whether store and journal are compared with it.
    pub(super) compared_all: bool,
    /// What is remarkable.
    pub(super) notes: Vec<String>,
}

impl Page {
    pub(super) fn note(&mut self, finding: Finding, collection: &str, ids: &[Arc<str>]) {
        for id in ids {
            self.findings.note(finding, collection, id);
        }
    }
}
