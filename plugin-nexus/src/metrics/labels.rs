//! Labels whose values come from outside: bounded, however many there are.
//!
//! Invariant: what has a label of its own keeps it until the process ends.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// What all others share.
pub(super) const OTHER: &str = "_other";

/// The first so many values get a label of their own.
#[derive(Debug)]
pub(super) struct Labels {
    most: usize,
    known: Mutex<BTreeSet<String>>,
}

impl Labels {
    pub(super) fn at_most(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
        }
    }

    /// The label of a value.
    pub(super) fn of(&self, value: &str) -> String {
        let mut known = self.known.lock();
        if known.contains(value) || known.len() < self.most {
            known.insert(value.to_owned());
            value.to_owned()
        } else {
            OTHER.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_limit_share_a_label() {
        let labels = Labels::at_most(100);
        for n in 0..100 {
            assert_eq!(labels.of(&format!("c{n}")), format!("c{n}"));
        }
        assert_eq!(labels.of("one more"), OTHER);
        assert_eq!(labels.of("c7"), "c7");
    }
}
