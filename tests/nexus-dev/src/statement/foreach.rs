//! `FOREACH` in front of other clauses. The engine carries it out as an UNWIND: each element becomes a row for what
//! follows, and an empty list leaves no row at all.
//!
//! As the last clause that makes no difference. In front of others, a FOREACH over `null` or `[]` is left out, since it
//! does nothing; any other is refused, because the rows behind it would be wrong.

use std::ops::Range;

use super::Statement;
use super::error::CypherError;
use super::shape::Clause;

/// The token ranges of FOREACH clauses that do nothing and have to go.
///
/// # Errors
/// [`CypherError::Execution`] for a FOREACH whose following clauses the engine would answer wrongly.
pub(crate) fn idle_clauses(statement: &Statement<'_>) -> Result<Vec<Range<usize>>, CypherError> {
    let clauses = statement.clauses();
    let Some((_, in_front)) = clauses.split_last() else {
        return Ok(Vec::new());
    };
    let loops = in_front.iter().filter(|clause| clause.keyword == "FOREACH");
    loops
        .map(|clause| match statement.loops_over_nothing(clause) {
            true => Ok(clause.body.start - 1..clause.body.end),
            false => Err(CypherError::Execution(
                "nexus-dev carries out FOREACH only as the last clause of a statement".to_string(),
            )),
        })
        .collect()
}

impl Statement<'_> {
    /// Whether a FOREACH reads `(x IN null | ..` or `(x IN [] | ..`.
    fn loops_over_nothing(&self, clause: &Clause) -> bool {
        let list = clause.body.start + 3;
        let null = self.is_word(list, "null") && self.is_symbol(list + 1, '|');
        let empty =
            self.is_symbol(list, '[') && self.is_symbol(list + 1, ']') && self.is_symbol(list + 2, '|');
        self.is_word(list - 1, "IN") && (null || empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(source: &str) -> Result<usize, CypherError> {
        idle_clauses(&Statement::parse(source).unwrap()).map(|ranges| ranges.len())
    }

    #[test]
    fn a_loop_over_nothing_goes_and_a_last_loop_stays() {
        assert_eq!(
            idle("MATCH (d) FOREACH (x IN null | SET x.a = 1) RETURN d"),
            Ok(1)
        );
        assert_eq!(idle("MATCH (d) FOREACH (x IN [] | SET x.a = 1) RETURN d"), Ok(1));
        assert_eq!(
            idle("UNWIND $ks AS k MATCH (d {key: k}) FOREACH (x IN d | DELETE x)"),
            Ok(0)
        );
    }

    #[test]
    fn a_loop_in_front_of_other_clauses_is_refused() {
        assert!(idle("MATCH (d) FOREACH (x IN [1, 2] | SET d.a = x) RETURN d").is_err());
        assert!(idle("MATCH (d) FOREACH (x IN $l | SET d.a = x) FOREACH (x IN $l | SET d.b = x)").is_err());
    }
}
