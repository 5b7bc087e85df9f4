//! One word for how the server and its plugins do: the worst of theirs.

use serde::Serialize;
use vectorizer_host_shim::{PluginReport, State};
use vectorizer_plugin_api::HealthStatus;

/// How a plugin does, for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    Healthy,
    Degraded,
    /// It is called, but did not say how it does in time.
    Unknown,
    /// It says so, or is not called at all.
    Unhealthy,
}

impl Word {
    pub(super) fn of(report: &PluginReport) -> Self {
        match report.state {
            State::Declared | State::Faulted | State::Stopped => Self::Unhealthy,
            State::Loaded | State::Started => match report.health.as_ref().map(|health| health.status) {
                Some(HealthStatus::Healthy) => Self::Healthy,
                Some(HealthStatus::Degraded) => Self::Degraded,
                Some(HealthStatus::Unhealthy) => Self::Unhealthy,
                None => Self::Unknown,
            },
        }
    }
}

/// How the server itself does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerPart {
    /// Its store cannot be read.
    Broken,
    Serving,
    /// It has not started yet, or is stopping.
    NotServing,
}

/// The worst of all. A plugin that did not say how it does counts as degraded.
pub(super) fn overall(server: ServerPart, plugins: &[Word]) -> HealthStatus {
    if server == ServerPart::Broken || plugins.contains(&Word::Unhealthy) {
        HealthStatus::Unhealthy
    } else if server == ServerPart::Serving && plugins.iter().all(|word| *word == Word::Healthy) {
        HealthStatus::Healthy
    } else {
        HealthStatus::Degraded
    }
}

#[cfg(test)]
mod tests {
    use vectorizer_plugin_api::Health;

    use super::*;

    fn word(state: State, health: Option<Health>) -> Word {
        Word::of(&PluginReport {
            name: "p".to_owned(),
            state,
            reason: String::new(),
            handshake: None,
            health,
        })
    }

    #[test]
    fn a_plugin_that_is_not_called_is_unhealthy_and_a_late_one_unknown() {
        for state in [State::Declared, State::Faulted, State::Stopped] {
            assert_eq!(word(state, None), Word::Unhealthy, "{state:?}");
        }
        for state in [State::Loaded, State::Started] {
            assert_eq!(word(state, None), Word::Unknown);
            assert_eq!(word(state, Some(Health::healthy())), Word::Healthy);
            assert_eq!(word(state, Some(Health::degraded("x"))), Word::Degraded);
            assert_eq!(word(state, Some(Health::unhealthy("x"))), Word::Unhealthy);
        }
    }

    #[test]
    fn the_worst_counts() {
        use ServerPart::{Broken, NotServing, Serving};
        use Word::{Degraded, Healthy, Unhealthy, Unknown};
        assert_eq!(overall(Serving, &[]), HealthStatus::Healthy);
        assert_eq!(overall(Serving, &[Healthy, Healthy]), HealthStatus::Healthy);
        assert_eq!(overall(Broken, &[Healthy]), HealthStatus::Unhealthy);
        assert_eq!(overall(NotServing, &[Healthy]), HealthStatus::Degraded);
        assert_eq!(overall(Serving, &[Healthy, Degraded]), HealthStatus::Degraded);
        assert_eq!(overall(Serving, &[Unknown]), HealthStatus::Degraded);
        assert_eq!(
            overall(NotServing, &[Unhealthy, Unknown]),
            HealthStatus::Unhealthy
        );
    }
}
