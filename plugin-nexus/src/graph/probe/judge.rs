//! The judge: what a step gave against what it should have given.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use super::super::GraphError;
use super::super::capabilities::{Capabilities, Finding, Forms, Operation, Verdict};
use crate::nexus::Blame;

/// Characters of a value in a verdict.
const MAX_SHOWN: usize = 160;

/// Collects findings; of two about one form the later holds.
#[derive(Debug, Default)]
pub(super) struct Judge {
    findings: Vec<Finding>,
}

impl Judge {
    /// Judges one form by what it gave; answers whether that is right.
    ///
    /// # Errors
    ///
    /// A fault that is nobody's: then nothing can be said, and the probe ends.
    pub(super) fn judge<T: PartialEq + Debug>(
        &mut self,
        operation: Operation,
        form: &'static str,
        found: Result<T, GraphError>,
        expected: &T,
    ) -> Result<bool, GraphError> {
        let verdict = match found {
            Ok(found) if found == *expected => Verdict::Right,
            Ok(found) => Verdict::Wrong {
                expected: shown(expected),
                found: shown(&found),
            },
            Err(error) if error.class().blame() == Blame::Passing => return Err(error),
            Err(error) => Verdict::Failed {
                error: error.to_string(),
            },
        };
        let right = verdict == Verdict::Right;
        self.note(operation, form, verdict);
        Ok(right)
    }

    /// Takes note where a form failed. That it did not fail proves nothing yet.
    ///
    /// # Errors
    ///
    /// As [`Judge::judge`].
    pub(super) fn passes(
        &mut self,
        operation: Operation,
        form: &'static str,
        done: Result<(), GraphError>,
    ) -> Result<bool, GraphError> {
        let passes = self.judge(operation, form, done, &())?;
        if passes {
            self.unproven(operation, form, "it was not read back".to_owned());
        }
        Ok(passes)
    }

    pub(super) fn right(&mut self, operation: Operation, form: &'static str) {
        self.note(operation, form, Verdict::Right);
    }

    pub(super) fn unproven(&mut self, operation: Operation, form: &'static str, why: String) {
        self.note(operation, form, Verdict::Unproven { why });
    }

    /// Whether any form of the operation is right.
    pub(super) fn is_right(&self, operation: Operation) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.operation == operation && finding.verdict == Verdict::Right)
    }

    pub(super) fn form_is_right(&self, operation: Operation, form: &str) -> bool {
        self.findings.iter().any(|finding| {
            finding.operation == operation && finding.form == form && finding.verdict == Verdict::Right
        })
    }

    /// The table, with these forms in use as far as they are right.
    pub(super) fn table(self, version: String, took: Duration, forms: Forms) -> Capabilities {
        let mut chosen = BTreeMap::new();
        for operation in Operation::ALL {
            let preferred = match operation {
                Operation::LookUpNodes => Some(forms.lookup.name()),
                Operation::Neighbours | Operation::TwoHops => Some(forms.hops.name()),
                Operation::RetractEdges => Some(forms.retract.name()),
                Operation::IncomingEdges => forms.incoming.map(|form| form.name()),
                _ => self
                    .findings
                    .iter()
                    .find(|finding| finding.operation == operation)
                    .map(|finding| finding.form),
            };
            if let Some(form) = preferred.filter(|form| self.form_is_right(operation, form)) {
                chosen.insert(operation, form);
            }
        }
        Capabilities::new(version, took, self.findings, &chosen, forms)
    }

    fn note(&mut self, operation: Operation, form: &'static str, verdict: Verdict) {
        self.findings
            .retain(|finding| finding.operation != operation || finding.form != form);
        self.findings.push(Finding {
            operation,
            form,
            verdict,
        });
    }
}

fn shown(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text,
    }
}
