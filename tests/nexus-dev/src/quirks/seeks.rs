//! Seeks: a node sought by a literal on an indexed property, and what comes of the pattern behind it (sections 1, 6
//! and 8 of the dialect page).
//!
//! Only the literal counts: further entries, further labels and the WHERE go. Plain hops behind a seek lead nowhere,
//! `*1..1` hops lead to any node.

use serde_json::Value as Json;

use super::draft::Draft;
use super::hops::{self, NOWHERE};
use super::pattern::{Entry, NodePattern, Path};
use super::reads::Branch;
use crate::statement::error::CypherError;
use crate::statement::lexer::TokenKind;

impl Branch<'_, '_> {
    /// Whether the value of a map entry is a literal.
    fn is_literal(&self, entry: &Entry) -> bool {
        let token = &self.statement.tokens()[entry.value.start];
        let constant = ["true", "false"]
            .iter()
            .any(|word| self.statement.is_word(entry.value.start, word));
        entry.value.len() == 1 && (matches!(token.kind, TokenKind::Text(_) | TokenKind::Number) || constant)
    }

    /// The literals of a node on properties that are indexed for its first label.
    fn indexed<'n>(&self, node: &'n NodePattern) -> Vec<&'n Entry> {
        let Some(label) = node.labels.first().map(|at| self.word(*at)) else {
            return Vec::new();
        };
        let entries = node.entries.iter();
        entries
            .filter(|entry| self.is_literal(entry) && self.graph.has_index(label, self.word(entry.name)))
            .collect()
    }

    /// The literal that a node is sought by. Of several Nexus takes any, differently from time to time; here it is the
    /// one that finds most.
    pub(super) fn seek(&self, node: &NodePattern) -> Result<Option<Entry>, CypherError> {
        let candidates = self.indexed(node);
        if candidates.len() < 2 {
            return Ok(candidates.first().map(|entry| (*entry).clone()));
        }
        let mut best = None;
        for entry in candidates {
            let probe = format!(
                "MATCH {} RETURN count(n) AS found",
                self.seek_node("n", node, entry)
            );
            let found = hops::id_rows(self.graph, &probe, self.params)?
                .concat()
                .first()
                .copied();
            if best.as_ref().is_none_or(|(most, _)| found > *most) {
                best = Some((found, entry.clone()));
            }
        }
        Ok(best.map(|(_, entry)| entry))
    }

    fn seek_node(&self, variable: &str, node: &NodePattern, entry: &Entry) -> String {
        let label = node.labels.first().map(|at| self.word(*at)).unwrap_or_default();
        format!(
            "({variable}:{label} {{{}: {}}})",
            self.word(entry.name),
            self.word(entry.value.start)
        )
    }

    /// A path that begins with a seek. Returns the variable of what is sought.
    pub(super) fn seek_path(
        &mut self,
        clause: usize,
        path: &Path,
        entry: &Entry,
    ) -> Result<String, CypherError> {
        let node = &path.nodes[0];
        let start = node
            .variable
            .map_or("quirk_start", |at| self.word(at))
            .to_string();
        let sought = self.seek_node(&start, node, entry);
        self.draft.replace(node.span.clone(), sought.clone());
        if path.hops.is_empty() {
            self.find_stale(clause, node, &start, entry);
            return Ok(start);
        }
        if path.hops.iter().all(|hop| hop.range.is_none()) {
            self.draft
                .insert_behind(node.span.end - 1, &format!(" OPTIONAL MATCH ({start})"));
            self.lead_nowhere(path);
            return Ok(start);
        }
        let names = self.names(path, &start);
        self.bare_ends(path, &names);
        self.single_hops(clause, path, &names, sought)?;
        Ok(start)
    }

    /// Lets a seek find nodes by what they have lost.
    fn find_stale(&mut self, clause: usize, node: &NodePattern, name: &str, entry: &Entry) {
        let property = self.word(entry.name);
        let token = &self.statement.tokens()[entry.value.start];
        let literal = match &token.kind {
            TokenKind::Text(text) => Some(Json::String(text.clone())),
            _ => serde_json::from_str(&self.word(entry.value.start).to_ascii_lowercase()).ok(),
        };
        let found = literal
            .map(|literal| self.stale.found(property, &literal))
            .unwrap_or_default();
        if found.is_empty() {
            return;
        }
        let found: Vec<String> = found.iter().map(u64::to_string).collect();
        let label = node.labels.first().map(|at| self.word(*at)).unwrap_or_default();
        self.draft.replace(node.span.clone(), format!("({name}:{label})"));
        let literal = Draft::new(self.statement).text(entry.value.clone());
        self.conditions.push((
            clause,
            format!(
                "({name}.{property} = {literal} OR id({name}) IN [{}])",
                found.join(", ")
            ),
        ));
    }

    /// Makes the hops of a path find nothing.
    pub(super) fn lead_nowhere(&mut self, path: &Path) {
        for hop in &path.hops {
            let variable = hop.variable.map(|at| self.word(at)).unwrap_or_default();
            let text = hops::arrow(hop.direction, &format!("{variable}:{NOWHERE}"));
            self.draft.replace(hop.span.clone(), text);
        }
        let names: Vec<String> = path
            .nodes
            .iter()
            .map(|node| {
                node.variable
                    .map(|at| self.word(at))
                    .unwrap_or_default()
                    .to_string()
            })
            .collect();
        self.bare_ends(path, &names);
    }

    /// Takes labels and properties from all nodes but the first.
    pub(super) fn bare_ends(&mut self, path: &Path, names: &[String]) {
        for (node, name) in path.nodes.iter().zip(names).skip(1) {
            self.draft.replace(node.span.clone(), format!("({name})"));
        }
    }
}
