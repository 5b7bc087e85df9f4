//! What the sidecar counts.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use vectorizer_host_shim::metrics::{FamilyKind, MetricFamily};

/// What became of a request that was handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    /// Vectorizer answered.
    Answered,
    /// Vectorizer could not be reached, or broke off.
    Failed,
    /// Vectorizer was too late.
    Late,
    /// The client's request broke off, or was too long.
    Refused,
}

impl Handed {
    const ALL: [Self; 4] = [Self::Answered, Self::Failed, Self::Late, Self::Refused];

    const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Refused => "refused",
        }
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// By what becomes of a request, first of reads, then of writes.
    requests: [[AtomicU64; 4]; 2],
    confirmed: AtomicU64,
    unconfirmed: AtomicU64,
    polls: [AtomicU64; 2],
}

const UP: MetricFamily = MetricFamily {
    name: "vectorizer_upstream_up",
    kind: FamilyKind::Gauge,
    labels: &[],
    help: "Whether the Vectorizer behind this server can be asked (1) or not (0)",
};
const REQUESTS: MetricFamily = MetricFamily {
    name: "vectorizer_upstream_requests_total",
    kind: FamilyKind::Counter,
    labels: &["kind", "result"],
    help: "Requests of clients handed on to Vectorizer, by whether they may change something",
};
const POINTS: MetricFamily = MetricFamily {
    name: "vectorizer_upstream_points_total",
    kind: FamilyKind::Counter,
    labels: &["result"],
    help: "Points that Vectorizer acknowledged before it stored them, by whether they were seen there",
};
const POLLS: MetricFamily = MetricFamily {
    name: "vectorizer_upstream_polls_total",
    kind: FamilyKind::Counter,
    labels: &["result"],
    help: "Looks for changes that did not come through this server",
};

/// The families of a server that stands in front of a Vectorizer, in the order of a scrape.
#[must_use]
pub fn described() -> Vec<MetricFamily> {
    vec![UP, REQUESTS, POINTS, POLLS]
}

impl Counters {
    pub(super) fn request(&self, is_write: bool, handed: Handed) {
        self.requests[usize::from(is_write)][handed as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn confirmed(&self, points: usize) {
        self.confirmed.fetch_add(points as u64, Ordering::Relaxed);
    }

    pub(super) fn unconfirmed(&self, points: usize) {
        self.unconfirmed.fetch_add(points as u64, Ordering::Relaxed);
    }

    pub(super) fn poll(&self, is_answered: bool) {
        self.polls[usize::from(!is_answered)].fetch_add(1, Ordering::Relaxed);
    }

    /// In the Prometheus text format.
    pub(super) fn render(&self, is_up: bool) -> String {
        let mut text = String::new();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        UP.write_header(&mut text);
        let _ = writeln!(text, "{} {}", UP.name, u8::from(is_up));
        REQUESTS.write_header(&mut text);
        for (kind, counters) in ["read", "write"].iter().zip(&self.requests) {
            for (handed, counter) in Handed::ALL.iter().zip(counters) {
                let (name, result, value) = (REQUESTS.name, handed.name(), value(counter));
                let _ = writeln!(text, "{name}{{kind=\"{kind}\",result=\"{result}\"}} {value}");
            }
        }
        let by_result = [
            (&POINTS, "confirmed", &self.confirmed),
            (&POINTS, "unconfirmed", &self.unconfirmed),
            (&POLLS, "ok", &self.polls[0]),
            (&POLLS, "error", &self.polls[1]),
        ];
        for (at, (family, result, counter)) in by_result.into_iter().enumerate() {
            if at % 2 == 0 {
                family.write_header(&mut text);
            }
            let _ = writeln!(text, "{}{{result=\"{result}\"}} {}", family.name, value(counter));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_has_each_family_once_and_what_was_counted() {
        let counters = Counters::default();
        counters.request(true, Handed::Late);
        counters.confirmed(3);
        counters.poll(false);
        let text = counters.render(true);
        for family in described() {
            assert_eq!(text.matches(&format!("# TYPE {} ", family.name)).count(), 1);
        }
        for line in [
            "vectorizer_upstream_up 1",
            "vectorizer_upstream_requests_total{kind=\"write\",result=\"late\"} 1",
            "vectorizer_upstream_requests_total{kind=\"read\",result=\"late\"} 0",
            "vectorizer_upstream_points_total{result=\"confirmed\"} 3",
            "vectorizer_upstream_polls_total{result=\"error\"} 1",
        ] {
            assert!(text.lines().any(|is| is == line), "{line} is not in {text}");
        }
    }
}
