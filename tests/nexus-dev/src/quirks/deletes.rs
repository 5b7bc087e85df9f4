//! Deleting as Nexus 2.5 does it (sections 5 and 6 of the dialect page).
//!
//! * `DELETE r` deletes nothing; with both ends anonymous it deletes the *nodes* whose ids equal the relationships' ids;
//! * a WHERE behind a seek is dropped here too, so the whole bucket goes;
//! * `UNWIND .. {key: row.key} .. DETACH DELETE` deletes for the first row only;
//! * `FOREACH (x IN d | DELETE x)` does not see incoming relationships: they dangle.
//!
//! A relationship whose end is gone is kept at a node without labels and properties, which reads as the null end it is
//! on Nexus.

use serde_json::{Value as Json, json};

use super::draft::Draft;
use super::hops;
use super::pattern;
use super::reads;
use super::state::State;
use crate::answer::Answer;
use crate::graph::Graph;
use crate::graph::elements::Element;
use crate::statement::error::CypherError;
use crate::statement::lexer::TokenKind;
use crate::statement::{JsonParams, Statement, guard, shape::Clause};

/// A statement that ends with a deletion.
pub(crate) struct Deletion<'s, 'a> {
    statement: &'s Statement<'a>,
    clauses: Vec<Clause>,
    /// Where the deletion begins.
    start: usize,
    targets: Vec<&'a str>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Detach,
    Loop,
}

impl<'s, 'a> Deletion<'s, 'a> {
    /// Reads a statement; `None` when it is not a deletion or does more than that.
    pub(crate) fn read(statement: &'s Statement<'a>) -> Option<Self> {
        let clauses = statement.clauses();
        let (last, before) = clauses.split_last()?;
        let plain = |clause: &Clause| matches!(clause.keyword, "UNWIND" | "MATCH" | "WHERE" | "DETACH");
        if !before.iter().all(plain) {
            return None;
        }
        let word = |at: usize| statement.text(&statement.tokens()[at]);
        let (form, targets) = match last.keyword {
            "DELETE" => {
                let detach = before.last().is_some_and(|clause| clause.keyword == "DETACH");
                let items = statement.projection_items(last);
                let plain = items.iter().all(|item| item.len() == 1);
                let form = if detach { Form::Detach } else { Form::Plain };
                plain.then(|| (form, items.iter().map(|item| word(item.start)).collect()))?
            }
            "FOREACH" => {
                let body = last.body.clone();
                let texts: Vec<&str> = body.clone().map(word).collect();
                match texts[..] {
                    ["(", x, i, list, "|", delete, y, ")"]
                        if x == y
                            && i.eq_ignore_ascii_case("IN")
                            && delete.eq_ignore_ascii_case("DELETE")
                            && !list.eq_ignore_ascii_case("null") =>
                    {
                        (Form::Loop, vec![list])
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
        let keyword = last.body.start - 1;
        Some(Self {
            statement,
            start: if form == Form::Detach {
                keyword - 1
            } else {
                keyword
            },
            clauses,
            targets,
            form,
        })
    }

    /// Carries the deletion out.
    ///
    /// # Errors
    /// What Nexus or the engine refuses.
    pub(crate) fn carry_out(
        &self,
        graph: &Graph,
        state: &mut State,
        params: &JsonParams,
    ) -> Result<Answer, CypherError> {
        guard::check(self.statement, params)?;
        let count = |number: usize| Answer::single("count", json!(number));
        if let Some(anonymous) = self.relationship() {
            if !anonymous {
                return Ok(count(0));
            }
            let ids = self.ids(graph, state, params)?;
            for id in &ids {
                if state.exists(Element::Node(*id)) {
                    remove(graph, state, *id)?;
                }
            }
            state.forget_deleted(graph)?;
            return Ok(count(ids.len()));
        }
        let nodes = self.ids(graph, state, &self.effective(params))?;
        match self.form {
            Form::Detach => graph.detach_delete(&nodes)?,
            Form::Plain | Form::Loop => {
                for node in &nodes {
                    let (begins, ends) = graph.attached(*node);
                    if begins || (ends && self.form == Form::Plain) {
                        return Err(CypherError::Verbatim(
                            "Cypher execution error: Cannot DELETE node with existing relationships; use DETACH DELETE"
                                .to_string(),
                        ));
                    }
                    remove(graph, state, *node)?;
                }
            }
        }
        state.forget_deleted(graph)?;
        Ok(match self.form {
            Form::Loop => Answer::table(Vec::new(), Vec::new()),
            _ => count(nodes.len()),
        })
    }

    /// Whether the target is a relationship, and then whether both its ends are anonymous.
    fn relationship(&self) -> Option<bool> {
        let matches = self.clauses.iter().filter(|clause| clause.keyword == "MATCH");
        for path in matches
            .filter_map(|clause| pattern::paths(self.statement, &clause.body))
            .flatten()
        {
            for (hop, ends) in path.hops.iter().zip(path.nodes.windows(2)) {
                let name = hop
                    .variable
                    .map(|at| self.statement.text(&self.statement.tokens()[at]));
                if name.is_some_and(|name| self.targets.contains(&name)) {
                    let anonymous = |end: &pattern::NodePattern| {
                        end.variable.is_none() && end.labels.is_empty() && end.entries.is_empty()
                    };
                    return Some(ends.iter().all(anonymous));
                }
            }
        }
        None
    }

    /// The ids of everything that is to go.
    fn ids(&self, graph: &Graph, state: &State, params: &JsonParams) -> Result<Vec<u64>, CypherError> {
        let returned: Vec<String> = self
            .targets
            .iter()
            .map(|target| format!("id({target})"))
            .collect();
        let found = format!(
            "{} RETURN {}",
            Draft::new(self.statement).text(0..self.start),
            returned.join(", ")
        );
        let text = reads::rewrite(graph, &state.stale, &Statement::parse(&found)?, params)?;
        let mut ids: Vec<u64> = hops::id_rows(graph, &text, params)?
            .into_iter()
            .flatten()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The parameters that count: of rows that are maps, only the first.
    fn effective(&self, params: &JsonParams) -> JsonParams {
        let mut params = params.clone();
        let Some(unwind) = self.clauses.first().filter(|clause| clause.keyword == "UNWIND") else {
            return params;
        };
        if self.form == Form::Detach
            && let TokenKind::Parameter(name) = &self.statement.tokens()[unwind.body.start].kind
            && let Some(Json::Array(rows)) = params.get_mut(name)
            && rows.iter().any(Json::is_object)
        {
            rows.truncate(1);
        }
        params
    }
}

/// Deletes a node, or hollows it out when relationships hold on to it.
fn remove(graph: &Graph, state: &mut State, node: u64) -> Result<(), CypherError> {
    match graph.attached(node) {
        (false, false) => graph.delete_node(node),
        _ => {
            graph.hollow_node(node)?;
            state.forget(Element::Node(node))
        }
    }
}
