//! How chunks and what they are parts of appear in the graph.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `structure:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Structure {
    /// Whether what chunks are parts of is a node, with PART_OF and HAS_PART edges. Default true.
    pub sources: bool,
    /// Whether chunks are linked in reading order by NEXT edges; needs `sources`. Default true.
    pub next: bool,
}

impl Default for Structure {
    fn default() -> Self {
        Self {
            sources: true,
            next: true,
        }
    }
}
