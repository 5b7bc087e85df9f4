//! Reads as Nexus 2.5 answers them: which parts of a statement it drops, and what it follows.
//!
//! A MATCH outside of a UNION that begins with a literal on an indexed property is a *seek*: every other predicate of
//! that MATCH is dropped. Inside a UNION there is no seek: predicates hold, but literals are printed without escaping
//! (`literals`). Labels and properties of a node behind a hop are ignored everywhere.
//!
//! Invariant: the text that comes out says, rightly answered, what Nexus answers wrongly.

use super::draft::Draft;
use super::hops::{self, SingleHop};
use super::literals;
use super::pattern::{self, Direction, Hop, NodePattern, Path};
use super::stale::StaleEntries;
use crate::graph::Graph;
use crate::statement::error::CypherError;
use crate::statement::lexer::TokenKind;
use crate::statement::shape::Clause;
use crate::statement::{JsonParams, Statement};

/// Rewrites a read.
///
/// # Errors
/// Whatever the engine refuses on the way, and literals that do not survive being printed.
pub(crate) fn rewrite(
    graph: &Graph,
    stale: &StaleEntries,
    statement: &Statement<'_>,
    params: &JsonParams,
) -> Result<String, CypherError> {
    let draft = Draft::new(statement);
    let mut branches = Vec::new();
    let mut start = 0;
    for clause in statement
        .clauses()
        .iter()
        .filter(|clause| clause.keyword == "UNION")
    {
        branches.push((start..clause.body.start - 1, clause.body.clone()));
        start = clause.body.end;
    }
    let end = statement.tokens().len();
    let in_union = !branches.is_empty();
    branches.push((start..end, end..end));
    let mut text = String::new();
    for (body, all) in branches {
        text.push_str(&branch(graph, stale, draft.text(body), params, in_union)?);
        match all.len() {
            0 if all.start == end => {}
            0 => text.push_str(" UNION "),
            _ => text.push_str(" UNION ALL "),
        }
    }
    Ok(text)
}

fn branch(
    graph: &Graph,
    stale: &StaleEntries,
    mut source: String,
    params: &JsonParams,
    in_union: bool,
) -> Result<String, CypherError> {
    while let Some(simpler) = hops::without_quantifiers(&source)? {
        source = simpler;
    }
    let statement = Statement::parse(&source)?;
    let branch = Branch {
        graph,
        stale,
        params,
        statement: &statement,
        clauses: statement.clauses(),
        draft: Draft::new(&statement),
        conditions: Vec::new(),
        dropped: Vec::new(),
        in_union,
    };
    branch.rewrite()
}

/// One branch of a UNION, or a whole statement without one, being rewritten.
pub(super) struct Branch<'s, 'a> {
    pub(super) graph: &'s Graph,
    pub(super) stale: &'s StaleEntries,
    pub(super) params: &'s JsonParams,
    pub(super) statement: &'s Statement<'a>,
    pub(super) clauses: Vec<Clause>,
    pub(super) draft: Draft<'s, 'a>,
    /// Conditions to add to a MATCH, by the number of its clause.
    pub(super) conditions: Vec<(usize, String)>,
    /// Clauses that go.
    dropped: Vec<usize>,
    in_union: bool,
}

impl<'a> Branch<'_, 'a> {
    fn rewrite(mut self) -> Result<String, CypherError> {
        for number in 0..self.clauses.len() {
            if self.clauses[number].keyword == "SKIP" {
                self.drop_clause(number);
            }
        }
        let mut sought = Vec::new();
        let mut projected = false;
        for number in 0..self.clauses.len() {
            projected |= self.clauses[number].keyword == "WITH";
            if self.clauses[number].keyword == "MATCH" {
                self.match_clause(number, projected, &mut sought)?;
            }
        }
        self.reprint_conditions()?;
        self.apply_conditions();
        Ok(self.draft.into_text())
    }

    /// One MATCH; `projected` when a WITH stands in front of it.
    fn match_clause(
        &mut self,
        number: usize,
        projected: bool,
        sought: &mut Vec<String>,
    ) -> Result<(), CypherError> {
        let body = self.clauses[number].body.clone();
        let Some(paths) = pattern::paths(self.statement, &body) else {
            return Ok(());
        };
        let optional = number > 0 && self.clauses[number - 1].keyword == "OPTIONAL";
        for path in &paths {
            let hops = !path.hops.is_empty();
            let seek = match self.in_union || optional || (hops && paths.len() > 1) {
                true => None,
                false => self.seek(&path.nodes[0])?,
            };
            let start = path.nodes[0].variable.map(|at| self.word(at));
            let goes_on = hops && start.is_some_and(|start| sought.iter().any(|known| known == start));
            let plain = path.hops.iter().all(|hop| hop.range.is_none());
            if let Some(entry) = seek {
                sought.push(self.seek_path(number, path, &entry)?);
                if number == 0 && self.clauses.get(1).is_some_and(|next| next.keyword == "WHERE") {
                    self.drop_clause(1);
                }
            } else if goes_on && (plain || projected) {
                if !optional {
                    self.draft.replace(body.start - 1..body.start, "OPTIONAL MATCH");
                }
                self.lead_nowhere(path);
            } else if !optional {
                self.scan_path(number, path)?;
            }
        }
        Ok(())
    }

    pub(super) fn word(&self, at: usize) -> &'a str {
        self.statement.text(&self.statement.tokens()[at])
    }

    pub(super) fn drop_clause(&mut self, number: usize) {
        let body = self.clauses[number].body.clone();
        self.draft.drop(body.start - 1..body.end);
        self.dropped.push(number);
    }

    /// A name for each node of a path.
    pub(super) fn names(&self, path: &Path, start: &str) -> Vec<String> {
        let name = |(at, node): (usize, &NodePattern)| match node.variable {
            _ if at == 0 => start.to_string(),
            Some(variable) => self.word(variable).to_string(),
            None => format!("quirk_n{}", node.span.start),
        };
        path.nodes.iter().enumerate().map(name).collect()
    }

    fn relationship_name(&self, hop: &Hop) -> String {
        hop.variable.map_or_else(
            || format!("quirk_r{}", hop.span.start),
            |at| self.word(at).to_string(),
        )
    }

    /// Replaces `*1..1` hops and adds their conditions.
    pub(super) fn single_hops(
        &mut self,
        clause: usize,
        path: &Path,
        names: &[String],
        start_pattern: String,
    ) -> Result<(), CypherError> {
        for (at, hop) in path.hops.iter().enumerate() {
            if !hop.is_single_range(self.statement) {
                continue;
            }
            let relationship = self.relationship_name(hop);
            let single = SingleHop {
                start_pattern: match at {
                    0 => start_pattern.clone(),
                    _ => format!("({})", names[at]),
                },
                start: &names[at],
                relationship: &relationship,
                end: &names[at + 1],
                type_name: hops::first_type(self.statement, hop),
                direction: hop.direction,
            };
            let condition = single.condition(self.graph, self.params)?;
            self.draft.replace(hop.span.clone(), single.text());
            self.conditions.push((clause, condition));
        }
        Ok(())
    }

    /// A path without a seek: predicates hold, hops have their limits.
    fn scan_path(&mut self, clause: usize, path: &Path) -> Result<(), CypherError> {
        let start = path.nodes[0].variable.map_or_else(
            || format!("quirk_n{}", path.nodes[0].span.start),
            |at| self.word(at).to_string(),
        );
        let names = self.names(path, &start);
        self.bare_ends(path, &names);
        self.reprint_node(clause, &path.nodes[0], &start)?;
        if !self.in_union {
            self.blind_condition(clause, path, &names);
        }
        let original = Draft::new(self.statement).text(path.nodes[0].span.clone());
        let start_pattern = match path.nodes[0].variable {
            Some(_) => original,
            None => original.replacen('(', &format!("({start}"), 1),
        };
        self.single_hops(clause, path, &names, start_pattern)?;
        for (hop, ends) in path.hops.iter().zip(names.windows(2)) {
            if hop.range.is_none() && hop.direction == Direction::Incoming && hop.entries.is_empty() {
                let relationship = self.relationship_name(hop);
                let types: Vec<&str> = hop.types.iter().map(|at| self.word(*at)).collect();
                let types = match types.is_empty() {
                    true => String::new(),
                    false => format!(":{}", types.join("|")),
                };
                let text = hops::arrow(hop.direction, &format!("{relationship}{types}"));
                self.draft.replace(hop.span.clone(), text);
                let found = hops::among_the_first(&relationship);
                self.conditions
                    .push((clause, format!("id({}) <> id({}) AND {found}", ends[0], ends[1])));
            }
        }
        Ok(())
    }

    /// A condition on what a `*1..1` hop leads to is checked before the hop is made: against nulls.
    fn blind_condition(&mut self, clause: usize, path: &Path, names: &[String]) {
        let Some(condition) = self
            .clauses
            .get(clause + 1)
            .filter(|next| next.keyword == "WHERE")
        else {
            return;
        };
        let mut unknown = Vec::new();
        for (at, hop) in path.hops.iter().enumerate() {
            if hop.is_single_range(self.statement) {
                unknown.push(names[at + 1].clone());
                unknown.push(self.relationship_name(hop));
            }
        }
        for at in condition.body.clone() {
            let property = self.statement.is_symbol(at + 1, '.') && at + 2 < condition.body.end;
            if property && unknown.iter().any(|name| name == self.word(at)) {
                self.draft.replace(at..at + 3, "null");
            }
        }
    }

    /// Writes a node anew when it has to be named or holds unsafe literals.
    fn reprint_node(&mut self, clause: usize, node: &NodePattern, name: &str) -> Result<(), CypherError> {
        let mut kept = Vec::new();
        for entry in &node.entries {
            let property = self.word(entry.name);
            match &self.statement.tokens()[entry.value.start].kind {
                TokenKind::Text(text) if entry.value.len() == 1 && literals::is_unsafe(text) => {
                    let condition = format!("({name}.{property} = {})", literals::reprinted(text, false)?);
                    self.conditions.push((clause, condition));
                }
                _ => kept.push(format!(
                    "{property}: {}",
                    Draft::new(self.statement).text(entry.value.clone())
                )),
            }
        }
        let changed = kept.len() < node.entries.len();
        if node.variable.is_some() && !changed {
            return Ok(());
        }
        let labels: String = node
            .labels
            .iter()
            .map(|at| format!(":{}", self.word(*at)))
            .collect();
        let map = match kept.is_empty() {
            true => String::new(),
            false => format!(" {{{}}}", kept.join(", ")),
        };
        self.draft
            .replace(node.span.clone(), format!("({name}{labels}{map})"));
        Ok(())
    }

    /// Literals in WHERE are printed without escaping.
    fn reprint_conditions(&mut self) -> Result<(), CypherError> {
        for number in 0..self.clauses.len() {
            let clause = &self.clauses[number];
            if clause.keyword != "WHERE" || self.dropped.contains(&number) {
                continue;
            }
            for at in clause.body.clone() {
                if let TokenKind::Text(text) = &self.statement.tokens()[at].kind
                    && literals::is_unsafe(text)
                {
                    let nested = self.statement.depth_within(&clause.body, at) > 0;
                    self.draft.replace(at..at + 1, literals::reprinted(text, nested)?);
                }
            }
        }
        Ok(())
    }

    fn apply_conditions(&mut self) {
        for number in 0..self.clauses.len() {
            let added: Vec<&str> = self
                .conditions
                .iter()
                .filter(|(clause, _)| *clause == number)
                .map(|(_, condition)| condition.as_str())
                .collect();
            if added.is_empty() {
                continue;
            }
            let added = added.join(" AND ");
            let last = self.clauses[number].body.end - 1;
            let next = number + 1;
            let has_where = self
                .clauses
                .get(next)
                .is_some_and(|clause| clause.keyword == "WHERE")
                && !self.dropped.contains(&next);
            if has_where {
                let body = self.clauses[next].body.clone();
                self.draft.insert_behind(body.start - 1, " (");
                self.draft.insert_behind(body.end - 1, &format!(") AND {added}"));
            } else {
                self.draft.insert_behind(last, &format!(" WHERE {added}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Durability;
    use crate::statement::index_ddl;
    use serde_json::json;

    fn graph() -> Graph {
        let graph = Graph::open(None, Durability::default()).unwrap();
        for property in ["key", "tag"] {
            let source = format!("CREATE INDEX FOR (n:D) ON (n.{property})");
            let index = index_ddl::parse(&Statement::parse(&source).unwrap())
                .unwrap()
                .unwrap();
            graph.declare(index).unwrap();
        }
        graph
    }

    fn text(source: &str) -> String {
        let params = json!({"k": "x"}).as_object().unwrap().clone();
        rewrite(
            &graph(),
            &StaleEntries::default(),
            &Statement::parse(source).unwrap(),
            &params,
        )
        .unwrap()
    }

    #[test]
    fn a_seek_drops_every_other_predicate_and_skip_goes_everywhere() {
        assert_eq!(
            text("MATCH (d:D:E {n: 1, key:'a'}) WHERE d.x = $k RETURN d ORDER BY d.x SKIP 1 LIMIT 2"),
            "MATCH (d:D {key: 'a'}) RETURN d ORDER BY d.x LIMIT 2"
        );
        assert_eq!(
            text("MATCH (d:E {key:'a'}) WHERE d.x = 1 RETURN d SKIP 3"),
            "MATCH (d:E {key:'a'}) WHERE d.x = 1 RETURN d"
        );
        let parametrised = "MATCH (d:D {key:$k}) WHERE d.x = 1 RETURN d";
        assert_eq!(text(parametrised), parametrised);
    }

    #[test]
    fn inside_a_union_predicates_hold_and_literals_are_printed_raw() {
        assert_eq!(
            text(
                "MATCH (d:D {key:'a', n: 1}) RETURN d.n AS n UNION ALL MATCH (e:D {key:'q\\'x'}) RETURN e.n AS n"
            ),
            "MATCH (d:D {key:'a', n: 1}) RETURN d.n AS n \
             UNION ALL MATCH (e:D) WHERE (e.key = 'q') RETURN e.n AS n"
        );
    }

    #[test]
    fn a_plain_hop_behind_a_seek_leads_nowhere() {
        assert_eq!(
            text("MATCH (a:D {key:'a'})-[r:T]->(b:D {key:'b'}) WHERE r.x = 1 RETURN b.key"),
            "MATCH (a:D {key: 'a'}) OPTIONAL MATCH (a)-[r:QuirkNowhere]->(b) RETURN b.key"
        );
        assert_eq!(
            text("MATCH (a:D {key:'a'}) WITH a MATCH (a)-[r:T]->(b:D) RETURN b.key"),
            "MATCH (a:D {key: 'a'}) WITH a OPTIONAL MATCH (a)-[r:QuirkNowhere]->(b) RETURN b.key"
        );
    }

    #[test]
    fn a_condition_on_the_far_end_of_a_single_hop_never_holds() {
        assert_eq!(
            text("MATCH (a:D {key:$k})-[r:T*1..1]->(b:D {n: 1}) WHERE a.x = 1 AND b.n > r.y RETURN b"),
            "MATCH (a:D {key:$k})-[r:T]->(b) WHERE (a.x = 1 AND null > null) AND id(a) <> id(b) RETURN b"
        );
    }

    #[test]
    fn a_single_hop_behind_a_seek_takes_the_first_type_and_any_end() {
        assert_eq!(
            text("MATCH (a:D {key:'a'})-[r:T|U*1..1]->(b:D {key:'b'}) WHERE r.x = 1 RETURN b.key"),
            "MATCH (a:D {key: 'a'})-[r:T]->(b) WHERE id(a) <> id(b) RETURN b.key"
        );
        assert_eq!(
            text("MATCH (a:D {key:$k})<-[:T]-(b:D) WHERE b.x = 1 RETURN b.key"),
            "MATCH (a:D {key:$k})<-[quirk_r11:T]-(b) WHERE (b.x = 1) AND id(a) <> id(b) AND id(quirk_r11) <= 500 RETURN b.key"
        );
    }
}
