//! The probe's own three nodes and the edges between them: written, read back and removed by the operations under test.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::canary::is_canary;
use super::super::capabilities::RetractForm;
use super::super::catalogue::edges::HopForm;
use super::super::catalogue::limits::has_room_for_labels;
use super::super::catalogue::nodes::LookupForm;
use super::super::edge::Edge;
use super::super::key::{Bucket, NodeKey, RunId, ScratchKey};
use super::super::nodes::NodeWrite;
use super::super::record::EdgeRecord;
use super::super::schema::{EdgeType, NodeLabel};
use super::super::write::all_taken;
use super::super::{Graph, GraphError, JsonMap, catalogue};

/// The beginning of the owner of every probe's nodes.
const OWNER: &str = "probe-";
/// Scratch nodes older than this were left behind by a probe that was interrupted, in seconds.
const LEFT_BEHIND: i64 = 600;

/// What a server tells of itself before the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// The labels that were ever used, where it lists them.
    pub labels: Option<Vec<String>>,
    /// How many labels were ever used.
    pub label_count: u64,
    /// Relationships ever created.
    pub rel_count: u64,
}

impl ServerFacts {
    /// Whether there is room for the labels of the model.
    pub(super) fn check_labels(&self) -> Result<(), GraphError> {
        let is_new = |label: &NodeLabel| {
            let known = self.labels.as_deref();
            !known.is_some_and(|known| known.iter().any(|name| name == label.name()))
        };
        // Without a list nobody knows which of ours are there, so all count as new.
        let new = NodeLabel::ALL.iter().filter(|label| is_new(label)).count() as u64;
        let used = self
            .labels
            .as_ref()
            .map_or(self.label_count, |labels| labels.len() as u64);
        if has_room_for_labels(used, new) {
            Ok(())
        } else {
            Err(GraphError::LabelsExhausted { used, new })
        }
    }
}

/// See the [module](self).
pub(super) struct Scratch {
    pub(super) graph: Graph,
    keys: [ScratchKey; 3],
    absent: ScratchKey,
    bucket: Bucket,
}

impl Scratch {
    pub(super) fn new(graph: Graph) -> Result<Self, GraphError> {
        let run = RunId::fresh()?;
        let owner = format!("{OWNER}{}", run.as_str());
        let key = |name| ScratchKey::new(&owner, name);
        Ok(Self {
            graph,
            keys: [key("a")?, key("b")?, key("c")?],
            absent: key("absent")?,
            bucket: Bucket::numbered(&owner, 0)?,
        })
    }

    /// The keys of the three nodes.
    pub(super) fn names(&self) -> [String; 3] {
        self.keys.clone().map(|key| key.as_str().to_owned())
    }

    pub(super) fn with_lookup(&mut self, form: LookupForm) -> &Self {
        self.graph.forms.lookup = form;
        self
    }

    pub(super) fn with_hops(&mut self, form: HopForm) -> &Self {
        self.graph.forms.hops = form;
        self
    }

    pub(super) fn with_incoming(&self, form: HopForm) -> Self {
        let mut graph = self.graph.clone();
        graph.forms.incoming = Some(form);
        Self {
            graph,
            keys: self.keys.clone(),
            absent: self.absent.clone(),
            bucket: self.bucket.clone(),
        }
    }

    pub(super) async fn write_nodes(&self) -> Result<(), GraphError> {
        let at = Timestamp::now().as_second();
        let writes = (0_u8..)
            .zip(&self.keys)
            .map(|(n, key)| {
                let desired = json!({
                    "n": n,
                    "bucket": self.bucket.as_str(),
                    "collection": self.collection(n < 2),
                    "at": at,
                });
                NodeWrite::build(key.clone(), desired.as_object().unwrap_or(&JsonMap::new()), None)
            })
            .collect::<Result<Vec<_>, _>>()?;
        all_taken(self.graph.upsert_nodes(&writes).await?)
    }

    /// The first and the last node with their numbers, as a look-up of both beside an absent one should give them.
    pub(super) fn values_of_two(&self) -> BTreeMap<String, Value> {
        let [a, _, c] = self.names();
        BTreeMap::from([(a, json!(0)), (c, json!(2))])
    }

    pub(super) async fn values_of_three(&self) -> Result<BTreeMap<String, Value>, GraphError> {
        let keys = [self.keys[0].clone(), self.absent.clone(), self.keys[2].clone()];
        let found = self.graph.read_nodes(&keys).await?;
        Ok(found
            .into_iter()
            .map(|(key, node)| {
                (
                    key.as_str().to_owned(),
                    node.get("n").cloned().unwrap_or_default(),
                )
            })
            .collect())
    }

    pub(super) async fn bucket(&self) -> Result<Vec<String>, GraphError> {
        let mut keys = Vec::new();
        let statements =
            catalogue::nodes::list_buckets(NodeLabel::Scratch, std::slice::from_ref(&self.bucket));
        for statement in statements {
            keys.extend(texts(
                self.graph.read(&statement, &["k", "rev", "fingerprint"]).await?,
            ));
        }
        keys.sort();
        Ok(keys)
    }

    /// The collection of the first two nodes, or that of the last.
    fn collection(&self, of_two: bool) -> String {
        format!("{}/{of_two}", self.bucket.as_str())
    }

    /// The three nodes by collection, as they should be counted.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        [(true, 2), (false, 1)]
            .map(|(of_two, count)| (self.collection(of_two), count))
            .into()
    }

    pub(super) async fn census(&self) -> Result<BTreeMap<String, u64>, GraphError> {
        let mut counts = self.graph.census(NodeLabel::Scratch).await?;
        let ours = [self.collection(true), self.collection(false)];
        counts.retain(|collection, _| ours.contains(collection));
        Ok(counts)
    }

    pub(super) async fn filtered(&self) -> Result<Vec<String>, GraphError> {
        let statement = catalogue::probe::filter_behind_seek(&self.bucket, &self.keys[1]);
        let mut keys = texts(self.graph.read(&statement, &["k"]).await?);
        keys.sort();
        Ok(keys)
    }

    pub(super) async fn paged(&self) -> Result<Vec<String>, GraphError> {
        let statement = catalogue::probe::page_behind_seek(&self.bucket);
        Ok(texts(self.graph.read(&statement, &["k"]).await?))
    }

    /// Edges from the first node to both others, with these values.
    pub(super) async fn write_edges(&self, values: [u8; 2]) -> Result<(), GraphError> {
        let edges = [
            self.edge(0, 1, values[0], true)?,
            self.edge(0, 2, values[1], true)?,
        ];
        all_taken(self.graph.write_edges(&edges).await?)
    }

    pub(super) async fn set_plainly(&self, values: [u8; 2]) -> Result<(), GraphError> {
        let records = [record(values[0], true)?, record(values[1], true)?];
        let rows = [1, 2].map(|to| {
            let [source, target] = [&self.keys[0], &self.keys[to]].map(NodeKey::literal);
            (source, target, &records[to - 1])
        });
        all_taken(self.graph.write(catalogue::probe::plain_set(rows)?).await?)
    }

    /// The edges of the first node as they should read.
    pub(super) fn edges(&self, values: [u8; 2]) -> Vec<(String, Value, Option<bool>)> {
        let [_, b, c] = self.names();
        vec![
            (b, json!(values[0]), Some(true)),
            (c, json!(values[1]), Some(true)),
        ]
    }

    pub(super) async fn edges_of_a(&self) -> Result<Vec<(String, Value, Option<bool>)>, GraphError> {
        let mut edges: Vec<_> = self
            .graph
            .neighbours(&[EdgeType::Scratch], &self.keys[..1])
            .await?
            .into_iter()
            .map(|edge| (edge.target, edge.weight, edge.active))
            .collect();
        edges.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(edges)
    }

    pub(super) async fn edge_of_b(&self) -> Result<Vec<(String, Option<bool>)>, GraphError> {
        let edges = self
            .graph
            .neighbours(&[EdgeType::Scratch], &self.keys[1..2])
            .await?;
        Ok(edges.into_iter().map(|edge| (edge.target, edge.active)).collect())
    }

    pub(super) async fn write_edge_between_b_and_c(&self, active: bool) -> Result<(), GraphError> {
        all_taken(self.graph.write_edges(&[self.edge(1, 2, 7, active)?]).await?)
    }

    pub(super) async fn paths_of_a(&self) -> Result<Vec<(String, String)>, GraphError> {
        let kind = EdgeType::Scratch;
        let paths = self.graph.two_hops(kind, kind, &self.keys[..1]).await?;
        Ok(paths
            .into_iter()
            .map(|path| (path.first.target, path.second.target))
            .collect())
    }

    pub(super) async fn sources_of_c(&self) -> Result<Vec<String>, GraphError> {
        let edges = self
            .graph
            .incoming(EdgeType::Scratch, &self.keys[2..], usize::MAX)
            .await?;
        let mut sources: Vec<String> = edges.into_iter().map(|edge| edge.source).collect();
        sources.sort();
        Ok(sources)
    }

    /// Deletes the edge to the last node; gives the neighbours left, and how many nodes are still there.
    pub(super) async fn delete_one_edge(&self) -> Result<(Vec<String>, usize), GraphError> {
        let statement = catalogue::probe::delete_one_edge(&self.keys[0], &self.keys[2]);
        self.graph.session().run(&statement).await?;
        self.left().await
    }

    /// Deletes the edge to the middle node, in the way that batches are deleted.
    pub(super) async fn delete_rest_of_edges(&self) -> Result<(Vec<String>, usize), GraphError> {
        all_taken(self.graph.write_edges(&[self.edge(0, 1, 5, false)?]).await?)?;
        self.left().await
    }

    async fn left(&self) -> Result<(Vec<String>, usize), GraphError> {
        let targets = self.edges_of_a().await?.into_iter().map(|edge| edge.0).collect();
        let nodes = self.graph.look_up(&self.keys).await?.len();
        Ok((targets, nodes))
    }

    /// Deletes a retracted and an active edge on the condition that they are retracted; gives what is left of both.
    pub(super) async fn sweep(&self) -> Result<(Vec<String>, Vec<(String, Option<bool>)>), GraphError> {
        let mut soft = self.graph.clone();
        soft.forms.retract = RetractForm::Soft;
        let edges = [self.edge(0, 1, 5, false)?, self.edge(1, 2, 7, true)?];
        all_taken(soft.write_edges(&edges).await?)?;
        let [a, b, c] = self.keys.each_ref().map(NodeKey::literal);
        let statements = catalogue::edges::sweep_edges(EdgeType::Scratch, [(a, b), (b, c)])?;
        all_taken(self.graph.write(statements).await?)?;
        let of_a = self.edges_of_a().await?.into_iter().map(|edge| edge.0).collect();
        Ok((of_a, self.edge_of_b().await?))
    }

    /// Removes the three nodes; answers how many are left.
    pub(super) async fn remove(&self) -> Result<usize, GraphError> {
        self.graph.delete_nodes(&self.keys).await?;
        Ok(self.graph.look_up(&self.keys).await?.len())
    }

    /// Removes what probes left behind that were interrupted.
    pub(super) async fn remove_leftovers(&self) -> Result<(), GraphError> {
        let oldest = Timestamp::now().as_second() - LEFT_BEHIND;
        let rows = self
            .graph
            .read(&catalogue::probe::list_scratch(), &["k", "at"])
            .await?;
        let left: Vec<ScratchKey> = rows
            .iter()
            .filter(|row| row.first().is_some_and(|key| !is_canary(key)))
            .filter(|row| row.get(1).and_then(Value::as_i64).is_some_and(|at| at < oldest))
            .filter_map(|row| row.first()?.as_str().filter(|key| key.starts_with(OWNER)))
            .filter_map(|key| ScratchKey::parse(key).ok())
            .collect();
        self.graph.delete_nodes(&left).await.map(drop)
    }

    fn edge(&self, from: usize, to: usize, value: u8, active: bool) -> Result<Edge, GraphError> {
        let record = record(value, active)?;
        Ok(Edge::with_record(
            EdgeType::Scratch,
            &self.keys[from],
            &self.keys[to],
            active,
            record,
        ))
    }
}

fn record(value: u8, active: bool) -> Result<EdgeRecord, GraphError> {
    let values = JsonMap::from_iter([("value".to_owned(), Value::from(value))]);
    Ok(EdgeRecord::build(EdgeType::Scratch, &values, active)?)
}

fn texts(rows: Vec<Vec<Value>>) -> Vec<String> {
    rows.into_iter()
        .filter_map(|row| row.into_iter().next()?.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(labels: Option<usize>, count: u64, with_ours: bool) -> ServerFacts {
        let ours = NodeLabel::ALL.map(NodeLabel::name).map(str::to_owned);
        let labels = labels.map(|others| {
            let others = (0..others).map(|n| format!("L{n}"));
            others.chain(ours.into_iter().filter(|_| with_ours)).collect()
        });
        ServerFacts {
            labels,
            label_count: count,
            rel_count: 0,
        }
    }

    #[test]
    fn a_server_without_room_for_our_labels_is_refused() {
        assert!(facts(Some(59), 59, false).check_labels().is_ok());
        let refused = facts(Some(60), 60, false).check_labels();
        assert_eq!(refused, Err(GraphError::LabelsExhausted { used: 60, new: 5 }));
        assert!(facts(None, 59, false).check_labels().is_ok());
        assert!(facts(None, 60, false).check_labels().is_err());
    }

    #[test]
    fn labels_that_are_there_already_need_no_room() {
        assert!(facts(Some(59), 64, true).check_labels().is_ok());
        assert!(facts(Some(200), 205, true).check_labels().is_ok());
    }
}
