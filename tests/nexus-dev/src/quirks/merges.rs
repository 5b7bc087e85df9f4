//! The part of a plan that is about MERGE (sections 3, 4 and 12 of the dialect page).
//!
//! Invariant: what is left of a MERGE means the same to the engine as the whole means to Nexus.

use std::ops::Range;

use super::draft::Draft;
use super::pattern::{self, Hop, NodePattern};
use super::plan::Planner;
use crate::statement::shape::Clause;

impl Planner<'_, '_> {
    pub(super) fn merge(&mut self, clause: &Clause, branches: &[[Clause; 3]]) -> Option<()> {
        let paths = pattern::paths(self.statement, &clause.body)?;
        let [path] = &paths[..] else { return None };
        let whole = clause.body.start - 1..branches.last().map_or(clause.body.end, |last| last[2].body.end);
        if path.hops.iter().any(|hop| hop.variable.is_none()) {
            self.draft.drop(whole);
            return Some(());
        }
        self.writes += 1;
        self.bind(path, true)?;
        let lost = self.labels(path);
        for node in &path.nodes {
            self.merged_node(node);
        }
        let mut inline = Vec::new();
        for hop in &path.hops {
            self.merges_relationship = true;
            inline.extend(self.inline_properties(hop));
        }
        let single = path.hops.is_empty();
        if lost && single {
            self.draft
                .replace(clause.body.start - 1..clause.body.start, "CREATE");
        }
        for [on, event, set] in branches {
            let creates = event.keyword == "CREATE";
            let kept = self.branch(
                set,
                creates,
                if creates {
                    std::mem::take(&mut inline)
                } else {
                    Vec::new()
                },
            );
            let range = on.body.start - 1..set.body.end;
            match (kept.is_empty(), lost && single, creates) {
                (true, ..) | (_, true, false) => self.draft.drop(range),
                (_, true, true) => self.draft.replace(range, format!(" SET {kept}")),
                (_, false, _) => self.draft.replace(set.body.clone(), kept),
            }
        }
        if !inline.is_empty() {
            let text = format!(" ON CREATE SET {}", inline.join(", "));
            self.draft.insert_behind(clause.body.end - 1, &text);
        }
        Some(())
    }

    fn merged_node(&mut self, node: &NodePattern) {
        let Some(name) = node.variable.map(|at| self.word(at)) else {
            return;
        };
        let external = node.entries.iter().any(|entry| self.word(entry.name) == "_id");
        if external && let (Some(first), Some(last)) = (node.entries.first(), node.entries.last()) {
            self.draft.drop(first.name - 1..last.value.end + 1);
            return;
        }
        let pattern = node
            .entries
            .iter()
            .map(|entry| self.word(entry.name).to_string())
            .collect();
        if !node.entries.is_empty() {
            self.variable(name, false).pattern = pattern;
        }
    }

    /// The properties in a relationship's pattern, as settings; they leave the pattern.
    fn inline_properties(&mut self, hop: &Hop) -> Vec<String> {
        let (Some(variable), Some(first), Some(last)) =
            (hop.variable, hop.entries.first(), hop.entries.last())
        else {
            return Vec::new();
        };
        let variable = self.word(variable);
        let text = |range: Range<usize>| Draft::new(self.statement).text(range);
        let settings: Vec<String> = hop
            .entries
            .iter()
            .map(|entry| {
                format!(
                    "{variable}.{} = {}",
                    self.word(entry.name),
                    text(entry.value.clone())
                )
            })
            .collect();
        let names: Vec<String> = hop
            .entries
            .iter()
            .map(|entry| self.word(entry.name).to_string())
            .collect();
        self.draft.drop(first.name - 1..last.value.end + 1);
        self.variable(variable, true).on_create.extend(names);
        settings
    }

    /// What is kept of the settings of one ON CREATE SET or ON MATCH SET.
    fn branch(&mut self, set: &Clause, creates: bool, mut kept: Vec<String>) -> String {
        for item in self.statement.projection_items(set) {
            let target = self.word(item.start);
            let relationship = self.is_relationship(target);
            let adds = self.statement.is_symbol(item.start + 1, '+');
            if relationship && !creates {
                self.plan.required = Some(target.to_string());
            }
            if relationship && adds {
                continue;
            }
            if let Some(property) = self.assigned(&item) {
                let variable = self.variable(target, relationship);
                match creates {
                    true => variable.on_create.push(property),
                    false => variable.on_match.push(property),
                }
            } else {
                self.variable(target, relationship).is_set = true;
            }
            kept.push(Draft::new(self.statement).text(item));
        }
        kept.join(", ")
    }
}

/// The `ON .. SET ..` groups directly behind a MERGE.
pub(super) fn branches(behind: &[Clause]) -> &[[Clause; 3]] {
    let (groups, _) = behind.as_chunks::<3>();
    let count = groups
        .iter()
        .take_while(|[on, event, set]| {
            on.keyword == "ON" && matches!(event.keyword, "CREATE" | "MATCH") && set.keyword == "SET"
        })
        .count();
    &groups[..count]
}
