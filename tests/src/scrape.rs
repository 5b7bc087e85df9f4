//! Quantiles and counters out of a Prometheus scrape.

use std::collections::BTreeMap;

/// The histograms of a scrape: name to upper bounds with cumulative counts. Labels are added up; the series that have one label
/// are there by themselves, too, as `name{call="notify"}`.
#[derive(Debug, Default)]
pub struct Scrape {
    histograms: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Scrape {
    /// Reads a scrape; lines that are no buckets are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            if let Some((name, labels, bound, count)) = bucket(line) {
                scrape.add(name.to_owned(), bound, count);
                for label in labels.split(',').filter(|label| !label.is_empty()) {
                    scrape.add(format!("{name}{{{label}}}"), bound, count);
                }
            }
        }
        for buckets in scrape.histograms.values_mut() {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        scrape
    }

    fn add(&mut self, series: String, bound: f64, count: f64) {
        let buckets = self.histograms.entry(series).or_default();
        match buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, total)) => *total += count,
            None => buckets.push((bound, count)),
        }
    }

    /// What was counted since an earlier scrape of the same process.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        for (name, buckets) in &mut self.histograms {
            for (bound, count) in buckets {
                let before = earlier
                    .histograms
                    .get(name)
                    .and_then(|buckets| buckets.iter().find(|(known, _)| known.total_cmp(bound).is_eq()));
                *count -= before.map_or(0.0, |(_, count)| *count);
            }
        }
        self
    }

    /// The quantile of a histogram, between the bounds of its bucket by proportion. 0 where nothing was counted.
    #[must_use]
    pub fn quantile(&self, name: &str, quantile: f64) -> f64 {
        let Some(buckets) = self.histograms.get(name) else {
            return 0.0;
        };
        let rank = quantile * buckets.last().map_or(0.0, |(_, count)| *count);
        let (mut low, mut before) = (0.0, 0.0);
        for &(bound, count) in buckets {
            if count >= rank && count > before {
                if bound.is_infinite() {
                    return low;
                }
                return low + (bound - low) * ((rank - before) / (count - before)).clamp(0.0, 1.0);
            }
            (low, before) = (bound, count);
        }
        0.0
    }
}

/// The sum of a counter's series that have a label, as `type="SIMILAR_TO"`.
#[must_use]
pub fn counter(text: &str, name: &str, label: &str) -> f64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "))
        .filter(|(labels, _)| labels.split(',').any(|found| found == label))
        .filter_map(|(_, value)| value.trim().parse::<f64>().ok())
        .sum()
}

/// Name, labels but the bound, bound and count.
fn bucket(line: &str) -> Option<(&str, &str, f64, f64)> {
    let (name, rest) = line.split_once("_bucket{")?;
    let (labels, count) = rest.rsplit_once("} ")?;
    let (labels, bound) = labels.split_once("le=\"")?;
    let bound = bound.split('"').next()?;
    let bound = if bound == "+Inf" {
        f64::INFINITY
    } else {
        bound.parse().ok()?
    };
    Some((name, labels, bound, count.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let scrape = Scrape::parse(
            "# TYPE h histogram\nh_bucket{a=\"b\",le=\"1\"} 50\nh_bucket{a=\"b\",le=\"2\"} 100\nh_bucket{a=\"b\",le=\"+Inf\"} 100\n",
        );
        assert!((scrape.quantile("h", 0.5) - 1.0).abs() < 1e-9);
        assert!((scrape.quantile("h", 0.75) - 1.5).abs() < 1e-9);
        assert!(scrape.quantile("none", 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_counter_is_summed_over_its_other_labels() {
        let text = "c{a=\"x\",b=\"1\"} 2\nc{a=\"x\",b=\"2\"} 3\nc{a=\"y\",b=\"1\"} 5\ncc{a=\"x\"} 7\n";
        assert!((counter(text, "c", "a=\"x\"") - 5.0).abs() < 1e-9);
    }

    #[test]
    fn the_series_of_one_label_can_be_looked_at_alone() {
        let scrape = Scrape::parse(
            "h_bucket{p=\"n\",call=\"a\",le=\"1\"} 10\nh_bucket{p=\"n\",call=\"a\",le=\"2\"} 10\n\
             h_bucket{p=\"n\",call=\"b\",le=\"1\"} 0\nh_bucket{p=\"n\",call=\"b\",le=\"2\"} 10\n",
        );
        assert!((scrape.quantile("h{call=\"b\"}", 0.5) - 1.5).abs() < 1e-9);
        assert!((scrape.quantile("h{call=\"a\"}", 0.5) - 0.5).abs() < 1e-9);
        assert!((scrape.quantile("h", 0.5) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_counted_before_is_taken_off() {
        let earlier =
            Scrape::parse("h_bucket{le=\"1\"} 10\nh_bucket{le=\"2\"} 10\nh_bucket{le=\"+Inf\"} 10\n");
        let later = Scrape::parse("h_bucket{le=\"1\"} 10\nh_bucket{le=\"2\"} 20\nh_bucket{le=\"+Inf\"} 20\n");
        assert!((later.since(&earlier).quantile("h", 0.5) - 1.5).abs() < 1e-9);
    }

    #[test]
    fn beyond_the_last_bound_the_bound_is_given() {
        let scrape = Scrape::parse("h_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 10\n");
        assert!((scrape.quantile("h", 0.99) - 1.0).abs() < 1e-9);
    }
}
