//! The shim's own metric families.
//!
//! Invariants:
//! - [`described`] and a scrape come from one table, so that what documentation and dashboards are compared with is what is
//!   scraped.
//! - A family without samples is left out.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::calls::{Call, Outcome};
use crate::plugin::{PluginEntry, State};

/// What a metric family measures, in the words of the Prometheus text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// A value that rises and falls.
    Gauge,
    /// A count since the start.
    Counter,
    /// Observations by size.
    Histogram,
}

impl FamilyKind {
    /// The word in a `# TYPE` line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric family as documentation and dashboards know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricFamily {
    /// Its name. The unit is part of it, as `_seconds`.
    pub name: &'static str,
    /// What it measures.
    pub kind: FamilyKind,
    /// Its labels in the order in which they are written, `le` of a histogram left out.
    pub labels: &'static [&'static str],
    /// What it says, in one line.
    pub help: &'static str,
}

impl MetricFamily {
    /// Writes its comment lines.
    pub fn write_header(&self, text: &mut String) {
        let Self { name, kind, help, .. } = self;
        let kind = kind.name();
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}

/// Writes the samples of one plugin.
type Samples = fn(&MetricFamily, &PluginEntry, &mut String);

/// All families, with what writes their samples.
const FAMILIES: [(MetricFamily, Samples); 6] = [
    (
        MetricFamily {
            name: "vectorizer_plugin_state",
            kind: FamilyKind::Gauge,
            labels: &["plugin", "state"],
            help: "1 for the state a plugin is in",
        },
        states,
    ),
    (
        MetricFamily {
            name: "vectorizer_plugin_refused",
            kind: FamilyKind::Gauge,
            labels: &["plugin", "reason"],
            help: "1 for a plugin that could not be loaded, by the class of the reason",
        },
        refused,
    ),
    (
        MetricFamily {
            name: "vectorizer_plugin_calls_total",
            kind: FamilyKind::Counter,
            labels: &["plugin", "call", "result"],
            help: "Calls of a plugin by what came of them",
        },
        calls,
    ),
    (
        MetricFamily {
            name: "vectorizer_plugin_call_duration_seconds",
            kind: FamilyKind::Histogram,
            labels: &["plugin", "call"],
            help: "Time spent inside a call of a plugin",
        },
        durations,
    ),
    (
        MetricFamily {
            name: "vectorizer_plugin_refused_hints_total",
            kind: FamilyKind::Counter,
            labels: &["plugin"],
            help: "Change hints a plugin did not take",
        },
        refused_hints,
    ),
    (
        MetricFamily {
            name: "vectorizer_plugin_panics_total",
            kind: FamilyKind::Counter,
            labels: &["plugin"],
            help: "Panics caught at a plugin's boundary",
        },
        panics,
    ),
];

/// The shim's own families, in the order of a scrape. One that has nothing to say is left out of a scrape.
#[must_use]
pub fn described() -> Vec<MetricFamily> {
    FAMILIES.iter().map(|(family, _)| *family).collect()
}

pub(super) fn write(entries: &[Arc<PluginEntry>]) -> String {
    let mut text = String::new();
    for (family, samples) in &FAMILIES {
        let mut lines = String::new();
        for entry in entries {
            samples(family, entry, &mut lines);
        }
        if !lines.is_empty() {
            family.write_header(&mut text);
            text.push_str(&lines);
        }
    }
    text
}

fn states(family: &MetricFamily, entry: &PluginEntry, text: &mut String) {
    let (name, plugin, now) = (family.name, entry.name(), entry.state());
    for state in State::ALL {
        let (word, value) = (state.name(), u8::from(state == now));
        let _ = writeln!(text, "{name}{{plugin=\"{plugin}\",state=\"{word}\"}} {value}");
    }
}

fn refused(family: &MetricFamily, entry: &PluginEntry, text: &mut String) {
    if let Some(reason) = entry.refusal() {
        let (name, plugin) = (family.name, entry.name());
        let _ = writeln!(text, "{name}{{plugin=\"{plugin}\",reason=\"{reason}\"}} 1");
    }
}

fn calls(family: &MetricFamily, entry: &PluginEntry, text: &mut String) {
    let (name, plugin) = (family.name, entry.name());
    for call in Call::ALL {
        for outcome in Outcome::ALL {
            let value = entry.counters.calls.count(call, outcome);
            let (call, result) = (call.name(), outcome.name());
            let _ = writeln!(
                text,
                "{name}{{plugin=\"{plugin}\",call=\"{call}\",result=\"{result}\"}} {value}"
            );
        }
    }
}

fn durations(family: &MetricFamily, entry: &PluginEntry, text: &mut String) {
    for call in Call::ALL {
        let labels = format!("plugin=\"{}\",call=\"{}\"", entry.name(), call.name());
        entry
            .counters
            .calls
            .durations(call)
            .write(family.name, &labels, text);
    }
}

fn refused_hints(family: &MetricFamily, entry: &PluginEntry, text: &mut String) {
    let value = entry.counters.refused_hints.load(Ordering::Relaxed);
    let _ = writeln!(text, "{}{{plugin=\"{}\"}} {value}", family.name, entry.name());
}

fn panics(family: &MetricFamily, entry: &PluginEntry, text: &mut String) {
    let value = entry.counters.panics.load(Ordering::Relaxed);
    let _ = writeln!(text, "{}{{plugin=\"{}\"}} {value}", family.name, entry.name());
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::super::families::{families, family_names};
    use super::*;
    use crate::error::LoadError;

    fn entries() -> Vec<Arc<PluginEntry>> {
        let error = LoadError::DataDir {
            path: PathBuf::from("/x"),
            reason: "no room".to_owned(),
        };
        vec![Arc::new(PluginEntry::refused("a-b", None, &error))]
    }

    #[test]
    fn a_scrape_has_what_is_described_and_nothing_else() {
        let entries = entries();
        let text = write(&entries);
        let found = families(&text);
        assert!(found.iter().all(|family| family.is_valid()), "{text}");
        let names: Vec<_> = described().iter().map(|family| family.name.to_owned()).collect();
        assert_eq!(found.iter().map(|family| family.name).collect::<Vec<_>>(), names);
        assert_eq!(family_names(&text).len(), names.len(), "each once");
        for MetricFamily {
            name,
            kind,
            labels,
            help,
        } in described()
        {
            let header = format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
            let labels: Vec<String> = labels.iter().map(|label| format!("{label}=\"")).collect();
            let sample = text.split(&header).nth(1).unwrap().lines().next().unwrap();
            for label in labels {
                assert!(sample.contains(&label), "{sample} has no {label}");
            }
        }
    }

    #[test]
    fn a_plugin_that_was_not_loaded_says_so_with_the_class_of_the_reason() {
        let text = write(&entries());
        let refused: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("vectorizer_plugin_refused{"))
            .collect();
        assert_eq!(
            refused,
            ["vectorizer_plugin_refused{plugin=\"a-b\",reason=\"data_dir\"} 1"]
        );
    }

    #[test]
    fn what_came_of_calls_adds_up_to_their_durations() {
        let entries = entries();
        let calls = &entries[0].counters.calls;
        calls.record(Call::Notify, Outcome::Ok, Duration::from_micros(1));
        calls.record(Call::Notify, Outcome::Ok, Duration::from_micros(1));
        calls.record(Call::Notify, Outcome::Refused, Duration::from_micros(1));
        let text = write(&entries);
        for line in [
            "vectorizer_plugin_calls_total{plugin=\"a-b\",call=\"notify\",result=\"ok\"} 2\n",
            "vectorizer_plugin_calls_total{plugin=\"a-b\",call=\"notify\",result=\"refused\"} 1\n",
            "vectorizer_plugin_calls_total{plugin=\"a-b\",call=\"http\",result=\"ok\"} 0\n",
            "vectorizer_plugin_call_duration_seconds_count{plugin=\"a-b\",call=\"notify\"} 3\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn without_plugins_there_are_no_families() {
        assert_eq!(write(&[]), "");
    }

    #[test]
    fn promtool_has_nothing_to_say() {
        let program = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
        let promtool = Command::new(program)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = promtool else {
            assert!(std::env::var_os("CI").is_none(), "there is no promtool");
            eprintln!("notice: not run: there is no promtool");
            return;
        };
        let text = write(&entries());
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "");
        assert!(output.status.success());
    }
}
