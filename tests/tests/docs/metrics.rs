//! The reference of metrics, made from what is registered.
//!
//! Invariant: nothing is written here by hand but what the parts are.

use std::fmt::Write as _;

use vectorizer_plugin_nexus::metrics::Metrics;

struct Row<'a> {
    name: &'a str,
    kind: &'a str,
    labels: Vec<&'a str>,
    help: &'a str,
}

/// The reference, in Markdown.
pub(super) fn reference() -> String {
    let mut text = "# Metrics\n\nWhat `GET /prometheus/metrics` of the host serves. Made from the code by `cargo xtask docs`; a test compares. \
        What to watch, and when to worry, is in [operating.md](operating.md); a dashboard and alert rules are in [monitoring/](../monitoring/README.md).\n\n\
        A metric with labels appears with its first event, so a rule on one that never happened sees nothing, not 0. Collections beyond the first \
        hundred share the label `_other`, kinds of entities beyond the first fifty likewise.\n"
        .to_owned();
    let metrics = Metrics::new().unwrap();
    let own = metrics.described().iter().map(|metric| Row {
        name: &metric.name,
        kind: metric.kind.name(),
        labels: metric.labels.clone(),
        help: metric.help,
    });
    table(&mut text, "The plugin `nexus`", own);
    for (title, families) in [
        (
            "Plugins, as their host sees them",
            vectorizer_host_shim::metrics::described(),
        ),
        ("`vectorizer-host` itself", vectorizer_host::plugins::described()),
        (
            "`vectorizer-host` in front of a Vectorizer",
            vectorizer_host::sidecar::described(),
        ),
    ] {
        let rows = families.iter().map(|family| Row {
            name: family.name,
            kind: family.kind.name(),
            labels: family.labels.to_vec(),
            help: family.help,
        });
        table(&mut text, title, rows);
    }
    text
}

fn table<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = Row<'a>>) {
    let _ = write!(text, "\n## {title}\n\n| metric | kind | |\n| --- | --- | --- |\n");
    for Row {
        name,
        kind,
        labels,
        help,
    } in rows
    {
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(
            text,
            "| `{name}{labels}` | {kind} | {} |",
            help.replace('|', "\\|")
        );
    }
}
