//! What one statement may hold, and one database, in one place.

use std::ops::Range;

use thiserror::Error;

/// Branches of one union. The server's cost grows faster than linear, and at about 1000 branches its stack overflows
/// (`contracts/nexus-dialect.md` section 7).
pub const MAX_BRANCHES: usize = 100;

/// Rows of one write, keys of one read: enough to spread the fixed cost of a statement (section 3).
pub const MAX_ROWS: usize = 500;

/// Bytes of the rows of one write. The server refuses bodies above 16 MiB (section 10).
pub const MAX_BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Labels of one database. Further ones are accepted and lost: their nodes are invisible (section 3).
pub const MAX_LABELS: u64 = 64;

/// Whether a database that has used `used` labels has room for `new` more.
#[must_use]
pub fn has_room_for_labels(used: u64, new: u64) -> bool {
    new == 0 || used.saturating_add(new) <= MAX_LABELS
}

/// A row that does not fit into any statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{statement}`: row {row} has {bytes} bytes, a statement holds at most {MAX_BATCH_BYTES}")]
pub struct RowTooLarge {
    /// The statement that the row is for.
    pub statement: &'static str,
    /// Position of the row in the caller's slice.
    pub row: usize,
    /// Bytes of the row as JSON.
    pub bytes: u64,
}

/// Cuts rows of these sizes into batches, in order.
pub(super) fn batch_ranges(statement: &'static str, sizes: &[u64]) -> Result<Vec<Range<usize>>, RowTooLarge> {
    let mut ranges = Vec::new();
    let (mut start, mut total) = (0, 0_u64);
    for (row, &bytes) in sizes.iter().enumerate() {
        if bytes > MAX_BATCH_BYTES {
            return Err(RowTooLarge {
                statement,
                row,
                bytes,
            });
        }
        if row - start == MAX_ROWS || total + bytes > MAX_BATCH_BYTES {
            ranges.push(start..row);
            (start, total) = (row, 0);
        }
        total += bytes;
    }
    if start < sizes.len() {
        ranges.push(start..sizes.len());
    }
    Ok(ranges)
}
