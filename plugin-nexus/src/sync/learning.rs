//! Learning which vectors belong to which domains, from the documents that are labelled.
//!
//! A document is labelled in the configuration (`domains.labels`), by request, or by its payload in `domains.label_field`; of two
//! labels that of the request counts before that of the configuration, and that before the payload's. At the start, and whenever
//! an administrator asks for it or gives labels, the labelled documents are read. What is learned is kept in the journal; where it differs from before, all documents are classified anew by
//! a comparison.
//!
//! Invariants:
//! - vectors of one dimension only are learned from, the one that most labelled documents have: others are not comparable;
//! - memory is bounded ([`MAX_COMPONENTS`]), and a scan that fails changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use vectorizer_plugin_api::model::Fields;

use super::context::{Context, unless_gone};
use super::fault::StageFault;
use crate::config::{Config, DomainLabel};
use crate::domains::{Example, Knowledge, Labels, VectorModel};
use crate::journal::{Journal, JournalError};

/// Documents read at a time.
const PAGE: usize = 500;
/// Components of all vectors that are held at a time: 64 MiB.
const MAX_COMPONENTS: usize = 16 * 1024 * 1024;

/// What was learned last.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
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

/// Learns at the start and when asked, until `stop` says true.
pub(super) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if context.config().domains.enabled {
            match context.blocking(learn).await {
                Ok(lesson) => *context.learning.last.lock() = lesson,
                Err(fault) => {
                    tracing::warn!(%fault, "nothing could be learned from labelled documents");
                    context.learning.last.lock().error = Some(fault.to_string());
                }
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
    let config = context.config();
    let mut collections = context.host.collections()?;
    collections.retain(|collection| config.syncs(&collection.name));
    let labels = labels(&config, &context.journal)?;
    let mut gathered = Gathered {
        context,
        labels: &labels,
        by_dimension: BTreeMap::new(),
        room: MAX_COMPONENTS,
    };
    for collection in &collections {
        gathered.named(&collection.name)?;
    }
    if config.domains.label_field.is_some() {
        for collection in &collections {
            gathered.by_field(&collection.name)?;
        }
    }
    let most = gathered
        .by_dimension
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
    let knowledge = Knowledge {
        model: model.clone(),
        labels,
    };
    // Should the settings be replaced meanwhile, those after them learn anew.
    let deriver = context.deriver();
    if let Some(classifier) = deriver.taught(knowledge) {
        // First on disk: what a restart would forget must not have been used.
        context.journal.set_taught_model(model.as_ref())?;
        deriver.adopt(classifier);
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

/// The labels of the configuration, and those that were given by request over them.
///
/// # Errors
/// [`JournalError`].
pub(super) fn labels(config: &Config, journal: &Journal) -> Result<Labels, JournalError> {
    let mut all = config.domains.labels.clone();
    for given in journal.labels() {
        let (document, domain) = given?;
        all.push(DomainLabel {
            collection: document.collection.to_string(),
            id: document.id.to_string(),
            domain,
        });
    }
    Ok(Labels::of(all))
}

/// Labelled vectors by dimension, as many as there is room for.
struct Gathered<'a> {
    context: &'a Context,
    labels: &'a Labels,
    by_dimension: BTreeMap<usize, Vec<Labelled>>,
    /// Components that may still be held.
    room: usize,
}

impl Gathered<'_> {
    fn take(&mut self, domain: String, vector: Vec<f32>) {
        let size = vector.len();
        if size > 0 && size <= self.room {
            self.room -= size;
            self.by_dimension.entry(size).or_default().push((domain, vector));
        }
    }

    /// The documents of a collection whose label stands apart from them.
    fn named(&mut self, collection: &str) -> Result<(), StageFault> {
        let of_collection = self.labels.iter().filter(|(of, ..)| *of == collection);
        let labelled: Vec<(&str, &str)> = of_collection.map(|(_, id, domain)| (id, domain)).collect();
        for page in labelled.chunks(PAGE) {
            let ids: Vec<Arc<str>> = page.iter().map(|(id, _)| (*id).into()).collect();
            for document in self.context.documents(collection, &ids, Fields::VECTOR)? {
                if let Some(domain) = self.labels.domain(collection, &document.id)
                    && self.context.deriver().knows_domain(domain)
                {
                    self.take(domain.to_owned(), document.vector);
                }
            }
        }
        Ok(())
    }

    /// The documents of a collection that are labelled by their payload.
    fn by_field(&mut self, collection: &str) -> Result<(), StageFault> {
        let mut after: Option<String> = None;
        loop {
            let page = self
                .context
                .host
                .scan(collection, after.as_deref(), PAGE, Fields::ALL);
            let Some(page) = unless_gone(page)? else {
                return Ok(());
            };
            for document in page.documents {
                if self.labels.domain(collection, &document.id).is_none()
                    && let Some(domain) = self.context.deriver().label(document.payload.as_ref())
                {
                    self.take(domain, document.vector);
                }
            }
            after = page.next;
            if after.is_none() || self.room == 0 {
                return Ok(());
            }
        }
    }
}
