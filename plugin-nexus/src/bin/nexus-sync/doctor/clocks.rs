//! The clocks of the host and of Nexus against the one here. Signatures of webhooks and comparisons of times depend on them.

use std::time::Duration;

use reqwest::Method;
use vectorizer_plugin_nexus::config::Config;

use super::check::Checkup;
use crate::client::{Client, Way};
use crate::clock::{NOTABLE, Skew};
use crate::route::Route;

const HOST: &str = "clock of the host";
const NEXUS: &str = "clock of nexus";

/// The host's, by its answer; none: there was no answer.
pub(super) fn host(checkup: &mut Checkup, skew: Option<Option<Skew>>) {
    match skew {
        None => checkup.skip(HOST, "the host does not answer"),
        Some(skew) => judge(checkup, HOST, skew),
    }
}

/// The one of Nexus, if it answered.
pub(super) async fn nexus(checkup: &mut Checkup, section: Option<&Config>, answers: bool, timeout: Duration) {
    let Some(config) = section else {
        return checkup.skip(NEXUS, "no valid --config says where it is");
    };
    if !answers {
        return checkup.skip(NEXUS, "Nexus does not answer");
    }
    // Any answer has a date, so the key stays here.
    let way = Way {
        url: config.nexus_url.as_str(),
        key: None,
        ca_file: config.connection.ca_file.as_deref(),
        timeout,
    };
    let answer = match Client::new(way) {
        Ok(client) => client.send(Method::GET, &Route::host("/health"), None).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => judge(checkup, NEXUS, answer.skew),
        Err(error) => checkup.skip(NEXUS, error.to_string()),
    }
}

fn judge(checkup: &mut Checkup, name: &'static str, skew: Option<Skew>) {
    match skew {
        None => checkup.skip(name, "its answer has no date"),
        Some(skew) if skew.is_notable() => {
            let way = if skew.0 > 0.0 { "ahead of" } else { "behind" };
            checkup.warn(
                name,
                format!("at least {:.0} s {way} the clock here", skew.0.abs()),
                "have both machines' clocks set by a time server",
            );
        }
        Some(_) => checkup.ok(name, format!("within {NOTABLE:.0} s of the clock here")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn a_clock_is_worth_a_warning_from_five_seconds_on() {
        for (skew, result) in [
            (Some(Some(Skew(0.0))), Outcome::Ok),
            (Some(Some(Skew(4.9))), Outcome::Ok),
            (Some(Some(Skew(5.0))), Outcome::Warning),
            (Some(Some(Skew(-3_600.0))), Outcome::Warning),
            (Some(None), Outcome::Skipped),
            (None, Outcome::Skipped),
        ] {
            let mut checkup = Checkup::default();
            host(&mut checkup, skew);
            assert_eq!(checkup.checks()[0].result, result, "{skew:?}");
        }
        let mut checkup = Checkup::default();
        host(&mut checkup, Some(Some(Skew(-7.2))));
        assert_eq!(checkup.checks()[0].seen, "at least 7 s behind the clock here");
    }
}
