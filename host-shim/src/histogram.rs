//! A histogram of durations that costs a hook two atomic additions.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in nanoseconds: 1, 2, 5 in each decade from 100 ns to 10 s.
const BOUNDS: [u64; 25] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Counts durations by size.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One more than there are bounds: the last takes what is longer than all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&bound| bound < nanos);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Durations that were observed.
    pub(crate) fn count(&self) -> u64 {
        self.buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .sum()
    }
}

/// What histograms held together when they were read.
#[derive(Debug)]
pub(crate) struct Snapshot {
    buckets: [u64; BOUNDS.len() + 1],
    nanos: u64,
}

impl Snapshot {
    pub(crate) fn of(histograms: &[Histogram]) -> Self {
        let mut snapshot = Self {
            buckets: [0; BOUNDS.len() + 1],
            nanos: 0,
        };
        for histogram in histograms {
            for (sum, bucket) in snapshot.buckets.iter_mut().zip(&histogram.buckets) {
                *sum += bucket.load(Ordering::Relaxed);
            }
            snapshot.nanos = snapshot
                .nanos
                .saturating_add(histogram.nanos.load(Ordering::Relaxed));
        }
        snapshot
    }

    /// The samples of a Prometheus histogram. `labels` without braces.
    pub(crate) fn write(&self, name: &str, labels: &str, text: &mut String) {
        let mut count = 0;
        let bounds = BOUNDS
            .iter()
            .map(|&nanos| Duration::from_nanos(nanos).as_secs_f64().to_string());
        for (bucket, bound) in self.buckets.iter().zip(bounds.chain(["+Inf".to_owned()])) {
            count += bucket;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let sum = Duration::from_nanos(self.nanos).as_secs_f64();
        let _ = writeln!(
            text,
            "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_its_bucket_and_all_wider_ones() {
        let histograms = [Histogram::default(), Histogram::default()];
        for (histogram, nanos) in histograms
            .iter()
            .cycle()
            .zip([100, 101, 3_000_000_000, u64::MAX / 4])
        {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let mut text = String::new();
        Snapshot::of(&histograms).write("h", "a=\"b\"", &mut text);
        assert!(text.contains("h_bucket{a=\"b\",le=\"0.0000001\"} 1\n"), "{text}");
        assert!(text.contains("h_bucket{a=\"b\",le=\"0.0000002\"} 2\n"));
        assert!(text.contains("h_bucket{a=\"b\",le=\"1\"} 2\n"));
        assert!(text.contains("h_bucket{a=\"b\",le=\"10\"} 3\n"));
        assert!(text.contains("le=\"+Inf\"} 4\n") && text.contains("h_count{a=\"b\"} 4\n"));
        assert_eq!(histograms.map(|histogram| histogram.count()), [2, 2]);
    }
}
