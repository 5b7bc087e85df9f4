//! What this server can do right, found out on scratch nodes (`contracts/nexus-dialect.md` section 13).
//!
//! The probe runs the very operations that the sync runs, on nodes and edges of their own label and type with keys that
//! are new each time, reads back what they did, and removes them. Invariants:
//!
//! - no step can harm what is not the probe's: deletion by relationship is first tried with one edge between two named
//!   nodes, and only if that deleted the edge and nothing else, in batches;
//! - values that are updated keep their widths, so that no record of the probe shrinks;
//! - a form that the probe cannot judge on a few nodes (incoming edges, the cost of parameters) is taken only with proof.
//!
//! Step 5 of the contract (quotes in literals) is left out: keys come from a safe alphabet, so no form of ours would use
//! what it could tell.

mod cost;
mod judge;
mod scratch;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use scratch::ServerFacts;

use super::capabilities::{Capabilities, Forms, Operation, RetractForm};
use super::catalogue::edges::HopForm;
use super::catalogue::nodes::LookupForm;
use super::{Graph, GraphError, catalogue};
use crate::nexus::Session;
use judge::Judge;
use scratch::Scratch;

/// The server searches about this many relationships for the incoming edges of a node without outgoing ones, so fewer
/// prove nothing (section 13, step 11).
const INCOMING_PROOF: u64 = 600;

/// What may differ in tests.
#[derive(Debug, Clone, Copy)]
pub struct ProbeSettings {
    /// Documents from which on the costs of forms are compared; below, they all cost nothing.
    pub cost_from: u64,
    /// The whole probe ends after this time.
    pub limit: Duration,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            cost_from: 5_000,
            limit: Duration::from_secs(30),
        }
    }
}

/// Probes the process of a session.
///
/// # Errors
///
/// [`GraphError::LabelsExhausted`] before anything is written; [`GraphError::Nexus`] where the server went out of reach or
/// has no patience left. That a form is wrong is no error.
pub async fn probe(
    session: &Arc<Session>,
    facts: &ServerFacts,
    settings: ProbeSettings,
) -> Result<Capabilities, GraphError> {
    facts.check_labels()?;
    let start = Instant::now();
    let graph = Graph::new(Arc::clone(session), Forms::NEXUS_2_5);
    let mut probe = Probe {
        scratch: Scratch::new(graph)?,
        judge: Judge::default(),
    };
    let run = async {
        let forms = probe.run(facts).await?;
        probe.compare_costs(forms, settings).await
    };
    let forms = match tokio::time::timeout(settings.limit, run).await {
        Ok(forms) => forms?,
        Err(_) => {
            return Err(GraphError::ProbeTooSlow {
                limit: settings.limit,
            });
        }
    };
    let version = session.process().version().to_owned();
    Ok(probe.judge.table(version, start.elapsed(), forms))
}

struct Probe {
    scratch: Scratch,
    judge: Judge,
}

impl Probe {
    /// The steps, in the order of the contract. Ends early where nothing further could be judged.
    async fn run(&mut self, facts: &ServerFacts) -> Result<Forms, GraphError> {
        self.scratch.graph.ensure_scratch_indexes().await?;
        self.nodes().await?;
        if self.judge.is_right(Operation::UpsertNodes) {
            self.seeks().await?;
            self.edges().await?;
            if self.judge.is_right(Operation::UpsertEdges) {
                self.walks(facts).await?;
                self.retraction().await?;
            }
            self.deletion().await?;
        }
        Ok(self.scratch.graph.forms)
    }

    /// Steps 3 and 4: nodes are written, and found by key.
    async fn nodes(&mut self) -> Result<(), GraphError> {
        let written = self.scratch.write_nodes().await;
        if !self
            .judge
            .passes(Operation::UpsertNodes, "unwind_merge", written)?
        {
            return Ok(());
        }
        let expected = self.scratch.values_of_two();
        for form in [LookupForm::LiteralUnion, LookupForm::ParameterList] {
            let found = self.scratch.with_lookup(form).values_of_three().await;
            self.judge
                .judge(Operation::LookUpNodes, form.name(), found, &expected)?;
        }
        let literal = self
            .judge
            .form_is_right(Operation::LookUpNodes, LookupForm::LiteralUnion.name());
        self.scratch.graph.forms.lookup = if literal {
            LookupForm::LiteralUnion
        } else {
            LookupForm::ParameterList
        };
        if self.judge.is_right(Operation::LookUpNodes) {
            self.judge.right(Operation::UpsertNodes, "unwind_merge");
        }
        Ok(())
    }

    /// Buckets, and steps 6 and 7: what a server makes of more than a seek.
    async fn seeks(&mut self) -> Result<(), GraphError> {
        let [a, b, c] = self.scratch.names();
        let listed = self.scratch.bucket().await;
        self.judge.judge(
            Operation::ListBuckets,
            "literal_seek",
            listed,
            &vec![a, b.clone(), c],
        )?;
        let counted = self.scratch.census().await;
        let expected = self.scratch.counts();
        self.scratch.graph.forms.census =
            self.judge
                .judge(Operation::Census, "group_by", counted, &expected)?;
        let filtered = self.scratch.filtered().await;
        self.judge
            .judge(Operation::FilterBehindSeek, "where", filtered, &vec![b.clone()])?;
        let paged = self.scratch.paged().await;
        self.judge
            .judge(Operation::PageBehindSeek, "skip_limit", paged, &vec![b])?;
        Ok(())
    }

    /// Steps 8 to 10: edges with their own values, created and updated, and how they are walked.
    async fn edges(&mut self) -> Result<(), GraphError> {
        let written = self.scratch.write_edges([1, 2]).await;
        if !self.judge.passes(Operation::UpsertEdges, "branch_set", written)? {
            return Ok(());
        }
        for form in HopForm::ALL {
            let found = self.scratch.with_hops(form).edges_of_a().await;
            let expected = self.scratch.edges([1, 2]);
            self.judge
                .judge(Operation::Neighbours, form.name(), found, &expected)?;
        }
        // The standard before the one of Nexus 2.5; parameters only with proof that they cost no scan.
        let usable = [HopForm::PlainHop, HopForm::RangeHop, HopForm::ParameterHop];
        let right = |form: &HopForm| self.judge.form_is_right(Operation::Neighbours, form.name());
        let Some(form) = usable.into_iter().find(right) else {
            return Ok(());
        };
        self.scratch.graph.forms.hops = form;

        let updated = async {
            self.scratch.write_edges([3, 4]).await?;
            self.scratch.edges_of_a().await
        };
        let updated = updated.await;
        let expected = self.scratch.edges([3, 4]);
        self.judge
            .judge(Operation::UpsertEdges, "branch_set", updated, &expected)?;
        let plain = async {
            self.scratch.set_plainly([5, 6]).await?;
            self.scratch.edges_of_a().await
        };
        let plain = plain.await;
        let expected = self.scratch.edges([5, 6]);
        self.judge.judge(Operation::PlainSet, "set", plain, &expected)?;
        Ok(())
    }

    /// Two hops, and step 11: walking backwards.
    async fn walks(&mut self, facts: &ServerFacts) -> Result<(), GraphError> {
        let [a, b, c] = self.scratch.names();
        let form = self.scratch.graph.forms.hops;
        let paths = async {
            self.scratch.write_edge_between_b_and_c(true).await?;
            self.scratch.paths_of_a().await
        };
        let paths = paths.await;
        self.judge.judge(
            Operation::TwoHops,
            form.name(),
            paths,
            &vec![(b.clone(), c.clone())],
        )?;
        for form in [HopForm::PlainHop, HopForm::RangeHop] {
            let sources = self.scratch.with_incoming(form).sources_of_c().await;
            let operation = Operation::IncomingEdges;
            let right = self
                .judge
                .judge(operation, form.name(), sources, &vec![a.clone(), b.clone()])?;
            if right && facts.rel_count <= INCOMING_PROOF {
                self.judge.unproven(
                    operation,
                    form.name(),
                    format!(
                        "the server has {} relationships, proof takes more than {INCOMING_PROOF}",
                        facts.rel_count
                    ),
                );
            } else if right && self.scratch.graph.forms.incoming.is_none() {
                self.scratch.graph.forms.incoming = Some(form);
            }
        }
        Ok(())
    }

    /// Step 12: edges are retracted.
    async fn retraction(&mut self) -> Result<(), GraphError> {
        let operation = Operation::RetractEdges;
        let soft = async {
            self.scratch.write_edge_between_b_and_c(false).await?;
            self.scratch.edge_of_b().await
        };
        let soft = soft.await;
        self.judge.judge(
            operation,
            RetractForm::Soft.name(),
            soft,
            &vec![(self.scratch.names()[2].clone(), Some(false))],
        )?;

        let delete = RetractForm::Delete.name();
        let one = self.scratch.delete_one_edge().await;
        let expected = (vec![self.scratch.names()[1].clone()], 3);
        if !self.judge.judge(operation, delete, one, &expected)? {
            return Ok(());
        }
        self.scratch.graph.forms.retract = RetractForm::Delete;
        let batch = self.scratch.delete_rest_of_edges().await;
        if !self.judge.judge(operation, delete, batch, &(Vec::new(), 3))? {
            self.scratch.graph.forms.retract = RetractForm::Soft;
            return Ok(());
        }
        let swept = self.scratch.sweep().await;
        let expected = (Vec::new(), vec![(self.scratch.names()[2].clone(), Some(true))]);
        self.scratch.graph.forms.sweep =
            self.judge
                .judge(Operation::SweepEdges, "delete_where", swept, &expected)?;
        Ok(())
    }

    /// Step 13: nodes are deleted; then what an interrupted probe left behind.
    async fn deletion(&mut self) -> Result<(), GraphError> {
        let left = self.scratch.remove().await;
        if self.judge.judge(Operation::DeleteNodes, "tag", left, &0)? {
            self.scratch.remove_leftovers().await?;
        }
        Ok(())
    }

    /// Takes the forms with parameters where they cost less, on as many documents as it takes to tell.
    async fn compare_costs(
        &mut self,
        mut forms: Forms,
        settings: ProbeSettings,
    ) -> Result<Forms, GraphError> {
        let operation = Operation::LookUpNodes;
        let both = [LookupForm::LiteralUnion, LookupForm::ParameterList]
            .iter()
            .all(|form| self.judge.form_is_right(operation, form.name()));
        if !both {
            return Ok(forms);
        }
        let graph = Graph::new(Arc::clone(self.scratch.graph.session()), forms);
        match cost::parameters_cost_less(&graph, settings.cost_from).await? {
            cost::Comparison::Less => forms.lookup = LookupForm::ParameterList,
            cost::Comparison::NotLess(why) => {
                self.judge
                    .unproven(operation, LookupForm::ParameterList.name(), why.clone());
                let (operation, form) = (Operation::Neighbours, HopForm::ParameterHop);
                if forms.hops != form && self.judge.form_is_right(operation, form.name()) {
                    self.judge.unproven(operation, form.name(), why);
                }
                return Ok(forms);
            }
        }
        if self
            .judge
            .form_is_right(Operation::Neighbours, HopForm::ParameterHop.name())
        {
            forms.hops = HopForm::ParameterHop;
        }
        Ok(forms)
    }
}

impl Graph {
    async fn ensure_scratch_indexes(&self) -> Result<(), GraphError> {
        for statement in catalogue::nodes::ensure_indexes(super::schema::NodeLabel::Scratch) {
            self.session.run(&statement).await?;
        }
        Ok(())
    }
}
