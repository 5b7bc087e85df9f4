//! The wrong answers of Nexus 2.5.0, on demand.
//!
//! A client that is safe on Nexus 2.5 avoids every form that is answered wrongly there. A stand-in that answers rightly
//! cannot show that it does. With [`Quirks::V2_5`] a server answers the dangerous forms as Nexus 2.5.0 does; the
//! section numbers below are those of the dialect page, which says what was observed on the real server.
//!
//! | Part | Quirk | Section |
//! |---|---|---|
//! | `records`, `medium`, `state`, `stale` | a record that gets shorter breaks the property file at the next start | 2 |
//! | `rows`, `plan`, `merges` | not atomic; settings of relationships take the last row's values; forms that write nothing | 3, 4 |
//! | `deletes` | `DELETE r` deletes nothing or nodes; dangling relationships; only the first row | 5, 6 |
//! | `reads`, `seeks` | a literal seek drops other predicates; ends of hops match anything; `SKIP` is ignored | 6 to 9 |
//! | `literals` | literals are printed without escaping and parsed again | 7 |
//! | `hops` | incoming and undirected hops are incomplete; plain hops behind a seek lead nowhere | 8 |
//! | `catalog` | 64 labels; counters never fall | 3, 9 |
//! | `refusals` | forms that are errors | 3, 5, 6 |
//! | this file | a long UNION ends the process | 7 |
//!
//! `pattern` and `draft` read and rewrite statements for the others.
//!
//! Invariants:
//! * a rule is about a statement's shape, never about a certain text;
//! * forms that Nexus answers rightly pass through unchanged;
//! * writes run one at a time.
//!
//! # Approximations
//!
//! * A label past the limit is lost even with an index on it; Nexus finds its nodes by that index.
//! * A node that was deleted while relationships hold on to it is still counted by a pattern without a label.
//! * Of several indexed literals in one pattern Nexus takes any as the seek, differently from time to time; here it is
//!   the one that finds most.
//! * `*1..2` and longer ranges are followed as the engine does.
//! * `keys(r)` does not show explicit nulls; `r` as a whole does.
//! * `CREATE .. SET` on relationships, `CREATE` without RETURN, `RETURN` of computed `row` values behind a write,
//!   transactions, constraints, `GET /data/nodes` and GraphQL are as without quirks.

mod catalog;
mod deletes;
mod draft;
mod hops;
mod literals;
mod medium;
mod merges;
mod pattern;
mod plan;
mod reads;
mod records;
mod refusals;
mod rows;
mod seeks;
mod stale;
mod state;

use std::path::Path;
use std::str::FromStr;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use crate::answer::Answer;
use crate::error::NexusDevError;
use crate::graph::elements::Element;
use crate::graph::{Graph, GraphCounts};
use crate::pipeline::carry_out;
use crate::statement::error::CypherError;
use crate::statement::lexer::{TokenKind, tokenize};
use crate::statement::{JsonParams, Statement, foreach, index_ddl};
use state::{State, unkept};

/// More branches than this overflow the stack of the real server. The number depends on how it was built: one build
/// answered 641 and ended with 648, another still answered 800 and ended with 1000.
const MOST_BRANCHES: usize = 641;

/// Whose wrong answers a server gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirks {
    /// Those of Nexus 2.5.0.
    V2_5,
}

impl FromStr for Quirks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "2.5" | "2.5.0" => Ok(Self::V2_5),
            _ => Err(format!(
                "no quirks of version {text:?} are known, only those of 2.5"
            )),
        }
    }
}

/// What comes of a statement.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer, or a failure that is one.
    Answered(Result<Answer, CypherError>),
    /// The process would be gone.
    Died,
}

/// Answers statements the way Nexus 2.5.0 does.
#[derive(Debug)]
pub(crate) struct Nexus25 {
    state: Mutex<State>,
}

impl Nexus25 {
    /// What `/health` reports.
    pub(crate) const VERSION: &str = "2.5.0";

    /// Starts on a graph and on what is kept beside it. This is where records are lost.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the files beside the graph cannot be used.
    pub(crate) fn open(folder: Option<&Path>, graph: &Graph) -> Result<Self, NexusDevError> {
        let mut state = State::open(folder, graph)?;
        state.catalog.keep()?;
        Ok(Self {
            state: Mutex::new(state),
        })
    }

    /// The counters of `/stats`.
    pub(crate) fn counts(&self) -> GraphCounts {
        self.state.lock().catalog.counts()
    }

    /// The labels that were ever used, in the order of their numbers.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.state.lock().catalog.labels().to_vec()
    }

    /// Carries out one statement.
    pub(crate) fn run(&self, graph: &Graph, query: &str, params: &JsonParams) -> Outcome {
        let statement = match Statement::parse(first_statement(query)) {
            Ok(statement) => statement,
            Err(error) => return Outcome::Answered(Err(error)),
        };
        let unions = statement
            .clauses()
            .iter()
            .filter(|clause| clause.keyword == "UNION")
            .count();
        if unions >= MOST_BRANCHES {
            return Outcome::Died;
        }
        Outcome::Answered(self.answer(graph, &statement, params))
    }

    fn answer(
        &self,
        graph: &Graph,
        statement: &Statement<'_>,
        params: &JsonParams,
    ) -> Result<Answer, CypherError> {
        refusals::check(statement)?;
        if let Some(index) = index_ddl::parse(statement)? {
            let mut state = self.state.lock();
            state.catalog.use_label(&index.label);
            state.catalog.keep().map_err(unkept)?;
            return crate::pipeline::declare(graph, index);
        }
        let notifications = self.unindexed(graph, statement);
        let mut answer = match reads_only(statement)? {
            true => self.read(graph, statement, params)?,
            false => {
                let mut state = self.state.lock();
                let answer = write(graph, &mut state, statement, params);
                state.catalog.keep().map_err(unkept)?;
                answer?
            }
        };
        answer.notifications = notifications;
        Ok(answer)
    }

    fn read(
        &self,
        graph: &Graph,
        statement: &Statement<'_>,
        params: &JsonParams,
    ) -> Result<Answer, CypherError> {
        crate::statement::guard::check(statement, params)?;
        {
            let mut state = self.state.lock();
            for path in matched(statement) {
                for at in path.nodes.iter().flat_map(|node| &node.labels) {
                    state.catalog.use_label(statement.text(&statement.tokens()[*at]));
                }
                for at in path.hops.iter().flat_map(|hop| &hop.types) {
                    state.catalog.use_type(statement.text(&statement.tokens()[*at]));
                }
            }
            state.catalog.keep().map_err(unkept)?;
        }
        let text = match statement.is_plain_read() {
            true => reads::rewrite(graph, &self.state.lock().stale, statement, params)?,
            // A loop over nothing takes the way of writes, where a seek by parameter is right.
            false => draft::Draft::new(statement).into_text(),
        };
        let result = carry_out(graph, &Statement::parse(&text)?, params)?;
        let mut answer = Answer::shaped(statement.answer_shape(), &result);
        let state = self.state.lock();
        answer.rows.iter_mut().for_each(|row| show_nulls(&state, row));
        Ok(answer)
    }

    /// Notes about properties that a statement looks up without an index.
    fn unindexed(&self, graph: &Graph, statement: &Statement<'_>) -> Vec<Json> {
        let word = |at: usize| statement.text(&statement.tokens()[at]);
        let deletes = statement
            .clauses()
            .iter()
            .any(|clause| clause.keyword == "DELETE");
        let mut notes = Vec::new();
        for node in matched(statement)
            .iter()
            .flat_map(|path| &path.nodes)
            .filter(|_| !deletes)
        {
            let Some(label) = node.labels.first().map(|at| word(*at)) else {
                continue;
            };
            for property in node.entries.iter().map(|entry| word(entry.name)) {
                if !graph.has_index(label, property) {
                    notes.push(json!({
                        "code": "Nexus.Performance.UnindexedPropertyAccess",
                        "title": format!("Unindexed property access on :{label}({property})"),
                        "description": format!("No property index covers :{label}({property}); every node of the label is read."),
                        "severity": "INFORMATION",
                        "category": "PERFORMANCE",
                    }));
                }
            }
        }
        notes
    }
}

/// What stands in front of the first semicolon; the rest is dropped without a word.
fn first_statement(query: &str) -> &str {
    let tokens = tokenize(query).unwrap_or_default();
    let end = tokens.iter().find(|token| token.kind == TokenKind::Symbol(';'));
    end.map_or(query, |end| &query[..end.start])
}

/// The paths of all MATCH and MERGE clauses.
fn matched(statement: &Statement<'_>) -> Vec<pattern::Path> {
    let clauses = statement.clauses();
    let clauses = clauses
        .iter()
        .filter(|clause| matches!(clause.keyword, "MATCH" | "MERGE"));
    clauses
        .filter_map(|clause| pattern::paths(statement, &clause.body))
        .flatten()
        .collect()
}

/// Whether a statement changes nothing, idle loops aside.
fn reads_only(statement: &Statement<'_>) -> Result<bool, CypherError> {
    if statement.is_plain_read() {
        return Ok(true);
    }
    let mut draft = draft::Draft::new(statement);
    for idle in foreach::idle_clauses(statement)? {
        draft.drop(idle);
    }
    Ok(Statement::parse(&draft.into_text())?.is_plain_read())
}

fn write(
    graph: &Graph,
    state: &mut State,
    statement: &Statement<'_>,
    params: &JsonParams,
) -> Result<Answer, CypherError> {
    if let Some(deletion) = deletes::Deletion::read(statement) {
        return deletion.carry_out(graph, state, params);
    }
    if let Some(plan) = plan::plan(statement, &mut state.catalog) {
        return rows::carry_out_rows(graph, state, statement, &plan, params);
    }
    let answer =
        carry_out(graph, statement, params).map(|result| Answer::shaped(statement.answer_shape(), &result));
    state.follow_graph(graph)?;
    answer
}

/// Adds the explicit nulls of relationships, which the engine does not keep.
fn show_nulls(state: &State, value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| show_nulls(state, item)),
        Json::Object(map) => {
            let id = map.get("_nexus_id").and_then(Json::as_u64);
            if let Some(id) = id.filter(|_| map.contains_key("type")) {
                let stored = state.records.read(Element::Relationship(id)).unwrap_or_default();
                for (name, _) in stored.into_iter().filter(|(_, value)| value.is_null()) {
                    map.entry(name).or_insert(Json::Null);
                }
            }
        }
        _ => {}
    }
}
