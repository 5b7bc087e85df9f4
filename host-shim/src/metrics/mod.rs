//! One scrape out of the shim's own metrics and the plugins' texts.
//!
//! Invariant: whatever a plugin returns, the result is valid Prometheus text with each family once. A plugin has
//! half a second to answer; one that is late is left out, and asked again only after it came back.

mod append;
mod families;
mod own;

use std::sync::Arc;

use crate::asking::Late;
use crate::plugin::PluginEntry;

pub use append::append;
pub use own::{FamilyKind, MetricFamily, described};

pub(crate) fn gather(entries: &[Arc<PluginEntry>]) -> String {
    let mut text = own::write(entries);
    let mut names = families::family_names(&text);
    // All are asked before one is waited for, so that the slow ones cost one patience together.
    let asked: Vec<_> = entries
        .iter()
        .filter(|entry| entry.callable().is_some())
        .map(|entry| (entry, entry.ask_metrics()))
        .collect();
    for (entry, pending) in asked {
        let answer = match pending.wait() {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => {
                tracing::warn!(plugin = entry.name(), %fault, "no metrics from the plugin");
                continue;
            }
            Err(Late) => {
                tracing::warn!(plugin = entry.name(), "the plugin's metrics are late");
                continue;
            }
        };
        let prefix = format!("vectorizer_{}_", entry.name().replace('-', "_"));
        for family in families::families(&answer) {
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
