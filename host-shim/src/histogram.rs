//! A histogram of durations that costs a hook two atomic additions.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in nanoseconds: 1, 2, 5 in each decade from 100 ns to 1 s.
const BOUNDS: [u64; 22] = [
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

    /// The samples of a Prometheus histogram. `labels` without braces.
    pub(crate) fn write(&self, name: &str, labels: &str, text: &mut String) {
        let mut count = 0;
        let bounds = BOUNDS
            .iter()
            .map(|&nanos| Duration::from_nanos(nanos).as_secs_f64().to_string());
        for (bucket, bound) in self.buckets.iter().zip(bounds.chain(["+Inf".to_owned()])) {
            count += bucket.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
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
        let histogram = Histogram::default();
        for nanos in [100, 101, 3_000_000_000] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let mut text = String::new();
        histogram.write("h", "a=\"b\"", &mut text);
        assert!(text.contains("h_bucket{a=\"b\",le=\"0.0000001\"} 1\n"), "{text}");
        assert!(text.contains("h_bucket{a=\"b\",le=\"0.0000002\"} 2\n"));
        assert!(text.contains("h_bucket{a=\"b\",le=\"1\"} 2\n"));
        assert!(text.contains("le=\"+Inf\"} 3\n") && text.contains("h_count{a=\"b\"} 3\n"));
    }
}
