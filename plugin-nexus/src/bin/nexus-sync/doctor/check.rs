//! One check and all of them: what came of it, what was seen, what to do.

use serde::Serialize;

use crate::figures;
use crate::page::{Page, Tone};

/// What came of a check, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It was not made.
    Skipped,
    /// All is well.
    Ok,
    /// It works, and something should be looked at.
    Warning,
    /// It does not work.
    Failed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Skipped => Tone::Faint,
            Self::Ok => Tone::Good,
            Self::Warning => Tone::Doubtful,
            Self::Failed => Tone::Bad,
        }
    }
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub(super) name: &'static str,
    /// What came of it.
    pub(super) result: Outcome,
    /// What was seen; of a skipped one, why.
    pub(super) seen: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

/// All checks, in order.
#[derive(Debug, Default)]
pub(super) struct Checkup(Vec<Check>);

impl Checkup {
    /// All is well.
    pub(super) fn ok(&mut self, name: &'static str, seen: impl Into<String>) {
        self.add(name, Outcome::Ok, seen.into(), None);
    }

    /// It works, and something should be done.
    pub(super) fn warn(&mut self, name: &'static str, seen: impl Into<String>, advice: impl Into<String>) {
        self.add(name, Outcome::Warning, seen.into(), Some(advice.into()));
    }

    /// It does not work, and something must be done.
    pub(super) fn fail(&mut self, name: &'static str, seen: impl Into<String>, advice: impl Into<String>) {
        self.add(name, Outcome::Failed, seen.into(), Some(advice.into()));
    }

    /// It was not looked at.
    pub(super) fn skip(&mut self, name: &'static str, reason: impl Into<String>) {
        self.add(name, Outcome::Skipped, reason.into(), None);
    }

    fn add(&mut self, name: &'static str, result: Outcome, seen: String, advice: Option<String>) {
        self.0.push(Check {
            name,
            result,
            seen,
            advice,
        });
    }

    /// All of them.
    pub(super) fn checks(&self) -> &[Check] {
        &self.0
    }

    /// The worst that came of one.
    pub(super) fn verdict(&self) -> Outcome {
        self.0
            .iter()
            .map(|check| check.result)
            .max()
            .unwrap_or(Outcome::Ok)
            .max(Outcome::Ok)
    }

    /// For people.
    pub(super) fn write(&self, page: &mut Page) {
        let width = self.0.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for check in &self.0 {
            let word = format!("{:7}", check.result.name());
            let mut seen = check.seen.lines();
            let first = seen.next().unwrap_or_default();
            page.toned(
                check.result.tone(),
                &word,
                &format!("  {:width$}  {first}", check.name),
            );
            let margin = " ".repeat(width + 11);
            for line in seen {
                page.line(format!("{margin}{line}"));
            }
            for line in check.advice.iter().flat_map(|advice| advice.lines()) {
                page.line(format!("{margin}-> {line}"));
            }
        }
        page.gap();
        let count = |outcome| self.0.iter().filter(|check| check.result == outcome).count() as u64;
        let verdict = self.verdict();
        page.toned(
            verdict.tone(),
            verdict.name(),
            &format!(
                ": {} ok, {}, {} failed, {} skipped",
                count(Outcome::Ok),
                figures::counted(count(Outcome::Warning), "warning", "warnings"),
                count(Outcome::Failed),
                count(Outcome::Skipped)
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides_and_all_are_told() {
        let mut checkup = Checkup::default();
        assert_eq!(checkup.verdict(), Outcome::Ok);
        checkup.skip("a", "no reason");
        assert_eq!(checkup.verdict(), Outcome::Ok);
        checkup.warn("long name", "one\ntwo\u{1b}", "do this");
        assert_eq!(checkup.verdict(), Outcome::Warning);
        checkup.fail("b", "broken", "mend it");
        checkup.ok("c", "fine");
        assert_eq!(checkup.verdict(), Outcome::Failed);
        let mut page = Page::new(false);
        checkup.write(&mut page);
        assert_eq!(
            page.into_text(),
            "skipped  a          no reason\n\
             warning  long name  one\n                    two\\u{1b}\n                    -> do this\n\
             failed   b          broken\n                    -> mend it\n\
             ok       c          fine\n\n\
             failed: 1 ok, 1 warning, 1 failed, 1 skipped\n"
        );
    }
}
