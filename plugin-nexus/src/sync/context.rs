//! What all lanes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tracing::Span;
use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields};
use vectorizer_plugin_api::{Fault, FaultCode, Host};

use super::breaker::Breaker;
use super::document::CopyRules;
use super::enrichment::EntityNames;
use super::fault::StageFault;
use super::gate::Gate;
use super::in_force::InForce;
use super::jobs::Jobs;
use super::learning::{Learning, labels};
use super::likeness::WordCounts;
use super::link::Link;
use super::neighbours::Candidate;
use super::poller::SeenNodes;
use super::relations::{DeriveError, Deriver, OrphanSweep};
use super::search_cache::SearchCache;
use crate::audit_log::AuditLog;
use crate::config::{Collection, Config};
use crate::correlation::{ChangeNames, own_moment};
use crate::domains::Knowledge;
use crate::graph::{ForeignType, GraphError};
use crate::health::History;
use crate::journal::{Journal, Work, unix_micros};
use crate::lexical::Lexical;
use crate::metrics::Metrics;
use crate::nexus::NexusClient;
use crate::settings::Settings;
use crate::telemetry;
use crate::webhooks::outbound::Outbound;

/// Threads among which the searches of a batch are shared out at most: the store serves others, too.
const MOST_THREADS: usize = 4;

/// What all lanes share.
#[derive(Debug)]
pub struct Context {
    in_force: InForce,
    /// Where the settings come from.
    pub settings: Settings,
    /// Whether anything is worked on.
    pub gate: Gate,
    /// The store.
    pub host: Host,
    /// The way to Nexus; what is there is reached through the link.
    pub client: Arc<NexusClient>,
    /// How changes are called.
    pub changes: ChangeNames,
    /// What is to be done, and what was.
    pub journal: Journal,
    /// Whether Nexus may be written to.
    pub link: Link,
    /// Whether Nexus does its work.
    pub breaker: Breaker,
    /// Comparisons and backfills.
    pub jobs: Jobs,
    /// What is counted.
    pub metrics: Metrics,
    /// How all was when it was last looked at.
    pub health: History,
    /// Nodes that nobody is related to.
    pub orphans: OrphanSweep,
    /// What is learned from labelled documents.
    pub learning: Learning,
    pub(in crate::sync) searches: SearchCache,
    pub(in crate::sync) entity_names: EntityNames,
    /// How nodes looked last.
    pub seen: SeenNodes,
    /// How common words are.
    pub(in crate::sync) words: WordCounts,
    /// What was decided.
    pub audit_log: AuditLog,
    /// Who is told of changes.
    pub outbound: Outbound,
    /// Which documents have which words; `None`: that is switched off.
    pub lexical: Option<Arc<Lexical>>,
    births: AtomicU64,
}

/// Sections that decide what becomes of documents of any collection.
const DECISIVE: [&str; 7] = [
    "similarity",
    "structure",
    "domains",
    "entities",
    "permissions",
    "enrichment",
    "properties",
];

/// Why another configuration did not come into force, or what became of it is not compared yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// Its rules cannot be used.
    #[error(transparent)]
    Rules(#[from] DeriveError),
    /// It is in force, and the collections that it makes a difference for are not known.
    #[error("the settings are in force, and what they change is found at the next comparison: {0}")]
    Compare(#[from] StageFault),
}

/// What a store answers to a search.
pub(in crate::sync) struct Nearest {
    /// Those that are near enough, closest first.
    pub(in crate::sync) candidates: Vec<Candidate>,
    /// Whether a wider search finds no others that are.
    pub(in crate::sync) complete: bool,
}

impl Context {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`DeriveError`], which the check of the configuration has ruled out.
    #[allow(clippy::too_many_arguments, reason = "one of each part")]
    pub fn new(
        settings: Settings,
        config: Arc<Config>,
        host: Host,
        client: Arc<NexusClient>,
        changes: ChangeNames,
        journal: Journal,
        metrics: Metrics,
        outbound: Outbound,
        audit_log: AuditLog,
        lexical: Option<Lexical>,
    ) -> Result<Self, DeriveError> {
        let labels = labels(&config, &journal).unwrap_or_default();
        let model = journal.taught_model().unwrap_or_default();
        Ok(Self {
            breaker: Breaker::new(config.breaker.settings()),
            jobs: Jobs::load(&journal),
            searches: SearchCache::new(config.similarity.cache),
            words: WordCounts::default(),
            entity_names: EntityNames::default(),
            seen: SeenNodes::default(),
            gate: Gate::new(settings.is_paused()),
            in_force: InForce::new(config, Knowledge { model, labels })?,
            settings,
            host,
            client,
            changes,
            journal,
            link: Link::default(),
            metrics,
            health: History::default(),
            orphans: OrphanSweep::default(),
            learning: Learning::default(),
            outbound,
            audit_log,
            lexical: lexical.map(Arc::new),
            births: AtomicU64::new(now_micros()),
        })
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.in_force.config()
    }

    /// What is copied from payloads.
    pub fn copy_rules(&self) -> Arc<CopyRules> {
        self.in_force.copy_rules()
    }

    /// What documents are related to.
    pub(crate) fn deriver(&self) -> Arc<Deriver> {
        self.in_force.deriver()
    }

    /// Changes with all settings that decide what a document of this collection becomes in the graph, and with what was learned.
    pub(super) fn rules_digest(&self, collection: &str) -> u64 {
        self.copy_rules().digest().rotate_left(1) ^ self.deriver().digest(collection)
    }

    /// Puts another configuration in force, once no lane works any more, and has those collections compared that it makes a
    /// difference for.
    ///
    /// # Errors
    /// `StageFault::Host`, `StageFault::Journal`, and a fault of the rules, which the check of the configuration has ruled out. The one
    /// before stays in force then.
    pub(crate) async fn adopt(self: &Arc<Self>, config: Arc<Config>) -> Result<(), AdoptError> {
        let still = self.gate.still().await;
        let before = self.config();
        let labels = labels(&config, &self.journal).unwrap_or_default();
        let model = self.journal.taught_model().unwrap_or_default();
        self.in_force
            .replace(Arc::clone(&config), Knowledge { model, labels })?;
        self.client.pace().set_ceilings(config.limits.ceilings());
        telemetry::adopt(&config.telemetry);
        drop(still);
        self.learning.ask();
        let everywhere = general(&before) != general(&config);
        self.blocking(move |context| {
            context.compare_where(|name| everywhere || own(&before, name) != own(&config, name))
        })
        .await?;
        Ok(())
    }

    /// Has those collections compared that store or journal know and `wanted` says so of. Blocks.
    fn compare_where(&self, wanted: impl Fn(&str) -> bool) -> Result<(), StageFault> {
        let mut names = self.journal.collections()?;
        let store = self.host.collections()?;
        names.extend(store.into_iter().map(|found| found.name));
        for name in names.iter().filter(|name| wanted(name)) {
            self.journal.mark_dirty(name);
            if let Some(lexical) = &self.lexical {
                lexical.compare(name);
            }
        }
        Ok(())
    }

    /// The edge types of this Nexus that are not the plugin's; none where it cannot tell.
    ///
    /// # Errors
    /// `StageFault::Link`, `StageFault::Server`.
    pub(crate) async fn foreign_types(&self) -> Result<Vec<ForeignType>, StageFault> {
        let names = self.client.relationship_types().await.map_err(GraphError::from)?;
        Ok(ForeignType::among(&names.unwrap_or_default()))
    }

    /// A domain and those that hold it, from the top.
    pub fn domain_path(&self, name: &str) -> Vec<String> {
        self.deriver().domain_path(name)
    }

    /// The work of enriching a payload, where that is asked for.
    pub fn enrichment(&self) -> Work {
        match self.config().enrichment.enabled {
            true => Work::ENRICHMENT,
            false => Work::NONE,
        }
    }

    /// A number that no node was given before: it begins with the time and never stands still.
    pub fn birth(&self) -> u64 {
        self.births.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks the store on a thread where it may block.
    ///
    /// # Errors
    /// What `call` answers, or `StageFault::Task`.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> Result<T, StageFault> + Send + 'static,
    ) -> Result<T, StageFault> {
        let (context, span) = (Arc::clone(self), Span::current());
        tokio::task::spawn_blocking(move || span.in_scope(|| call(&context))).await?
    }

    /// As [`Context::blocking`], with the items shared out among a few threads. The answers are in the order of the items.
    ///
    /// # Errors
    /// As [`Context::blocking`].
    pub async fn side_by_side<I: Send + 'static, T: Send + 'static>(
        self: &Arc<Self>,
        mut items: Vec<I>,
        call: impl Fn(&Self, Vec<I>) -> Result<Vec<T>, StageFault> + Clone + Send + 'static,
    ) -> Result<Vec<T>, StageFault> {
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_THREADS);
        let share = items.len().div_ceil(threads).max(1);
        let mut tasks = Vec::with_capacity(threads);
        while !items.is_empty() {
            let rest = items.split_off(share.min(items.len()));
            let part = std::mem::replace(&mut items, rest);
            let (context, call, span) = (Arc::clone(self), call.clone(), Span::current());
            tasks.push(tokio::task::spawn_blocking(move || {
                span.in_scope(|| call(&context, part))
            }));
        }
        let mut answers = Vec::new();
        for task in tasks {
            answers.extend(task.await??);
        }
        Ok(answers)
    }

    /// The nearest of `width` hits, closest first, that score at least `least`; none where the collection is gone. `None`: it is this
    /// vector that the store does not take, and never will.
    ///
    /// # Errors
    /// `StageFault::Host`.
    pub(in crate::sync) fn nearest(
        &self,
        collection: &str,
        vector: &[f32],
        width: usize,
        least: f64,
    ) -> Result<Option<Nearest>, StageFault> {
        let hits = match unless_gone(self.host.search(collection, vector, width, Fields::NONE)) {
            Ok(hits) => hits.unwrap_or_default(),
            Err(fault) if fault.code == FaultCode::Invalid => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        let complete = hits.len() < width || hits.last().is_some_and(|last| f64::from(last.score) < least);
        let near = hits.into_iter().filter(|hit| f64::from(hit.score) >= least);
        let candidates = near.map(|hit| Candidate {
            id: hit.document.id,
            score: hit.score,
        });
        Ok(Some(Nearest {
            candidates: candidates.collect(),
            complete,
        }))
    }

    /// The documents with these ids, none where the collection is gone.
    ///
    /// # Errors
    /// `StageFault::Host`.
    pub fn documents(
        &self,
        collection: &str,
        ids: &[Arc<str>],
        fields: Fields,
    ) -> Result<Vec<Document>, StageFault> {
        if self.collection(collection)?.is_none() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        Ok(unless_gone(self.host.get(collection, &ids, fields))?.unwrap_or_default())
    }

    /// The collection, `None` where it is gone. A name that is only an alias, as the old one of a renamed collection, is
    /// gone too: its documents are the other collection's; and so is one whose documents are to be taken out of the graph.
    ///
    /// # Errors
    /// `StageFault::Host`.
    pub fn collection(&self, name: &str) -> Result<Option<CollectionInfo>, StageFault> {
        let found = unless_gone(self.host.collection(name))?;
        Ok(found.filter(|found| found.name == name && !self.config().removes(name)))
    }
}

/// The settings that decide what becomes of documents of any collection.
fn general(config: &Config) -> Value {
    let mut shown = config.shown();
    if let Some(shown) = shown.as_object_mut() {
        shown.retain(|key, _| DECISIVE.contains(&key.as_str()));
    }
    shown
}

/// And those of one collection.
fn own(config: &Config, collection: &str) -> impl PartialEq {
    let assigned = config.entry(collection).and_then(Collection::assigned);
    (
        config.syncs(collection),
        config.removes(collection),
        config.similarity_of(collection),
        assigned.map(|assigned| (assigned.domain.to_owned(), assigned.only)),
    )
}

/// `None` where what was asked for does not exist.
pub(crate) fn unless_gone<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.code == FaultCode::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Now, for work that the plugin found by itself.
pub(crate) fn now_micros() -> u64 {
    own_moment(unix_micros())
}

/// Now, as it stands in the graph: RFC 3339 in UTC, always of the same width.
pub(crate) fn now_text() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}
