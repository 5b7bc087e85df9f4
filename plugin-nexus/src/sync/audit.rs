//! The check of what is there, before anything is written to a process of Nexus that is not known.
//!
//! After a restart Nexus may hold a damaged property file, and any write to it destroys data
//! (`contracts/nexus-dialect.md` section 2). So the audit only reads:
//!
//! 1. the canary, whose record lies behind everything we wrote ([`crate::graph::canary`]);
//! 2. the buckets of all documents that the journal has a state of, compared by `rev` and `fingerprint`;
//! 3. the edges of the newest documents;
//! 4. document nodes without a key, which are what a lost record leaves behind.
//!
//! Verdicts. *Damaged*: the canary or an edge is there without its properties, or documents are missing while nodes without
//! a key have appeared; nothing may be written. Otherwise what is missing or old was removed or never arrived, and is
//! synced again. It runs before the probe, which writes, so it relies on no capability: edges are read in the form of Nexus
//! 2.5 and in the standard one, and the better answer counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, now_micros};
use super::fault::StageFault;
use super::fingerprint::fingerprint_text;
use crate::graph::canary::{Canary, CanaryState};
use crate::graph::catalogue::edges::HopForm;
use crate::graph::literal::Part;
use crate::graph::schema::NodeLabel;
use crate::graph::{Bucket, DocumentKey, Forms, Graph, GraphError};
use crate::journal::{CheckedServer, DocumentId, Work};
use crate::nexus::{Blame, NexusError, Session};

/// Documents whose states are held in memory at a time.
const PAGE: usize = 20_000;
/// Newest documents with edges whose edges are read.
const NEWEST: usize = 200;
/// Keys that are shown.
const SHOWN: usize = 20;

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct AuditReport {
    /// When it ended.
    pub at: Option<Timestamp>,
    /// Documents that were compared.
    pub documents: usize,
    /// Those of them that are not in the graph.
    pub missing: usize,
    /// Those that the graph shows in another version than was written.
    pub stale: usize,
    /// Documents of our collections in the graph that the journal does not know.
    pub unknown: usize,
    /// Document nodes without a key; `None` where the server took too long to count them.
    pub unreadable: Option<u64>,
    /// Edges that were read.
    pub edges: usize,
    /// Those of them that have lost their properties.
    pub lost_edges: usize,
    /// What became of the canary: `sound`, `lost` or `absent`.
    pub canary: &'static str,
    /// Why nothing may be written; `None` where all is well or can be mended.
    pub damage: Option<String>,
    /// Keys of missing documents and of the sources of lost edges, the first of them.
    pub keys: Vec<String>,
    /// Documents to be synced again, by collection.
    #[serde(skip)]
    work: BTreeMap<String, Again>,
}

/// Documents of one collection to be synced again.
#[derive(Debug, Clone, Default, PartialEq)]
struct Again {
    /// Not in the graph: what the journal remembers of them is wrong.
    missing: Vec<Arc<str>>,
    /// In the graph in another version, or unknown to the journal.
    other: Vec<Arc<str>>,
}

/// A document as the journal remembers it.
struct Remembered {
    id: Arc<str>,
    key: DocumentKey,
    rev: u64,
    fingerprint: String,
}

/// A document and when its node was made.
type Born = (u64, DocumentKey);

/// The newest documents; the oldest of them on top.
type Newest = BinaryHeap<Reverse<Born>>;

/// Compares what a process holds with what the journal remembers. Writes nothing.
///
/// # Errors
/// [`StageFault`] where it cannot be read: then nothing is known.
pub(super) async fn audit(
    context: &Arc<Context>,
    session: &Arc<Session>,
    before: Option<&CheckedServer>,
) -> Result<AuditReport, StageFault> {
    let reader = Reader::new(session);
    let mut report = AuditReport::default();

    let canary = Canary::of(&context.journal.installation()?).map_err(GraphError::from)?;
    let canary = match reader.canary(&canary).await? {
        // One of its former records: what was written behind that is lost.
        CanaryState::Sound(perch) if perch.number < context.journal.canary()? => CanaryState::Lost,
        other => other,
    };
    report.canary = match canary {
        CanaryState::Sound(_) => "sound",
        CanaryState::Lost => "lost",
        CanaryState::Absent => "absent",
    };

    let mut newest = Newest::new();
    for collection in context.journal.collections()? {
        compare(context, &reader, &collection, &mut report, &mut newest).await?;
    }
    edges(&reader, newest, &mut report).await?;
    report.unreadable = match reader.standard.count_unreadable(NodeLabel::Document).await {
        Ok(count) => Some(count),
        // It scans. On a very large graph it may never end in time, and that must not keep us from all the rest.
        Err(GraphError::Nexus(NexusError::TimedOut { .. })) => None,
        Err(error) => return Err(error.into()),
    };
    report.damage = damage(&report, canary, before);
    report.at = Some(Timestamp::now());
    Ok(report)
}

/// Hints what an audit without damage found, so that it is synced again.
///
/// # Errors
/// [`StageFault::Journal`].
pub(super) fn repair(context: &Context, report: &AuditReport) -> Result<(), StageFault> {
    for (collection, again) in &report.work {
        let name: Arc<str> = collection.as_str().into();
        context.journal.forget(&name, &again.missing)?;
        for (ids, work) in [(&again.missing, Work::ALL), (&again.other, Work::NODE)] {
            context
                .journal
                .add(collection, ids.iter().map(AsRef::as_ref), work, now_micros())?;
        }
    }
    Ok(())
}

fn damage(report: &AuditReport, canary: CanaryState, before: Option<&CheckedServer>) -> Option<String> {
    let strangers = before.map_or(0, |server| server.unreadable);
    let sign = if canary == CanaryState::Lost {
        "the record that was written last is lost".to_owned()
    } else if report.lost_edges > 0 {
        format!(
            "{} of {} edges have lost their properties",
            report.lost_edges, report.edges
        )
    } else if report.missing > 0 {
        match report.unreadable {
            Some(unreadable) if unreadable <= strangers => return None,
            Some(unreadable) => format!(
                "{} documents are missing and {} document nodes have lost their properties",
                report.missing,
                unreadable - strangers
            ),
            None => format!(
                "{} documents are missing, and whether their nodes have lost their properties cannot be counted in time",
                report.missing
            ),
        }
    } else {
        return None;
    };
    Some(format!(
        "the property file of Nexus is damaged: {sign}; any write would destroy more. Export what only Nexus holds, then \
         restore its data folder from a backup, or start it with an empty one: documents are filled in again from the store"
    ))
}

/// Compares one collection, some buckets at a time.
async fn compare(
    context: &Arc<Context>,
    reader: &Reader,
    collection: &str,
    report: &mut AuditReport,
    newest: &mut Newest,
) -> Result<(), StageFault> {
    let name: Arc<str> = collection.into();
    let shelves = {
        let name = Arc::clone(&name);
        context.blocking(move |context| shelve(context, &name)).await?
    };
    let mut shelves = shelves.into_iter().peekable();
    while shelves.peek().is_some() {
        let mut page: BTreeMap<u16, Vec<Arc<str>>> = BTreeMap::new();
        let mut size = 0;
        while size < PAGE
            && let Some((number, ids)) = shelves.next()
        {
            size += ids.len();
            page.insert(number, ids);
        }
        let buckets = page
            .keys()
            .map(|number| Bucket::numbered(collection, *number))
            .collect::<Result<Vec<_>, _>>()
            .map_err(GraphError::from)?;
        let (remembered, born) = {
            let name = Arc::clone(&name);
            context
                .blocking(move |context| remember(context, &name, page.into_values().flatten()))
                .await?
        };
        for born in born {
            newest.push(Reverse(born));
            if newest.len() > NEWEST {
                newest.pop();
            }
        }
        let listing = reader.standard.list_buckets(&buckets).await?;
        let mut found: HashMap<DocumentKey, _> = listing
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.version))
            .collect();
        let again = report.work.entry(collection.to_owned()).or_default();
        for document in remembered {
            report.documents += 1;
            match found.remove(&document.key) {
                None => {
                    report.missing += 1;
                    if report.keys.len() < SHOWN {
                        report.keys.push(document.key.as_str().to_owned());
                    }
                    again.missing.push(document.id);
                }
                Some(version)
                    if version.rev != Some(document.rev)
                        || version.fingerprint.as_deref() != Some(document.fingerprint.as_str()) =>
                {
                    report.stale += 1;
                    again.other.push(document.id);
                }
                Some(_) => {}
            }
        }
        for key in found.into_keys() {
            report.unknown += 1;
            if let Ok((_, Part::Text(id))) = key.parts() {
                again.other.push(id.into());
            }
        }
    }
    Ok(())
}

/// The ids that the journal knows in a collection, by bucket. Blocks.
fn shelve(context: &Context, collection: &str) -> Result<BTreeMap<u16, Vec<Arc<str>>>, StageFault> {
    let mut shelves: BTreeMap<u16, Vec<Arc<str>>> = BTreeMap::new();
    for id in context.journal.ids(collection) {
        let id = id?;
        shelves.entry(Bucket::number_of(&id)).or_default().push(id.into());
    }
    Ok(shelves)
}

/// What the journal remembers of these, and the births of those with edges. Blocks.
fn remember(
    context: &Context,
    collection: &Arc<str>,
    ids: impl Iterator<Item = Arc<str>>,
) -> Result<(Vec<Remembered>, Vec<Born>), StageFault> {
    let (mut remembered, mut born) = (Vec::new(), Vec::new());
    for id in ids {
        let document = DocumentId::new(Arc::clone(collection), Arc::clone(&id));
        let Some(state) = context.journal.state(&document)? else {
            continue;
        };
        let key = DocumentKey::new(collection, &id).map_err(GraphError::from)?;
        if !state.edges.is_empty() {
            born.push((state.born, key.clone()));
        }
        remembered.push(Remembered {
            id,
            key,
            rev: state.rev,
            fingerprint: fingerprint_text(state.fingerprint),
        });
    }
    Ok((remembered, born))
}

/// Reads the edges of the newest documents.
async fn edges(reader: &Reader, newest: Newest, report: &mut AuditReport) -> Result<(), StageFault> {
    let sources: Vec<DocumentKey> = newest.into_iter().map(|Reverse((_, key))| key).collect();
    if sources.is_empty() {
        return Ok(());
    }
    for ((source, _), readable) in reader.edges(&sources).await? {
        report.edges += 1;
        if !readable {
            report.lost_edges += 1;
            if report.keys.len() < SHOWN {
                report.keys.push(source.as_str().to_owned());
            }
        }
    }
    Ok(())
}

/// Reads without knowing which form is right.
struct Reader {
    standard: Graph,
    range: Graph,
}

impl Reader {
    fn new(session: &Arc<Session>) -> Self {
        let with = |hops| {
            let forms = Forms {
                hops,
                ..Forms::NEXUS_2_5
            };
            Graph::new(Arc::clone(session), forms)
        };
        Self {
            standard: with(HopForm::PlainHop),
            range: with(HopForm::RangeHop),
        }
    }

    async fn canary(&self, canary: &Canary) -> Result<CanaryState, GraphError> {
        let by_range = self.range.canary(canary).await;
        let by_plain = self.standard.canary(canary).await;
        Ok(match better_of(by_range, by_plain)? {
            (sound @ CanaryState::Sound(_), _) | (_, Some(sound @ CanaryState::Sound(_))) => sound,
            (CanaryState::Lost, _) | (_, Some(CanaryState::Lost)) => CanaryState::Lost,
            _ => CanaryState::Absent,
        })
    }

    /// The outgoing edges of documents, each with whether its record can be read.
    async fn edges(
        &self,
        sources: &[DocumentKey],
    ) -> Result<HashMap<(DocumentKey, DocumentKey), bool>, GraphError> {
        let by_range = self.range.outgoing_similar(sources).await;
        let by_plain = self.standard.outgoing_similar(sources).await;
        let (one, other) = better_of(by_range, by_plain)?;
        let mut found = HashMap::new();
        for edge in one.into_iter().chain(other.into_iter().flatten()) {
            *found.entry((edge.source, edge.target)).or_insert(false) |= edge.active.is_some();
        }
        Ok(found)
    }
}

/// Two answers to one question, one of which may be an error since the server does not know its form.
fn better_of<T>(
    one: Result<T, GraphError>,
    other: Result<T, GraphError>,
) -> Result<(T, Option<T>), GraphError> {
    match (one, other) {
        (Err(error), _) | (_, Err(error)) if error.class().blame() == Blame::Passing => Err(error),
        (Ok(one), Ok(other)) => Ok((one, Some(other))),
        (Ok(answer), Err(_)) | (Err(_), Ok(answer)) => Ok((answer, None)),
        (Err(error), Err(_)) => Err(error),
    }
}
