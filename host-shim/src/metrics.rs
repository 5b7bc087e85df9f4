//! One scrape out of the shim's own metrics and the plugins' texts.
//!
//! Invariant: whatever a plugin returns, the result is valid Prometheus text with each family once. A plugin has
//! [`PATIENCE`] to answer; one that is late is asked again only after it came back.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use vectorizer_plugin_api::library::PluginInstance;

use crate::plugin::{PluginEntry, State};

/// How long one scrape waits for a plugin.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn gather(entries: &[Arc<PluginEntry>]) -> String {
    let mut text = own(entries);
    let mut names = family_names(&text);
    for entry in entries.iter().filter(|entry| entry.callable().is_some()) {
        let Some(answer) = ask(entry) else { continue };
        let prefix = format!("vectorizer_{}_", entry.name().replace('-', "_"));
        for family in families(&answer) {
            if family.name.starts_with(&prefix) && family.is_valid() && names.insert(family.name.to_owned()) {
                family.write(&mut text);
            } else {
                tracing::debug!(
                    plugin = entry.name(),
                    family = family.name,
                    "metric family left out"
                );
            }
        }
    }
    text
}

/// Asks on a thread of its own, so that a plugin that hangs holds up only that thread.
fn ask(entry: &Arc<PluginEntry>) -> Option<String> {
    if !entry.counters.begin_scrape() {
        return None;
    }
    let (send, receive) = mpsc::sync_channel(1);
    let asked = Arc::clone(entry);
    let spawned = thread::Builder::new()
        .name("plugin-metrics".into())
        .spawn(move || {
            let answer = asked.call(PluginInstance::metrics);
            asked.counters.end_scrape();
            let _ = send.send(answer);
        });
    if spawned.is_err() {
        entry.counters.end_scrape();
        return None;
    }
    match receive.recv_timeout(PATIENCE) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(fault)) => {
            tracing::warn!(plugin = entry.name(), %fault, "no metrics from the plugin");
            None
        }
        Err(_) => {
            tracing::warn!(plugin = entry.name(), "the plugin's metrics are late");
            None
        }
    }
}

fn own(entries: &[Arc<PluginEntry>]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, lines: &dyn Fn(&PluginEntry, &mut String)| {
        if entries.is_empty() {
            return;
        }
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for entry in entries {
            lines(entry, &mut text);
        }
    };
    family(
        "vectorizer_plugin_state",
        "gauge",
        "1 for the state a plugin is in",
        &|entry, text| {
            for state in State::ALL {
                let value = u8::from(entry.state() == state);
                let _ = writeln!(
                    text,
                    "vectorizer_plugin_state{{plugin=\"{}\",state=\"{}\"}} {value}",
                    entry.name(),
                    state.name()
                );
            }
        },
    );
    type Read = fn(&PluginEntry) -> &AtomicU64;
    let counters: [(&str, &str, Read); 3] = [
        (
            "vectorizer_plugin_refused_hints_total",
            "Change hints a plugin did not take",
            |entry| &entry.counters.refused_hints,
        ),
        (
            "vectorizer_plugin_http_calls_total",
            "Requests handed to a plugin",
            |entry| &entry.counters.http_calls,
        ),
        (
            "vectorizer_plugin_panics_total",
            "Panics caught at a plugin's boundary",
            |entry| &entry.counters.panics,
        ),
    ];
    for (name, help, read) in counters {
        family(name, "counter", help, &|entry, text| {
            let value = read(entry).load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}{{plugin=\"{}\"}} {value}", entry.name());
        });
    }
    let name = "vectorizer_plugin_notify_seconds";
    family(
        name,
        "histogram",
        "Time for handing one change batch to a plugin",
        &|entry, text| {
            entry
                .counters
                .notify
                .write(name, &format!("plugin=\"{}\"", entry.name()), text);
        },
    );
    text
}

/// A metric family: its comment lines and samples.
struct Family<'a> {
    name: &'a str,
    comments: Vec<&'a str>,
    samples: Vec<&'a str>,
}

impl Family<'_> {
    fn is_valid(&self) -> bool {
        is_metric_name(self.name)
            && !self.samples.is_empty()
            && self.samples.iter().all(|sample| is_sample(self.name, sample))
    }

    fn write(&self, text: &mut String) {
        for line in self.comments.iter().chain(&self.samples) {
            text.push_str(line);
            text.push('\n');
        }
    }
}

/// Splits a text at its `# HELP` and `# TYPE` lines. Samples before the first of them belong to no family and
/// are dropped.
fn families(text: &str) -> Vec<Family<'_>> {
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

fn family_names(text: &str) -> HashSet<String> {
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
