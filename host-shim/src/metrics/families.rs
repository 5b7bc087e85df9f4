//! Metric families in a text of the Prometheus format, taken apart to be merged.
//!
//! Invariant: a family that [`Family::is_valid`] accepts is valid Prometheus text by itself; what is malformed costs its own
//! family only.

use std::collections::HashSet;

/// A metric family: its comment lines and samples.
pub(super) struct Family<'a> {
    pub(super) name: &'a str,
    comments: Vec<&'a str>,
    samples: Vec<&'a str>,
}

impl Family<'_> {
    pub(super) fn is_valid(&self) -> bool {
        is_metric_name(self.name)
            && !self.samples.is_empty()
            && self.samples.iter().all(|sample| is_sample(self.name, sample))
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = &str> {
        self.samples.iter().copied()
    }

    pub(super) fn write(&self, text: &mut String) {
        for line in self.comments.iter().chain(&self.samples) {
            text.push_str(line);
            text.push('\n');
        }
    }
}

/// Splits a text at its `# HELP` and `# TYPE` lines. Samples before the first of them belong to no family and
/// are dropped.
pub(super) fn families(text: &str) -> Vec<Family<'_>> {
    let mut found: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        let comment = line
            .strip_prefix("# HELP ")
            .or_else(|| line.strip_prefix("# TYPE "));
        if let Some(rest) = comment {
            let name = rest.split(' ').next().unwrap_or_default();
            match found.last_mut() {
                Some(family) if family.name == name && family.samples.is_empty() => {
                    family.comments.push(line)
                }
                _ => found.push(Family {
                    name,
                    comments: vec![line],
                    samples: Vec::new(),
                }),
            }
        } else if !line.is_empty()
            && !line.starts_with('#')
            && let Some(family) = found.last_mut()
        {
            family.samples.push(line);
        }
    }
    found
}

pub(super) fn family_names(text: &str) -> HashSet<String> {
    families(text)
        .into_iter()
        .map(|family| family.name.to_owned())
        .collect()
}

fn is_metric_name(name: &str) -> bool {
    name.bytes().enumerate().all(|(at, byte)| {
        byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || (at > 0 && byte.is_ascii_digit())
    }) && !name.is_empty()
}

/// `name{labels} value [timestamp]` of this family, where a histogram's or summary's suffix may follow the name.
fn is_sample(family: &str, line: &str) -> bool {
    let Some(rest) = line.strip_prefix(family) else {
        return false;
    };
    let rest = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| rest.strip_prefix(suffix))
        .unwrap_or(rest);
    let value = match rest.strip_prefix('{') {
        Some(labelled) => match after_labels(labelled) {
            Some(value) => value,
            None => return false,
        },
        None => rest,
    };
    let Some(value) = value.strip_prefix(' ') else {
        return false;
    };
    let mut parts = value.split(' ');
    parts.next().is_some_and(|number| number.parse::<f64>().is_ok())
        && parts.next().is_none_or(|stamp| stamp.parse::<i64>().is_ok())
        && parts.next().is_none()
}

/// What follows the closing brace of `name="value",...}`; `None` where the labels are malformed.
fn after_labels(mut rest: &str) -> Option<&str> {
    loop {
        if let Some(end) = rest.strip_prefix('}') {
            return Some(end);
        }
        let (name, value) = rest.split_once("=\"")?;
        if !is_metric_name(name) {
            return None;
        }
        let mut escaped = false;
        let end = value.char_indices().find_map(|(at, c)| match c {
            _ if std::mem::take(&mut escaped) => None,
            '\\' => {
                escaped = true;
                None
            }
            '"' => Some(at),
            _ => None,
        })?;
        rest = &value[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_histogram_is_one_valid_family() {
        let text = "# HELP v_n_seconds Time\n# TYPE v_n_seconds histogram\nv_n_seconds_bucket{le=\"+Inf\"} 2\n\
                    v_n_seconds_sum 0.5\nv_n_seconds_count 2\n# TYPE v_n_up gauge\nv_n_up{a=\"x\\\"}\",b=\"\"} 1 17\n";
        let found = families(text);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(Family::is_valid));
    }

    #[test]
    fn malformed_samples_spoil_their_family_only() {
        for sample in [
            "v_n_a",
            "v_n_a{",
            "v_n_a{x} 1",
            "v_n_a{x=\"1} 1",
            "v_n_a one",
            "v_n_a 1 2 3",
            "other 1",
        ] {
            let text = format!("# TYPE v_n_a gauge\n{sample}\n# TYPE v_n_b gauge\nv_n_b 1\n");
            let valid: Vec<_> = families(&text)
                .iter()
                .filter(|f| f.is_valid())
                .map(|f| f.name.to_owned())
                .collect();
            assert_eq!(valid, ["v_n_b"], "{sample}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(# TYPE a\n)?[a-z{}=\",\\\\ 0-9\n#é]*") {
            for family in families(&text) {
                let _ = family.is_valid();
            }
        }
    }
}
