//! `report`: everything that belongs into a bug report, in one piece.
//!
//! Invariants: a part that cannot be had says why and keeps no other from being there; there are no secrets in it.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::dead_letters;
use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::job::tally;
use crate::jobs;
use crate::output::Format;
use crate::page::Page;
use crate::redaction::redacted;
use crate::route::Route;
use crate::session::Session;
use crate::status::{self, Status};

/// Dead letters whose causes are counted.
const LETTERS: usize = 10_000;
/// Jobs that are in it.
const JOBS: &str = "20";

/// `report`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// As JSON, whatever --output says.
    #[arg(long, conflicts_with = "human")]
    json: bool,
    /// As text, whatever --output says.
    #[arg(long)]
    human: bool,
}

/// Collects it and prints it.
pub(crate) async fn run(session: &Session, options: &Options) -> Result<Code, Error> {
    // Where nobody answers there is nothing to report.
    let health = session.client.get(&Route::host("/health")).await;
    if let Err(error @ Error::Unreachable { .. }) = health {
        return Err(error);
    }
    let mut parts = Parts::default();
    parts.add("health", health);
    for (name, route) in [
        ("plugins", Route::host("/api/v1/plugins")),
        ("status", Route::sync("status")),
        ("capabilities", Route::sync("capabilities")),
        ("config", Route::sync("config")),
        ("jobs", Route::sync("jobs").with("limit", JOBS)),
    ] {
        parts.add(name, session.client.get(&route).await);
    }
    let letters = dead_letters::all(session, None, LETTERS).await.map(|found| {
        let causes = tally(found.letters.iter().map(|letter| letter.cause.as_str()));
        json!({"total": found.total, "looked_at": found.letters.len(), "causes": causes})
    });
    parts.add("dead_letters", letters);

    let code = Code::of(parts.are_whole);
    let mut all = Map::new();
    all.insert(
        "nexus_sync".to_owned(),
        json!({"version": env!("CARGO_PKG_VERSION")}),
    );
    all.insert("made_at".to_owned(), json!(jiff::Timestamp::now()));
    all.insert("host".to_owned(), json!(session.client.url()));
    all.extend(parts.all);
    let value = redacted(&Value::Object(all), &session.client);
    let output = match (options.json, options.human) {
        (true, _) => session.output.in_form(Format::Json),
        (_, true) => session.output.in_form(Format::Human),
        (false, false) => session.output,
    };
    output.result(&value, |page| write(page, &value))?;
    Ok(code)
}

struct Parts {
    all: Map<String, Value>,
    are_whole: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            all: Map::new(),
            are_whole: true,
        }
    }
}

impl Parts {
    fn add(&mut self, name: &str, part: Result<Value, Error>) {
        let part = part.unwrap_or_else(|error| {
            self.are_whole = false;
            json!({"error": error.to_string()})
        });
        self.all.insert(name.to_owned(), part);
    }
}

fn write(page: &mut Page, value: &Value) {
    page.fields(&[
        ("nexus-sync", text(&value["nexus_sync"]["version"])),
        ("made at", text(&value["made_at"])),
        ("host", text(&value["host"])),
        ("version", text(&value["health"]["version"])),
    ]);
    section(page, "plugins", &value["plugins"], |page, part| {
        let plugins = part["plugins"].as_array().map_or(&[][..], Vec::as_slice);
        let rows: Vec<Vec<String>> = plugins
            .iter()
            .map(|plugin| {
                let (handshake, health) = (&plugin["handshake"], &plugin["health"]);
                // Of a plugin at work, its own reason; of another one, the host's.
                let reason = match plugin["reason"].as_str() {
                    None | Some("") => &health["reason"],
                    Some(_) => &plugin["reason"],
                };
                let fields = [
                    &plugin["name"],
                    &plugin["state"],
                    &handshake["version"],
                    &handshake["rustc"],
                    &health["status"],
                    reason,
                ];
                fields.map(text).to_vec()
            })
            .collect();
        page.table(
            &["PLUGIN", "STATE", "VERSION", "RUSTC", "HEALTH", "REASON"],
            &rows,
        );
    });
    section(
        page,
        "status",
        &value["status"],
        |page, part| match serde_json::from_value::<Status>(part.clone()) {
            Ok(status) => status::write(page, &status),
            Err(error) => page.line(format!("not understood: {error}")),
        },
    );
    section(page, "capabilities", &value["capabilities"], |page, part| {
        let operations = part["capabilities"]["operations"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        if operations.is_empty() {
            page.line("not probed yet");
        }
        for operation in operations {
            let required = if operation["required"] == true {
                " (required)"
            } else {
                ""
            };
            let (name, form) = (text(&operation["operation"]), text(&operation["form"]));
            page.line(format!("{name}: {form}{required}"));
        }
    });
    section(page, "jobs", &value["jobs"], |page, part| {
        jobs::write_list(page, &jobs::of(part))
    });
    section(page, "dead letters", &value["dead_letters"], |page, part| {
        page.line(format!(
            "{} in all",
            figures::count(part["total"].as_u64().unwrap_or_default())
        ));
        for cause in part["causes"].as_array().into_iter().flatten() {
            let documents = figures::count(cause["documents"].as_u64().unwrap_or_default());
            page.line(format!("{documents:>8}  {}", text(&cause["cause"])));
        }
    });
    section(page, "configuration", &value["config"], |page, part| {
        for line in format!("{part:#}").lines() {
            page.line(line);
        }
    });
}

/// A part with its title, or why it is not there.
fn section(page: &mut Page, title: &str, part: &Value, write: impl FnOnce(&mut Page, &Value)) {
    page.gap();
    page.line(format!("== {title}"));
    match part["error"].as_str() {
        Some(error) if part.as_object().is_some_and(|fields| fields.len() == 1) => page.line(error),
        _ => write(page, part),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn, client};

    const NEITHER: Options = Options {
        json: false,
        human: false,
    };

    #[tokio::test]
    async fn a_part_that_cannot_be_had_keeps_no_other_away() {
        let host = StandIn::of(&[("GET /health", Reply::Json(200, json!({"version": "1"})))]);
        let session = Session::quiet(host.client());
        assert_eq!(run(&session, &NEITHER).await.unwrap(), Code::Wrong);
        assert_eq!(host.asked().len(), 7);
        let nobody = Session::quiet(client("http://127.0.0.1:1", None));
        assert_eq!(
            run(&nobody, &NEITHER).await.unwrap_err().code(),
            Code::Unreachable
        );
    }

    #[test]
    fn anything_that_a_host_says_can_be_shown() {
        for value in [
            json!({}),
            json!({"plugins": {"plugins": [1, {}]}, "status": [], "capabilities": {"capabilities": {"operations": [3]}},
                "jobs": {"jobs": "x"}, "dead_letters": {"causes": [{"cause": "a\u{1b}", "documents": 2}], "total": 2},
                "config": {"error": "refused"}}),
        ] {
            let mut page = Page::new(false);
            write(&mut page, &value);
            let text = page.into_text();
            assert!(
                text.contains("== configuration\n") && !text.contains('\u{1b}'),
                "{text}"
            );
        }
    }
}
