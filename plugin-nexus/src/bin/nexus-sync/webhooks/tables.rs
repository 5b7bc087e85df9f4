//! Subscriptions, attempts and undelivered messages, for people. What a host does not say stays empty.

use serde_json::Value;

use crate::figures;
use crate::page::{Page, Tone};

/// A value in one cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), figures::count),
        other => other.to_string(),
    }
}

fn rows(list: &Value, columns: &[&str]) -> Vec<Vec<String>> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items
        .iter()
        .map(|item| columns.iter().map(|name| cell(&item[*name])).collect())
        .collect()
}

/// All of them.
pub(super) fn subscriptions(page: &mut Page, value: &Value) {
    let rows = rows(
        &value["webhooks"],
        &[
            "id",
            "state",
            "waiting",
            "dead_letters",
            "missed",
            "failures_in_a_row",
            "url",
            "description",
        ],
    );
    if rows.is_empty() {
        page.line("no subscriptions");
        return;
    }
    let head = [
        "ID",
        "STATE",
        "WAITING",
        "DEAD",
        "MISSED",
        "FAILURES",
        "URL",
        "DESCRIPTION",
    ];
    page.table(&head, &rows);
}

/// One of them. Its secret is in it only where it is to be shown.
pub(super) fn subscription(page: &mut Page, value: &Value) {
    let all = |name: &str| match &value[name] {
        Value::Null => "all".to_owned(),
        some => cell(some),
    };
    let mut fields = vec![
        ("id", cell(&value["id"])),
        ("url", cell(&value["url"])),
        ("state", cell(&value["state"])),
        ("events", all("events")),
        ("collections", all("collections")),
        ("description", cell(&value["description"])),
        ("created", cell(&value["created_at"])),
        ("waiting", cell(&value["waiting"])),
        ("dead letters", cell(&value["dead_letters"])),
        ("missed", cell(&value["missed"])),
        ("failures in a row", cell(&value["failures_in_a_row"])),
    ];
    for (name, title) in [
        ("disabled_because", "disabled because"),
        ("disabled_since", "disabled since"),
        ("old_secret_until", "old secret until"),
        ("secret", "secret"),
        ("secret_file", "secret is in"),
    ] {
        if !value[name].is_null() {
            fields.push((title, cell(&value[name])));
        }
    }
    page.fields(&fields);
}

/// What came of a test.
pub(super) fn test(page: &mut Page, value: &Value) {
    let (tone, word) = match value["delivered"].as_bool() {
        Some(true) => (Tone::Good, "delivered"),
        _ => (Tone::Bad, "not delivered"),
    };
    let error = match &value["error"] {
        Value::Null => String::new(),
        error => format!(": {}", cell(error)),
    };
    let rest = format!(
        " (status {}, {} ms){error}",
        cell(&value["status"]),
        cell(&value["duration_ms"])
    );
    page.toned(tone, word, &rest);
}

/// The last attempts.
pub(super) fn deliveries(page: &mut Page, value: &Value) {
    let columns = [
        "at",
        "event",
        "collection",
        "id",
        "delivered",
        "status",
        "duration_ms",
        "error",
    ];
    let rows = rows(&value["deliveries"], &columns);
    if rows.is_empty() {
        page.line("no deliveries");
        return;
    }
    page.table(
        &[
            "AT",
            "EVENT",
            "COLLECTION",
            "ID",
            "DELIVERED",
            "STATUS",
            "MS",
            "ERROR",
        ],
        &rows,
    );
}

/// What is not tried any more.
pub(super) fn dead_letters(page: &mut Page, value: &Value) {
    let columns = [
        "number",
        "event",
        "collection",
        "id",
        "attempts",
        "last_attempt_at",
        "status",
        "error",
    ];
    let rows = rows(&value["dead_letters"], &columns);
    if rows.is_empty() {
        page.line("no dead letters");
        return;
    }
    page.table(
        &[
            "NUMBER",
            "EVENT",
            "COLLECTION",
            "ID",
            "ATTEMPTS",
            "LAST ATTEMPT",
            "STATUS",
            "ERROR",
        ],
        &rows,
    );
    let total = value["total"].as_u64().unwrap_or_default();
    if total > rows.len() as u64 {
        page.gap();
        page.line(format!(
            "{} of {} dead letters",
            rows.len(),
            figures::count(total)
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(write: fn(&mut Page, &Value), value: Value) -> String {
        let mut page = Page::new(false);
        write(&mut page, &value);
        page.into_text()
    }

    #[test]
    fn anything_that_a_host_says_can_be_shown() {
        for write in [subscriptions, subscription, test, deliveries, dead_letters] {
            for value in [
                json!({}),
                json!({"webhooks": 7, "deliveries": {}, "dead_letters": "x"}),
                json!({"webhooks": [1, null, {}], "deliveries": [[]], "dead_letters": [{"id": {"a": 1}}]}),
            ] {
                text(write, value);
            }
        }
        assert_eq!(text(subscriptions, json!({"webhooks": []})), "no subscriptions\n");
        let shown = text(
            subscription,
            json!({"id": "1", "events": ["a", "b"], "collections": null}),
        );
        assert!(
            shown.contains("events             a, b\n") && shown.contains("collections        all\n"),
            "{shown}"
        );
        assert!(!shown.contains("secret"), "{shown}");
        let failed = text(
            test,
            json!({"delivered": false, "status": 500, "duration_ms": 12, "error": "no"}),
        );
        assert_eq!(failed, "not delivered (status 500, 12 ms): no\n");
    }
}
