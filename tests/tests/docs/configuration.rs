//! The reference of the configuration, made from the code: names, types and purposes from its schema, ranges by asking its check.
//!
//! Invariant: nothing is written here by hand, so that nothing in it can be out of date.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use vectorizer_plugin_nexus::config::Config;
use vectorizer_plugin_nexus::settings::{counts_at_once, variables};

const SECTION: &str = "nexus_integration";

/// The reference, in Markdown.
pub(super) fn reference() -> String {
    let schema = Config::schema();
    let mut text = format!(
        "# Configuration\n\nThe section `{SECTION}:` of the host's configuration, key by key. Made from the code by `cargo xtask docs`; a test compares.\n\n\
         Unknown keys, wrong types and values out of range are refused with the key, what was found and what is allowed, all at once. `${{NAME}}` and \
         `${{NAME:-default}}` stand for variables of the environment.\n\n\
         Settings come from the configuration file, over these from requests (`PUT /api/v1/sync/nexus/config`, kept in `settings.json` in the plugin's \
         folder), and over these from the environment. While the plugin runs they change by request, or when the host reads its file again (SIGHUP, \
         `POST /api/v1/plugins/reload`); those marked `restart` count after the next start.\n"
    );
    text.push_str("\n## Environment\n\n| variable | key |\n| --- | --- |\n");
    for (variable, key) in variables() {
        let _ = writeln!(text, "| `{variable}` | `{key}` |");
    }
    text.push_str("\nAn empty variable is none. Switches take `true` and `false`, lists have commas between their texts.\n");
    section(&mut text, &schema, &schema, &mut Vec::new());
    text
}

/// Writes an object's keys, then the objects in it.
fn section(text: &mut String, root: &Value, object: &Value, path: &mut Vec<String>) {
    let name = [SECTION]
        .into_iter()
        .chain(path.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(".");
    let _ = write!(text, "\n## `{name}`\n\n");
    if !path.is_empty()
        && let Some(purpose) = object["description"].as_str()
    {
        // The first line of an object names it, which the heading does.
        let purpose = purpose.split_once(":`. ").map_or("", |(_, rest)| rest);
        if !purpose.is_empty() {
            let _ = write!(text, "{}\n\n", line(purpose));
        }
    }
    text.push_str("| key | type | counts | |\n| --- | --- | --- | --- |\n");
    let mut inner = Vec::new();
    for (key, property) in object["properties"].as_object().into_iter().flatten() {
        let target = resolved(root, property);
        let purpose = property["description"]
            .as_str()
            .or(target["description"].as_str());
        path.push(key.clone());
        let _ = writeln!(
            text,
            "| `{key}` | {} | {} | {} |",
            kind(root, property, path),
            counts(target, path),
            line(purpose.unwrap_or_default())
        );
        path.pop();
        let item = resolved(root, &target["items"]);
        if target["properties"].is_object() {
            inner.push((key.clone(), target));
        } else if item["properties"].is_object() {
            inner.push((format!("{key}[]"), item));
        }
    }
    for (key, target) in inner {
        path.push(key);
        section(text, root, target, path);
        path.pop();
    }
}

/// What a property refers to, itself where it refers to nothing.
fn resolved<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    let reference = property["$ref"].as_str().or_else(|| {
        let options = property["anyOf"].as_array()?;
        options.iter().find_map(|option| option["$ref"].as_str())
    });
    match reference.and_then(|reference| root.pointer(reference.trim_start_matches('#'))) {
        Some(target) => target,
        None => property,
    }
}

/// When a changed key counts; of a section each key says so itself.
fn counts(target: &Value, path: &[String]) -> &'static str {
    let key = path.join(".").replace("[]", "");
    match (target["properties"].is_object(), counts_at_once(&key)) {
        (true, _) => "",
        (false, true) => "at once",
        (false, false) => "restart",
    }
}

/// A property's type, for people.
fn kind(root: &Value, property: &Value, path: &[String]) -> String {
    let target = resolved(root, property);
    let values: Vec<&str> = target["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|option| option["const"].as_str())
        .chain(
            target["oneOf"]
                .as_array()
                .into_iter()
                .flatten()
                .chain([target])
                .flat_map(|option| option["enum"].as_array().into_iter().flatten())
                .filter_map(Value::as_str),
        )
        .collect();
    if !values.is_empty() {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    let name = match &target["type"] {
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null"),
        name => name.as_str(),
    };
    match name {
        Some("object") if target["properties"].is_object() => "section".to_owned(),
        Some("object") => "map".to_owned(),
        Some("array") => {
            let item = resolved(root, &target["items"]);
            match item["properties"].is_object() {
                true => "list of sections".to_owned(),
                false => format!("list of {}s", item["type"].as_str().unwrap_or("value")),
            }
        }
        Some("integer") => format!("integer{}", range(path, json!(u32::MAX))),
        Some("number") => format!("number{}", range(path, json!(1e6))),
        Some(name) => name.to_owned(),
        None => "value".to_owned(),
    }
}

/// What the check says is allowed, having seen a value that hardly anything allows.
fn range(path: &[String], value: Value) -> String {
    if path.iter().any(|key| key.ends_with("[]")) {
        return String::new();
    }
    let mut config = json!({"nexus_url": "http://127.0.0.1:15474"});
    let mut at = &mut config;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = value;
    let Err(error) = Config::from_json(&config.to_string()) else {
        return String::new();
    };
    let begin = format!("{SECTION}.{}: ", path.join("."));
    let fault = error.faults.iter().find(|fault| fault.starts_with(&begin));
    match fault.and_then(|fault| fault.split_once("allowed are ")) {
        Some((_, range)) => format!(", {range}"),
        None => String::new(),
    }
}

fn line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
