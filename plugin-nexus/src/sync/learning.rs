//! Learning which vectors belong to which domains, from the documents that are labelled.
//!
//! At the start, and whenever an administrator asks for it, all collections are scanned for documents whose payload names a domain in
//! `domains.label_field`. What is learned is kept in the journal; where it differs from before, all documents are classified anew by
//! a comparison.
//!
//! Invariants:
//! - vectors of one dimension only are learned from, the one that most labelled documents have: others are not comparable;
//! - memory is bounded ([`MAX_COMPONENTS`]), and a scan that fails changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use vectorizer_plugin_api::model::Fields;

use super::context::{Context, unless_gone};
use super::fault::StageFault;
use crate::domains::{Example, VectorModel};

/// Documents read at a time.
const PAGE: usize = 500;
/// Components of all vectors that are held at a time: 64 MiB.
const MAX_COMPONENTS: usize = 16 * 1024 * 1024;

/// What was learned last.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Lesson {
    /// When.
    pub at: Option<Timestamp>,
    /// Labelled documents by domain.
    pub labelled: BTreeMap<String, usize>,
    /// Whether there was enough to learn from: two domains at least.
    pub taught: bool,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// Asks for lessons, and tells of the last one.
#[derive(Debug, Default)]
pub struct Learning {
    asked: Notify,
    last: Mutex<Lesson>,
}

impl Learning {
    /// Asks for a lesson.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// What was learned last.
    pub fn last(&self) -> Lesson {
        self.last.lock().clone()
    }
}

/// Learns at the start and when asked, until `stop` says true. Only where a label field is configured.
pub(super) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    if !context.config.domains.enabled || context.config.domains.label_field.is_none() {
        return;
    }
    while !*stop.borrow_and_update() {
        match context.blocking(learn).await {
            Ok(lesson) => *context.learning.last.lock() = lesson,
            Err(fault) => {
                tracing::warn!(%fault, "nothing could be learned from labelled documents");
                context.learning.last.lock().error = Some(fault.to_string());
            }
        }
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            () = context.learning.asked.notified() => {}
        }
    }
}

/// A labelled vector.
type Labelled = (String, Vec<f32>);

/// Scans, learns, and has documents classified anew where that makes a difference. Blocks.
fn learn(context: &Context) -> Result<Lesson, StageFault> {
    let mut by_dimension: BTreeMap<usize, Vec<Labelled>> = BTreeMap::new();
    let mut room = MAX_COMPONENTS;
    let mut collections = context.host.collections()?;
    collections.retain(|collection| context.config.syncs(&collection.name));
    for collection in &collections {
        if room > 0 {
            gather(context, &collection.name, &mut by_dimension, &mut room)?;
        }
    }
    let most = by_dimension
        .into_values()
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let mut labelled: BTreeMap<String, usize> = BTreeMap::new();
    for (domain, _) in &most {
        *labelled.entry(domain.clone()).or_default() += 1;
    }
    let examples: Vec<Example<'_>> = most
        .iter()
        .map(|(domain, vector)| Example { domain, vector })
        .collect();
    let model = VectorModel::train(&examples);
    let taught = model.is_some();
    if let Some(classifier) = context.deriver.taught(model.clone()) {
        // First on disk: what a restart would forget must not have been used.
        context.journal.set_taught_model(model.as_ref())?;
        context.deriver.adopt(classifier);
        tracing::info!(
            documents = most.len(),
            domains = labelled.len(),
            taught,
            "learned from labelled documents"
        );
        for collection in &collections {
            context.journal.mark_dirty(&collection.name);
        }
    }
    Ok(Lesson {
        at: Some(Timestamp::now()),
        labelled,
        taught,
        error: None,
    })
}

/// The labelled documents of a collection, as many as there is room for.
fn gather(
    context: &Context,
    collection: &str,
    found: &mut BTreeMap<usize, Vec<Labelled>>,
    room: &mut usize,
) -> Result<(), StageFault> {
    let mut after: Option<String> = None;
    loop {
        let page = context.host.scan(collection, after.as_deref(), PAGE, Fields::ALL);
        let Some(page) = unless_gone(page)? else {
            return Ok(());
        };
        for document in page.documents {
            let size = document.vector.len();
            if let Some(domain) = context.deriver.label(document.payload.as_ref())
                && size > 0
                && size <= *room
            {
                *room -= size;
                found.entry(size).or_default().push((domain, document.vector));
            }
        }
        after = page.next;
        if after.is_none() || *room == 0 {
            return Ok(());
        }
    }
}
