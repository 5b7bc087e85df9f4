//! What Nexus 2.5 makes of a writing statement (sections 3, 4 and 12 of the dialect page): the statement that is run
//! for each row, and what happens beside it.
//!
//! * settings of a relationship behind its MERGE or MATCH are *deferred*: all relationships of the statement get the
//!   values of the last row;
//! * `r += map` in ON CREATE and ON MATCH is dropped; a MERGE of a relationship without a variable is dropped whole;
//! * properties in the relationship's pattern are set on create only and never compared;
//! * `_id` in a pattern is dropped, so such a MERGE binds every node of its label;
//! * labels past the limit are dropped, and a MERGE by one never finds its node.
//!
//! Invariant: a statement whose effects could not be followed element by element has no plan.

use std::ops::Range;

use super::catalog::Catalog;
use super::draft::Draft;
use super::merges;
use super::pattern::{self, Path};
use crate::statement::Statement;
use crate::statement::lexer::TokenKind;
use crate::statement::shape::Clause;

/// A variable that a statement binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) is_relationship: bool,
    /// Properties that MERGE creates the element with.
    pub(crate) pattern: Vec<String>,
    /// Properties assigned by name in ON CREATE SET and in ON MATCH SET.
    pub(crate) on_create: Vec<String>,
    pub(crate) on_match: Vec<String>,
    /// Whether a plain SET changes it.
    pub(crate) is_set: bool,
}

/// One deferred setting of a relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deferred {
    pub(crate) variable: String,
    /// `None` for `r += map`.
    pub(crate) property: Option<String>,
    pub(crate) expression: String,
}

/// The labels in `SET d:A:B` and `SET d:$labels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Labels {
    Names(Vec<String>),
    Parameter(String),
}

/// How a writing statement is carried out.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The parameter and the variable of the UNWIND in front.
    pub(crate) unwound: Option<(String, String)>,
    /// The statement for one row; it returns the ids of all variables, in order.
    pub(crate) row: String,
    /// The same up to the first SET: what a row leaves that fails there.
    pub(crate) before_set: String,
    pub(crate) variables: Vec<Variable>,
    pub(crate) deferred: Vec<Deferred>,
    /// Labels that a SET adds to a node: names, or the parameter that holds them. The engine would forget them on a
    /// node that the same statement creates.
    pub(crate) labels: Vec<(String, Labels)>,
    /// The relationship that ON MATCH SET needs. With ON CREATE SET alone a row without one is skipped.
    pub(crate) required: Option<String>,
    /// Settings of nodes beside a MERGE of a relationship: with a missing end node they hit every node.
    pub(crate) stray: Vec<(String, String)>,
    /// The RETURN and what follows it.
    pub(crate) answer: Option<String>,
    /// Nothing is left to write.
    pub(crate) idle: bool,
}

/// Plans a statement; `None` when it has to be run as a whole.
pub(crate) fn plan(statement: &Statement<'_>, catalog: &mut Catalog) -> Option<Plan> {
    let mut planner = Planner {
        statement,
        draft: Draft::new(statement),
        plan: Plan::default(),
        catalog,
        merges_relationship: false,
        writes: 0,
    };
    planner.read_clauses()?;
    Some(planner.finish())
}

/// A statement being planned.
pub(super) struct Planner<'s, 'a> {
    pub(super) statement: &'s Statement<'a>,
    pub(super) draft: Draft<'s, 'a>,
    pub(super) plan: Plan,
    pub(super) catalog: &'s mut Catalog,
    pub(super) merges_relationship: bool,
    pub(super) writes: usize,
}

impl<'a> Planner<'_, 'a> {
    fn read_clauses(&mut self) -> Option<()> {
        let clauses = self.statement.clauses();
        let mut first_set = None;
        let mut end = self.statement.tokens().len();
        let mut at = 0;
        while let Some(clause) = clauses.get(at) {
            let mut used = 1;
            match clause.keyword {
                "UNWIND" if at == 0 => self.unwind(clause)?,
                "MATCH" => {
                    for path in pattern::paths(self.statement, &clause.body)? {
                        self.bind(&path, false)?;
                    }
                }
                "MERGE" => {
                    let branches = merges::branches(&clauses[at + 1..]);
                    self.merge(clause, branches)?;
                    used += 3 * branches.len();
                }
                "CREATE" => {
                    for path in pattern::paths(self.statement, &clause.body)? {
                        self.bind(&path, true)?;
                        self.labels(&path);
                    }
                    self.writes += 1;
                }
                "SET" => {
                    first_set = first_set.or(Some(clause.body.start - 1));
                    self.set(clause);
                }
                "REMOVE" => self.writes += 1,
                "RETURN" => {
                    end = clause.body.start - 1;
                    self.plan.answer = Some(self.answer(&clauses[at..]));
                    break;
                }
                _ => return None,
            }
            at += used;
        }
        self.plan.before_set = self.draft.text(0..first_set.unwrap_or(end));
        self.plan.row = self.draft.text(0..end);
        Some(())
    }

    fn finish(mut self) -> Plan {
        let ids: Vec<String> = self
            .plan
            .variables
            .iter()
            .enumerate()
            .map(|(at, variable)| format!("id({}) AS quirk_{at}", variable.name))
            .collect();
        let returned = format!(" RETURN {}", ids.join(", "));
        self.plan.row.push_str(&returned);
        self.plan.before_set.push_str(&returned);
        self.plan.idle = (self.writes == 0 && self.plan.deferred.is_empty()) || ids.is_empty();
        if !self.merges_relationship {
            self.plan.stray.clear();
        }
        self.plan
    }

    pub(super) fn word(&self, at: usize) -> &'a str {
        self.statement.text(&self.statement.tokens()[at])
    }

    fn unwind(&mut self, clause: &Clause) -> Option<()> {
        let [list, _, variable] = &self.statement.tokens()[clause.body.clone()] else {
            return None;
        };
        let TokenKind::Parameter(parameter) = &list.kind else {
            return None;
        };
        let variable = self.statement.text(variable).to_string();
        self.plan.unwound = Some((parameter.clone(), variable));
        Some(())
    }

    /// Takes note of the variables of a path. Elements that are created without one cannot be followed.
    pub(super) fn bind(&mut self, path: &Path, creates: bool) -> Option<()> {
        let nodes = path.nodes.iter().map(|node| (node.variable, false));
        let hops = path.hops.iter().map(|hop| (hop.variable, true));
        for (variable, is_relationship) in nodes.chain(hops) {
            match variable {
                Some(at) => {
                    self.variable(self.word(at), is_relationship);
                }
                None if creates => return None,
                None => {}
            }
        }
        path.hops.iter().all(|hop| hop.range.is_none()).then_some(())
    }

    pub(super) fn variable(&mut self, name: &str, is_relationship: bool) -> &mut Variable {
        let variables = &mut self.plan.variables;
        let at = variables.iter().position(|known| known.name == name);
        let at = at.unwrap_or_else(|| {
            variables.push(Variable {
                name: name.to_string(),
                is_relationship,
                pattern: Vec::new(),
                on_create: Vec::new(),
                on_match: Vec::new(),
                is_set: false,
            });
            variables.len() - 1
        });
        &mut variables[at]
    }

    pub(super) fn is_relationship(&self, name: &str) -> bool {
        let mut variables = self.plan.variables.iter();
        variables.any(|variable| variable.name == name && variable.is_relationship)
    }

    /// Uses the labels and types of a path; lost labels go. Says whether any was lost.
    pub(super) fn labels(&mut self, path: &Path) -> bool {
        let mut lost = false;
        for at in path.nodes.iter().flat_map(|node| &node.labels) {
            if !self.catalog.use_label(self.word(*at)) {
                self.draft.drop(*at - 1..*at + 1);
                lost = true;
            }
        }
        for at in path.hops.iter().flat_map(|hop| &hop.types) {
            self.catalog.use_type(self.word(*at));
        }
        lost
    }

    /// The property of `x.property = ..`.
    pub(super) fn assigned(&self, item: &Range<usize>) -> Option<String> {
        let is = |ahead, symbol| self.statement.is_symbol(item.start + ahead, symbol);
        (item.len() > 4 && is(1, '.') && is(3, '=')).then(|| self.word(item.start + 2).to_string())
    }

    /// A plain SET: settings of relationships are deferred, lost labels go.
    fn set(&mut self, set: &Clause) {
        let mut kept = Vec::new();
        for item in self.statement.projection_items(set) {
            let target = self.word(item.start).to_string();
            let text = Draft::new(self.statement).text(item.clone());
            let property = self.assigned(&item);
            if self.is_relationship(&target) {
                let value = match property {
                    Some(_) => item.start + 4..item.end,
                    None => item.start + 3..item.end,
                };
                self.plan.deferred.push(Deferred {
                    variable: target,
                    property,
                    expression: Draft::new(self.statement).text(value),
                });
                continue;
            }
            if self.statement.is_symbol(item.start + 1, ':') {
                let labels = self.set_labels(item);
                self.plan.labels.push((target, labels));
                self.writes += 1;
                continue;
            }
            self.variable(&target, false).is_set = true;
            self.plan.stray.push((target, text.clone()));
            kept.push(text);
        }
        match kept.is_empty() {
            true => self.draft.drop(set.body.start - 1..set.body.end),
            false => {
                self.writes += 1;
                self.draft.replace(set.body.clone(), kept.join(", "));
            }
        }
    }

    /// The labels behind `d:`, without the lost ones.
    fn set_labels(&mut self, item: Range<usize>) -> Labels {
        let first = &self.statement.tokens()[item.start + 2];
        if let TokenKind::Parameter(name) = &first.kind {
            return Labels::Parameter(name.clone());
        }
        let mut labels: Vec<String> = (item.start + 2..item.end)
            .step_by(2)
            .map(|at| self.word(at).to_string())
            .collect();
        labels.retain(|label| self.catalog.use_label(label));
        Labels::Names(labels)
    }

    /// The RETURN and its ORDER BY and LIMIT, without SKIP.
    fn answer(&self, clauses: &[Clause]) -> String {
        let draft = Draft::new(self.statement);
        let kept = clauses.iter().filter(|clause| clause.keyword != "SKIP");
        kept.map(|clause| draft.text(clause.body.start - 1..clause.body.end))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(source: &str) -> Plan {
        plan(&Statement::parse(source).unwrap(), &mut Catalog::default()).unwrap()
    }

    #[test]
    fn a_plain_set_of_a_merged_relationship_is_deferred() {
        let plan = planned(
            "UNWIND $rows AS row MATCH (a:D {k: row.a}) MATCH (b:D {k: row.b}) MERGE (a)-[r:T]->(b) SET r.x = row.x, a.y = 1",
        );
        assert_eq!(
            plan.row,
            "UNWIND $rows AS row MATCH (a:D {k: row.a}) MATCH (b:D {k: row.b}) MERGE (a)-[r:T]->(b) SET a.y = 1 \
             RETURN id(a) AS quirk_0, id(b) AS quirk_1, id(r) AS quirk_2"
        );
        assert_eq!(plan.deferred[0].property.as_deref(), Some("x"));
        assert_eq!(plan.deferred[0].expression, "row.x");
        assert_eq!(plan.stray, [("a".to_string(), "a.y = 1".to_string())]);
    }

    #[test]
    fn maps_on_create_and_relationships_without_a_variable_are_dropped() {
        let plan = planned(
            "MATCH (a:D {k: 1}) MERGE (a)-[r:T]->(a) ON CREATE SET r += $p, r.y = 1 ON MATCH SET r += $p",
        );
        assert!(
            plan.row
                .starts_with("MATCH (a:D {k: 1}) MERGE (a)-[r:T]->(a) ON CREATE SET r.y = 1 RETURN")
        );
        assert_eq!(plan.required.as_deref(), Some("r"), "ON MATCH SET names it");
        assert!(planned("MATCH (a:D {k: 1}) MERGE (a)-[:T]->(a) ON CREATE SET a.x = 1").idle);
    }

    #[test]
    fn pattern_properties_of_a_relationship_are_only_set_on_create() {
        let plan =
            planned("MATCH (a) MERGE (a)-[r:T {x: row.x}]->(a) ON CREATE SET r.y = 2 ON MATCH SET r.y = 3");
        assert!(
            plan.row
                .contains("MERGE (a)-[r:T]->(a) ON CREATE SET r.x = row.x, r.y = 2 ON MATCH SET r.y = 3"),
            "{}",
            plan.row
        );
        let plan = planned("MATCH (a) MERGE (a)-[r:T {x: row.x}]->(a)");
        assert!(
            plan.row.contains("->(a) ON CREATE SET r.x = row.x RETURN"),
            "{}",
            plan.row
        );
    }

    #[test]
    fn merging_by_a_lost_label_creates() {
        let mut catalog = Catalog::default();
        for n in 0..64 {
            catalog.use_label(&format!("L{n}"));
        }
        let source = "UNWIND $rows AS row MERGE (d:Late {k: row.k}) SET d += row.p SET d:L1:Later";
        let plan = plan(&Statement::parse(source).unwrap(), &mut catalog).unwrap();
        assert_eq!(
            plan.row,
            "UNWIND $rows AS row CREATE (d {k: row.k}) SET d += row.p RETURN id(d) AS quirk_0"
        );
        let kept = Labels::Names(vec!["L1".to_string()]);
        assert_eq!(plan.labels, [("d".to_string(), kept)]);
    }

    #[test]
    fn statements_that_cannot_be_followed_have_no_plan() {
        for source in [
            "CREATE (:D)-[:T]->(:D)",
            "MATCH (d) FOREACH (x IN d | SET x.a = 1)",
        ] {
            assert!(
                plan(&Statement::parse(source).unwrap(), &mut Catalog::default()).is_none(),
                "{source}"
            );
        }
    }
}
