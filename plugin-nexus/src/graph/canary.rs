//! The canary: one edge whose record is the last of the server's property file.
//!
//! Nexus 2.5 loses, at a start, whatever lies in its property file behind a record that somebody made shorter
//! (`contracts/nexus-dialect.md` section 2). Right after such a start nodes still read well, since they know where their
//! records lie; they are destroyed by the next writes. Edges read empty at once, since their records are found by scanning
//! the file. So an edge that is written after everything else tells whether the scan came to the end of what we wrote:
//!
//! - it reads back as it was written last: all records before it are sound;
//! - it is there without its properties, or with those of an earlier time: the file is damaged before it, and nothing may be
//!   written.
//!
//! A record is written anew at the end of the file when it gets longer. So the canary grows by one byte each time it is
//! moved, and is made anew when it became about a kilobyte. Its former records stay in the file, so it carries the number of its
//! move, which the journal remembers.

use serde_json::Value;

use super::edge::Edge;
use super::key::ScratchKey;
use super::literal::LiteralError;
use super::nodes::NodeWrite;
use super::record::{EdgeRecord, JsonMap};
use super::schema::EdgeType;
use super::write::all_taken;
use super::{Graph, GraphError};

/// Width from which on the canary is made anew.
const LONGEST: u32 = 1_120;

/// Characters of a mark.
const MARK_LEN: usize = 23;

/// The canary of one installation of the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    ends: [ScratchKey; 2],
}

/// Where a canary stands: which move, and the width of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Perch {
    /// Counts the moves.
    pub number: u64,
    /// Bytes of the record.
    pub width: u32,
}

/// What became of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryState {
    /// It reads back, from here.
    Sound(Perch),
    /// It is there without its properties: the server's file is damaged before it.
    Lost,
    /// There is none: a new server, or somebody removed it.
    Absent,
}

impl Canary {
    /// The beginning of the owner of every canary's nodes.
    pub(super) const OWNER: &str = "canary-";

    /// The canary of `installation`.
    ///
    /// # Errors
    ///
    /// [`LiteralError`]; not in practice.
    pub fn of(installation: &str) -> Result<Self, LiteralError> {
        let owner = format!("{}{installation}", Self::OWNER);
        Ok(Self {
            ends: [ScratchKey::new(&owner, "a")?, ScratchKey::new(&owner, "b")?],
        })
    }
}

impl Graph {
    /// Looks at the canary. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn canary(&self, canary: &Canary) -> Result<CanaryState, GraphError> {
        let edges = self
            .neighbours(&[EdgeType::Canary], std::slice::from_ref(&canary.ends[0]))
            .await?;
        let Some(edge) = edges.first() else {
            return Ok(CanaryState::Absent);
        };
        let perch = edge.weight.as_str().and_then(Perch::parse);
        Ok(match (edge.active, perch) {
            (Some(true), Some(perch)) => CanaryState::Sound(perch),
            _ => CanaryState::Lost,
        })
    }

    /// Moves the canary behind everything that was written, and answers where it stands then. `from` is where it stands
    /// now, `None` where there is none; `number` is the last move that is remembered.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn move_canary(
        &self,
        canary: &Canary,
        from: Option<Perch>,
        number: u64,
    ) -> Result<Perch, GraphError> {
        let grown = from
            .map(|perch| perch.width.saturating_add(1))
            .filter(|width| (EdgeType::Canary.width()..LONGEST).contains(width));
        let width = match grown {
            Some(width) => width,
            None => {
                self.delete_nodes(&canary.ends).await?;
                let nodes = canary
                    .ends
                    .iter()
                    .map(|end| NodeWrite::build(end.clone(), &JsonMap::new(), None))
                    .collect::<Result<Vec<_>, _>>()?;
                all_taken(self.upsert_nodes(&nodes).await?)?;
                EdgeType::Canary.width()
            }
        };
        let number = from.map_or(0, |perch| perch.number).max(number).saturating_add(1);
        let perch = Perch { number, width };
        let [a, b] = &canary.ends;
        let record = EdgeRecord::canary(&perch.mark(), width)?;
        let edge = Edge::with_record(EdgeType::Canary, a, b, true, record);
        all_taken(self.write_edges(&[edge]).await?)?;
        Ok(perch)
    }
}

impl Perch {
    /// As the canary tells it itself, always of one length.
    pub(crate) fn mark(self) -> String {
        format!("{:016}-{:06}", self.number, self.width)
    }

    /// What [`Perch::mark`] gives, and nothing else: a number beyond its length would leave none for the next move.
    pub(crate) fn parse(mark: &str) -> Option<Self> {
        let (number, width) = mark.split_once('-')?;
        let perch = Self {
            number: number.parse().ok()?,
            width: width.parse().ok()?,
        };
        (mark.len() == MARK_LEN && perch.mark() == mark).then_some(perch)
    }
}

/// Whether a scratch key is a canary's.
pub(super) fn is_canary(key: &Value) -> bool {
    key.as_str().is_some_and(|key| key.starts_with(Canary::OWNER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perch_reads_back_and_always_has_one_length() {
        for (number, width) in [(1, 96), (u64::from(u32::MAX), LONGEST)] {
            let perch = Perch { number, width };
            assert_eq!(Perch::parse(&perch.mark()), Some(perch));
            assert_eq!(perch.mark().len(), MARK_LEN);
        }
        for text in [
            "",
            "1",
            "a-1",
            "1-b",
            "1-96",
            "+000000000000001-000096",
            "18446744073709551615-96",
        ] {
            assert_eq!(Perch::parse(text), None, "{text}");
        }
    }
}
