//! Writes, carried out row by row (sections 3 and 4 of the dialect page).
//!
//! A statement that fails keeps the rows before the failing one; the failing row may leave its bare node. With each row
//! its settings of relationships are applied to every relationship of the statement so far, so the last row wins.
//!
//! Invariant: every element that a row touched is in the records before the next row begins.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::hops;
use super::plan::{Labels, Plan, Variable};
use super::state::State;
use crate::answer::{Answer, value};
use crate::graph::Graph;
use crate::graph::elements::Element;
use crate::pipeline::carry_out;
use crate::statement::error::CypherError;
use crate::statement::lexer::{TokenKind, tokenize};
use crate::statement::rewrite::label_list;
use crate::statement::{JsonParams, Statement, guard};

/// Carries out a planned statement.
///
/// # Errors
/// What Nexus refuses; the rows before it stay.
pub(crate) fn carry_out_rows(
    graph: &Graph,
    state: &mut State,
    statement: &Statement<'_>,
    plan: &Plan,
    params: &JsonParams,
) -> Result<Answer, CypherError> {
    let rows = rows(plan, params);
    let mut without_rows = params.clone();
    if let Some((parameter, _)) = plan
        .unwound
        .as_ref()
        .filter(|(parameter, _)| params.contains_key(parameter))
    {
        without_rows.insert(parameter.clone(), Json::Array(Vec::new()));
    }
    guard::check(statement, &without_rows)?;
    let mut run = Run {
        graph,
        state,
        plan,
        row: &Statement::parse(&plan.row)?,
        bound: Vec::new(),
    };
    if !plan.idle {
        for row in rows {
            let mut params = without_rows.clone();
            if let (Some((parameter, _)), Some(row)) = (&plan.unwound, row) {
                params.insert(parameter.clone(), Json::Array(vec![row]));
            }
            guard::check(statement, &params).or_else(|error| run.fail(&params, error))?;
            run.row(params)?;
        }
    }
    match &plan.answer {
        None => Ok(Answer::table(Vec::new(), Vec::new())),
        Some(returned) => run.answer(statement, returned, &without_rows),
    }
}

/// The values of the UNWIND, or one row without a value.
fn rows(plan: &Plan, params: &JsonParams) -> Vec<Option<Json>> {
    let Some((parameter, _)) = &plan.unwound else {
        return vec![None];
    };
    match params.get(parameter) {
        Some(Json::Array(rows)) => rows.iter().cloned().map(Some).collect(),
        None | Some(Json::Null) => Vec::new(),
        Some(single) => vec![Some(single.clone())],
    }
}

struct Run<'r> {
    graph: &'r Graph,
    state: &'r mut State,
    plan: &'r Plan,
    row: &'r Statement<'r>,
    /// The ids of all variables, for each result row so far.
    bound: Vec<Vec<u64>>,
}

impl Run<'_> {
    fn row(&mut self, params: JsonParams) -> Result<(), CypherError> {
        let found = ids(&carry_out(self.graph, self.row, &params)?);
        for ids in &found {
            self.settle(ids)?;
            self.add_labels(ids, &params)?;
        }
        if found.is_empty() {
            self.missing(&params)?;
        }
        self.bound.extend(found);
        if self.plan.deferred.is_empty() {
            return Ok(());
        }
        match self.bound.is_empty() {
            true => Err(self.unknown(&self.plan.deferred[0].variable)),
            false => self.apply_deferred(&params),
        }
    }

    fn settle(&mut self, ids: &[u64]) -> Result<(), CypherError> {
        for (variable, id) in self.plan.variables.iter().zip(ids) {
            self.state.settle(self.graph, element(variable, *id), variable)?;
        }
        Ok(())
    }

    fn add_labels(&mut self, ids: &[u64], params: &JsonParams) -> Result<(), CypherError> {
        for (name, labels) in &self.plan.labels {
            let mut places = self.plan.variables.iter().zip(ids);
            let Some((_, node)) = places.find(|(variable, _)| variable.name == *name) else {
                continue;
            };
            let labels: Vec<&str> = match labels {
                Labels::Names(names) => names.iter().map(String::as_str).collect(),
                Labels::Parameter(parameter) => {
                    let refused = || {
                        CypherError::Execution(format!(
                            "Parameter `${parameter}` must be a label or a list of labels"
                        ))
                    };
                    let value = params.get(parameter).and_then(label_list);
                    let mut labels = value.ok_or_else(refused)?;
                    labels.retain(|label| self.state.catalog.use_label(label));
                    labels
                }
            };
            for label in labels {
                self.graph.add_label(*node, label)?;
            }
        }
        Ok(())
    }

    /// A row that its guard refuses leaves what stands before its first SET.
    fn fail(&mut self, params: &JsonParams, error: CypherError) -> Result<(), CypherError> {
        let sets = error.to_string().contains("ERR_SET_NON_MAP");
        if sets
            && let Ok(bare) = Statement::parse(&self.plan.before_set)
            && let Ok(result) = carry_out(self.graph, &bare, params)
        {
            for ids in ids(&result) {
                self.settle(&ids)?;
            }
        }
        Err(error)
    }

    /// A row whose end nodes were not found.
    fn missing(&mut self, params: &JsonParams) -> Result<(), CypherError> {
        if let Some(relationship) = &self.plan.required {
            return Err(self.unknown(relationship));
        }
        if !self.plan.deferred.is_empty() {
            return Ok(());
        }
        // The settings of nodes are then carried out on every node of the database.
        for (name, setting) in &self.plan.stray {
            let unwind = self.plan.unwound.as_ref();
            let unwind = unwind.map(|(parameter, row)| format!("UNWIND ${parameter} AS {row} "));
            let text = format!(
                "{}MATCH ({name}) SET {setting} RETURN id({name}) AS quirk_0",
                unwind.unwrap_or_default()
            );
            let result = carry_out(self.graph, &Statement::parse(&text)?, params)?;
            let variable = self.plan.variables.iter().find(|known| known.name == *name);
            for (ids, variable) in ids(&result).iter().zip(std::iter::repeat(variable)) {
                if let (Some(id), Some(variable)) = (ids.first(), variable) {
                    self.state.settle(self.graph, Element::Node(*id), variable)?;
                }
            }
        }
        Ok(())
    }

    fn unknown(&self, variable: &str) -> CypherError {
        let text = format!("Unknown variable '{variable}' in SET clause");
        match self.plan.unwound {
            Some(_) => CypherError::Execution(text),
            None => CypherError::Verbatim(format!("Cypher execution error: {text}")),
        }
    }

    /// Applies the deferred settings of one row, one after the other, to every relationship bound so far.
    fn apply_deferred(&mut self, params: &JsonParams) -> Result<(), CypherError> {
        for (deferred, value) in self.plan.deferred.iter().zip(self.deferred_values(params)?) {
            let set: Vec<(String, Json)> = match (&deferred.property, value) {
                (Some(property), value) => vec![(property.clone(), value)],
                (None, Json::Object(map)) => map.into_iter().collect(),
                (None, _) => continue,
            };
            let names: Vec<String> = set.iter().map(|(name, _)| name.clone()).collect();
            for relationship in self.bound_elements(&deferred.variable) {
                for (name, value) in &set {
                    self.graph.set_property(relationship, name, value)?;
                }
                self.state.settle_deferred(self.graph, relationship, &names)?;
            }
        }
        Ok(())
    }

    fn deferred_values(&self, params: &JsonParams) -> Result<Vec<Json>, CypherError> {
        let expressions = self.plan.deferred.iter().enumerate();
        let expressions: Vec<String> = expressions
            .map(|(at, deferred)| format!("{} AS quirk_{at}", deferred.expression))
            .collect();
        let unwind = self.plan.unwound.as_ref();
        let unwind = unwind.map(|(parameter, row)| format!("UNWIND ${parameter} AS {row} "));
        let text = format!("{}RETURN {}", unwind.unwrap_or_default(), expressions.join(", "));
        let result = carry_out(self.graph, &Statement::parse(&text)?, params)?;
        let values = |row: &Vec<_>| row.iter().map(value::from_engine).collect();
        Ok(result.rows().first().map(values).unwrap_or_default())
    }

    /// What a variable was bound to so far, each element once, in order of appearance.
    fn bound_elements(&self, variable: &str) -> Vec<Element> {
        let variables = self.plan.variables.iter().enumerate();
        let mut seen = BTreeSet::new();
        let mut elements = Vec::new();
        for (place, variable) in variables.filter(|(_, known)| known.name == variable) {
            for id in self.bound.iter().filter_map(|ids| ids.get(place)) {
                if seen.insert(*id) {
                    elements.push(element(variable, *id));
                }
            }
        }
        elements
    }

    /// The RETURN of the statement: distinct elements in the order of their ids.
    fn answer(
        &self,
        statement: &Statement<'_>,
        returned: &str,
        params: &JsonParams,
    ) -> Result<Answer, CypherError> {
        let named: Vec<(usize, &Variable)> = self.returned(returned)?;
        let shape = statement.answer_shape();
        if let [(place, variable)] = named[..] {
            let ids: BTreeSet<u64> = self
                .bound
                .iter()
                .filter_map(|ids| ids.get(place).copied())
                .collect();
            let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
            let text = format!("{} IN [{}] {returned}", find(variable), ids.join(", "));
            let result = carry_out(self.graph, &Statement::parse(&text)?, params)?;
            return Ok(Answer::shaped(shape, &result));
        }
        let mut answer: Option<Answer> = None;
        for ids in &self.bound {
            let found: Vec<String> = named
                .iter()
                .filter_map(|(place, variable)| {
                    ids.get(*place).map(|id| format!("{} = {id}", find(variable)))
                })
                .collect();
            let text = format!("{} {returned}", found.join(" "));
            let result = carry_out(self.graph, &Statement::parse(&text)?, params)?;
            let next = Answer::shaped(shape.clone(), &result);
            match &mut answer {
                None => answer = Some(next),
                Some(answer) => answer.rows.extend(next.rows),
            }
        }
        Ok(answer.unwrap_or_else(|| Answer::table(Vec::new(), Vec::new())))
    }

    /// The variables that a RETURN names, with their places.
    fn returned(&self, text: &str) -> Result<Vec<(usize, &Variable)>, CypherError> {
        let words: Vec<String> = tokenize(text)?
            .iter()
            .filter(|token| token.kind == TokenKind::Word && !text[..token.start].ends_with('.'))
            .map(|token| text[token.start..token.end].to_string())
            .collect();
        let variables = self.plan.variables.iter().enumerate();
        Ok(variables
            .filter(|(_, variable)| words.contains(&variable.name))
            .collect())
    }
}

fn find(variable: &Variable) -> String {
    let name = &variable.name;
    match variable.is_relationship {
        true => format!("MATCH ()-[{name}]->() WHERE id({name})"),
        false => format!("MATCH ({name}) WHERE id({name})"),
    }
}

fn element(variable: &Variable, id: u64) -> Element {
    match variable.is_relationship {
        true => Element::Relationship(id),
        false => Element::Node(id),
    }
}

fn ids(result: &grafeo_engine::database::QueryResult) -> Vec<Vec<u64>> {
    result.rows().iter().map(|row| hops::row_ids(row)).collect()
}
