//! Ids that tie a cause to all that comes of it: in log lines, the audit log, messages to subscribers, and traces.
//!
//! - A *change* in the store is named by the moment at which the host told of it, and by the installation: 32 hex digits, which are a W3C
//!   trace id, too. The name is derived, so it takes no room in memory or in the journal, is the same in every stage, and outlives a
//!   restart. A document that changes again while it still waits keeps the earlier name, as it keeps the earlier time.
//! - A *request* brings its own id, or is given a random UUID.
//!
//! Invariants: no two changes of a run have the same moment ([`ChangeNames::moment`]), unless the clock is put back; and moments of changes
//! are even, those of work that the plugin found by itself are odd (`own_moment`), so that one is not taken for the other.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use vectorizer_plugin_api::Request;
use vectorizer_plugin_api::correlation::{HEADERS, is_usable};

/// Clocks that were put back by more than so many microseconds are followed.
const SMALL_STEP: u64 = 1_000_000;
/// Names that are told of a batch one by one.
const MOST_TOLD: usize = 8;

/// The name of a change in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(u128);

impl ChangeId {
    /// Its bits, the trace id.
    #[must_use]
    pub fn bits(self) -> u128 {
        self.0
    }

    /// Whether it is of a change that the host told of, not of work that the plugin found by itself.
    #[must_use]
    pub fn is_told(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Names changes.
#[derive(Debug)]
pub struct ChangeNames {
    /// The upper half of all names.
    installation: u64,
    last: AtomicU64,
}

impl ChangeNames {
    /// Of an installation, which is named by hex digits.
    #[must_use]
    pub fn of(installation: &str) -> Self {
        let digits = installation.get(..16).unwrap_or_default();
        Self {
            installation: u64::from_str_radix(digits, 16).unwrap_or_default(),
            last: AtomicU64::new(0),
        }
    }

    /// The moment by which a change is named that was told of at this time: the same or a few microseconds later, and no other's. To be
    /// called on one thread.
    pub fn moment(&self, micros: u64) -> u64 {
        let last = self.last.load(Ordering::Relaxed);
        let micros = micros & !1;
        let unique = match micros <= last && last - micros < SMALL_STEP {
            true => last + 2,
            false => micros,
        };
        self.last.store(unique, Ordering::Relaxed);
        unique
    }

    /// The name of the change at a moment, or of work of the plugin's own.
    #[must_use]
    pub fn name(&self, moment: u64) -> ChangeId {
        self.whole(lower_half(moment))
    }

    /// The name with this lower half.
    #[must_use]
    pub fn whole(&self, lower: u64) -> ChangeId {
        ChangeId(u128::from(self.installation) << 64 | u128::from(lower))
    }

    /// Several names in one text, for a log line.
    #[must_use]
    pub fn names(&self, moments: &BTreeSet<u64>) -> String {
        let told = moments.iter().take(MOST_TOLD);
        let mut text = told
            .map(|moment| self.name(*moment).to_string())
            .collect::<Vec<_>>()
            .join(",");
        let more = moments.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            text.push_str(&format!(",+{more}"));
        }
        text
    }
}

/// The moment of work that the plugin found at this time by itself, as comparisons and neighbours do.
#[must_use]
pub(crate) fn own_moment(micros: u64) -> u64 {
    micros | 1
}

/// The lower half of the name of a moment: each has another, its last bit is that of the moment, and the rest looks random, so that whoever
/// takes a sample of traces by their ids gets one. It is the finaliser of SplitMix64 (Steele et al., 2014), which is a bijection, on 63
/// bits.
pub(crate) fn lower_half(moment: u64) -> u64 {
    const MASK: u64 = u64::MAX >> 1;
    let mut bits = (moment >> 1).wrapping_add(0x9e37_79b9_7f4a_7c15) & MASK;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) & MASK;
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) & MASK;
    (bits ^ (bits >> 31)) << 1 | moment & 1
}

/// The id that a request brings, where it is usable, else a new one.
pub(crate) fn of_request(request: &Request) -> String {
    let mut brought = HEADERS.iter().filter_map(|name| request.header(name));
    let usable = brought.find(|id| is_usable(id));
    usable.map_or_else(drawn, str::to_owned)
}

/// A new one, in the form of a random UUID.
#[must_use]
pub(crate) fn drawn() -> String {
    let random = rand::random::<u128>();
    // Version 4, variant 1.
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_drawn_id_is_a_random_uuid_and_usable() {
        let (one, other) = (drawn(), drawn());
        assert_ne!(one, other);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']),
            "{one}"
        );
        assert!(is_usable(&one));
    }

    #[test]
    fn a_name_is_of_the_installation_and_the_moment_and_nothing_else() {
        let names = ChangeNames::of("00112233445566778899aabbccddeeff");
        let name = names.name(1_764_291_600_000_000).to_string();
        assert!(name.starts_with("0011223344556677") && name.len() == 32, "{name}");
        let again = ChangeNames::of("0011223344556677ffffffffffffffff");
        assert_eq!(again.name(1_764_291_600_000_000).to_string(), name);
        assert_ne!(again.name(1_764_291_600_000_001).to_string(), name);
    }

    #[test]
    fn a_clock_that_is_put_back_is_followed() {
        let names = ChangeNames::of("");
        assert_eq!(names.moment(10_000_000), 10_000_000);
        assert_eq!(names.moment(9_999_999), 10_000_002);
        assert_eq!(names.moment(7_000_000), 7_000_000);
    }

    #[test]
    fn many_names_are_told_in_part() {
        let names = ChangeNames::of("");
        let moments: BTreeSet<u64> = (0..20).collect();
        let text = names.names(&moments);
        assert_eq!(text.split(',').count(), MOST_TOLD + 1);
        assert!(text.ends_with(",+12"));
        assert_eq!(names.names(&BTreeSet::from([3])), names.name(3).to_string());
    }

    proptest! {
        #[test]
        fn changes_that_come_together_have_moments_of_their_own(times in prop::collection::vec(0_u64..50, 1..200)) {
            let names = ChangeNames::of("");
            let moments: BTreeSet<u64> = times.iter().map(|time| names.moment(1_000_000_000 + time)).collect();
            prop_assert_eq!(moments.len(), times.len());
            prop_assert!(moments.iter().all(|moment| *moment != own_moment(*moment)));
        }

        #[test]
        fn a_name_says_whether_the_host_told_of_it(moment: u64) {
            let names = ChangeNames::of("00112233445566778899aabbccddeeff");
            let (told, own) = (names.name(moment & !1), names.name(own_moment(moment)));
            prop_assert!(told.is_told() && !own.is_told());
        }

        #[test]
        fn no_two_moments_have_one_name(one: u64, other: u64) {
            prop_assert_eq!(lower_half(one) == lower_half(other), one == other);
        }
    }
}
