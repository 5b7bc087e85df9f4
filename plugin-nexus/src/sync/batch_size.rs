//! How many documents a batch of edges has: as many as are written in a few hundredths of a second.
//!
//! Nexus lets nobody else write while it writes edges, and takes up to 3 ms for a new one
//! (`contracts/nexus-dialect.md` section 4), so a batch must be small for nodes to get their turn in between. But a document may have
//! hundreds of new edges or none, and every batch costs a dozen exchanges, so it should not be smaller than it has to be.

use std::time::Duration;

/// A batch that took less may be larger.
const SHORT: Duration = Duration::from_millis(30);
/// One that took more has to be smaller.
const LONG: Duration = Duration::from_millis(100);

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchSize {
    least: usize,
    now: usize,
    most: usize,
}

impl BatchSize {
    /// Always this.
    pub(super) fn fixed(documents: usize) -> Self {
        Self {
            least: documents,
            now: documents,
            most: documents,
        }
    }

    /// From `least`, where it begins, to `most`.
    pub(super) fn between(least: usize, most: usize) -> Self {
        Self {
            least: least.min(most),
            now: least.min(most),
            most,
        }
    }

    /// Documents of the next batch, at most.
    pub(super) fn documents(self) -> usize {
        self.now
    }

    /// A batch of so many documents took so long. One that was not full says nothing of larger ones.
    pub(super) fn took(&mut self, documents: usize, time: Duration) {
        if time > LONG {
            self.now = (self.now / 2).max(self.least);
        } else if time < SHORT && documents >= self.now {
            self.now = self.now.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(5);

    #[test]
    fn full_batches_that_are_quick_become_larger_up_to_the_limit() {
        let mut size = BatchSize::between(16, 100);
        for wanted in [32, 64, 100, 100] {
            size.took(size.documents(), AT_ONCE);
            assert_eq!(size.documents(), wanted);
        }
    }

    #[test]
    fn slow_ones_become_smaller_and_those_in_between_stay() {
        let mut size = BatchSize::between(16, 128);
        size.took(16, AT_ONCE);
        size.took(32, AT_ONCE);
        size.took(64, Duration::from_millis(60));
        assert_eq!(size.documents(), 64);
        for wanted in [32, 16, 16] {
            size.took(64, Duration::from_secs(1));
            assert_eq!(size.documents(), wanted);
        }
    }

    #[test]
    fn a_batch_that_was_not_full_says_nothing_of_larger_ones() {
        let mut size = BatchSize::between(16, 128);
        size.took(15, AT_ONCE);
        assert_eq!(size.documents(), 16);
    }

    #[test]
    fn a_fixed_size_is_fixed_and_no_limit_is_passed() {
        let mut size = BatchSize::fixed(10);
        size.took(10, AT_ONCE);
        size.took(10, Duration::from_secs(1));
        assert_eq!(size.documents(), 10);
        assert_eq!(BatchSize::between(16, 4).documents(), 4);
    }
}
