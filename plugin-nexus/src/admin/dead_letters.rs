//! Dead letters, to be listed, looked at, replayed and purged.
//!
//! A list comes in pages. `next` of one page is `after` of the next: collection and id, of which bytes outside
//! `[A-Za-z0-9._-]` are written as `~` and two hex digits, so that it passes through a query as it is.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Value, json};
use vectorizer_plugin_api::Request;

use crate::api::{self, ApiError, Query};
use crate::journal::{Chosen, DeadLetter, DocumentId, Journal, moment_of};

const LIST: &str = "/admin/sync/dead-letters";
const ITEM: &str = "/admin/sync/dead-letters/item";
const REPLAY: &str = "/admin/sync/dead-letters/replay";
const PURGE: &str = "/admin/sync/dead-letters/purge";

pub(super) const ROUTES: [(&str, &str); 4] =
    [("GET", LIST), ("GET", ITEM), ("POST", REPLAY), ("POST", PURGE)];

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

pub(super) fn respond(journal: &Journal, request: &Request) -> Option<Result<Value, ApiError>> {
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("GET", LIST) => list(journal, &request.query),
        ("GET", ITEM) => item(journal, &request.query),
        ("POST", REPLAY) => replay(journal, &request.body),
        ("POST", PURGE) => purge(journal, &request.body),
        _ => return None,
    })
}

fn list(journal: &Journal, query: &str) -> Result<Value, ApiError> {
    let query = Query::parse(query, &["collection", "after", "limit"])?;
    let limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let after = match query.text("after")? {
        Some(text) => {
            Some(decode(text).ok_or_else(|| ApiError::field("after", "must be the `next` of another page"))?)
        }
        None => None,
    };
    let page = journal.dead_letters(query.text("collection")?, after.as_ref(), limit)?;
    let letters = page
        .letters
        .iter()
        .map(|(document, letter)| show(document, letter));
    Ok(json!({
        "dead_letters": letters.collect::<Vec<_>>(),
        "total": page.total,
        "next": page.next.as_ref().map(encode),
    }))
}

fn item(journal: &Journal, query: &str) -> Result<Value, ApiError> {
    let query = Query::parse(query, &["collection", "id"])?;
    let document = DocumentId::new(query.required("collection")?, query.required("id")?);
    match journal.dead_letter(&document)? {
        Some(letter) => Ok(show(&document, &letter)),
        None => Err(ApiError::NotFound("the document is no dead letter")),
    }
}

fn replay(journal: &Journal, body: &[u8]) -> Result<Value, ApiError> {
    let selection = Selection::parse(body)?;
    let count = journal.replay(selection.chosen()?)?;
    tracing::info!(count, "dead letters were replayed");
    Ok(json!({"replayed": count}))
}

fn purge(journal: &Journal, body: &[u8]) -> Result<Value, ApiError> {
    let selection = Selection::parse(body)?;
    let count = journal.purge(selection.chosen()?)?;
    tracing::info!(count, "dead letters were purged");
    Ok(json!({"purged": count}))
}

/// Which dead letters a request is for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    #[serde(default)]
    collection: Option<String>,
    #[serde(default)]
    ids: Option<Vec<String>>,
}

impl Selection {
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        api::body(body)
    }

    fn chosen(&self) -> Result<Chosen<'_>, ApiError> {
        match (self.collection.as_deref(), &self.ids) {
            (Some(""), _) => Err(ApiError::field("collection", "must not be empty")),
            (Some(collection), Some(ids)) => Ok(Chosen::Ids(collection, ids)),
            (Some(collection), None) => Ok(Chosen::Collection(collection)),
            (None, None) => Ok(Chosen::All),
            (None, Some(_)) => Err(ApiError::field("ids", "need the collection that they are of")),
        }
    }
}

fn show(document: &DocumentId, letter: &DeadLetter) -> Value {
    json!({
        "collection": document.collection,
        "id": document.id,
        "work": letter.work.names().collect::<Vec<_>>(),
        "cause": letter.cause,
        "attempts": letter.attempts,
        "first_failed_at": moment_of(letter.first_micros),
        "last_failed_at": moment_of(letter.last_micros),
        "in_store": letter.seen.is_some(),
    })
}

fn encode(document: &DocumentId) -> String {
    let mut text = String::new();
    for (at, part) in [&document.collection, &document.id].into_iter().enumerate() {
        if at > 0 {
            text.push('/');
        }
        for byte in part.bytes() {
            if is_plain(byte) {
                text.push(char::from(byte));
            } else {
                // Writing to a String does not fail.
                let _ = write!(text, "~{byte:02X}");
            }
        }
    }
    text
}

fn decode(text: &str) -> Option<DocumentId> {
    let (collection, id) = text.split_once('/')?;
    Some(DocumentId::new(decode_part(collection)?, decode_part(id)?))
}

fn decode_part(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'~' {
            let (hex, behind) = rest.split_first_chunk::<2>()?;
            let [high, low] = hex.map(|digit| char::from(digit).to_digit(16));
            bytes.push(u8::try_from(high? * 16 + low?).ok()?);
            rest = behind;
        } else if is_plain(*first) {
            bytes.push(*first);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use vectorizer_plugin_api::{Caller, Role};

    use super::*;
    use crate::backoff::Backoff;
    use crate::journal::{Attempts, Durability, Refusal, Settings, Stage, Work};

    /// A journal with these dead letters.
    fn journal(folder: &std::path::Path, documents: &[(&str, &str)]) -> Journal {
        let settings = Settings {
            durability: Durability::Interval,
            flush_interval: Duration::from_millis(5),
            max_pending: 1_000,
            attempts: Attempts {
                backoff: Backoff {
                    base: Duration::from_secs(1),
                    longest: Duration::from_secs(1),
                },
                most: 1,
                max_dead_letters: 1_000,
            },
        };
        let journal = Journal::open(folder, settings).unwrap();
        for (collection, id) in documents {
            journal.add(collection, [*id].into_iter(), Work::NODE, 1).unwrap();
            let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
            let refusals = [Refusal {
                id: (*id).into(),
                cause: "not liked".to_owned(),
                seen: None,
            }];
            journal.commit(&batch, Vec::new(), &refusals, &[], 1).unwrap();
        }
        journal
    }

    fn ask(journal: &Journal, method: &str, target: &str, body: &str) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            caller: Caller {
                role: Role::Admin,
                name: String::new(),
            },
        };
        let answer = super::respond(journal, &request).unwrap();
        let answer = api::response(answer.map(|body| (200, body)));
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    #[test]
    fn pages_follow_each_other_by_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            ("a b/c", "ä'\""),
            ("a b/c", "~%"),
            ("b", "1"),
            ("b", "2"),
            ("b", "3"),
        ];
        let journal = journal(folder.path(), &all);
        let walk = |filter: &str| {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let (status, page) = ask(&journal, "GET", &format!("{LIST}?limit=2{filter}{after}"), "");
                assert_eq!(status, 200, "{page}");
                for letter in page["dead_letters"].as_array().unwrap() {
                    found.push((
                        letter["collection"].as_str().unwrap().to_owned(),
                        letter["id"].as_str().unwrap().to_owned(),
                    ));
                }
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => return (found, page["total"].as_u64().unwrap()),
                }
            }
        };
        let mut sorted: Vec<(String, String)> = all
            .iter()
            .map(|(collection, id)| ((*collection).to_owned(), (*id).to_owned()))
            .collect();
        sorted.sort();
        assert_eq!(walk(""), (sorted.clone(), 5));
        assert_eq!(walk("&collection=b"), (sorted[2..].to_vec(), 3));
        assert_eq!(walk("&collection=a%20b%2Fc").1, 2);
        assert_eq!(walk("&collection=c"), (Vec::new(), 0));
    }

    #[test]
    fn one_is_shown_and_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(folder.path(), &[("c", "1"), ("c", "2"), ("c", "3"), ("d", "1")]);
        let (status, letter) = ask(&journal, "GET", &format!("{ITEM}?collection=c&id=1"), "");
        assert_eq!(status, 200, "{letter}");
        assert_eq!(
            (
                &letter["cause"],
                &letter["attempts"],
                &letter["work"],
                &letter["in_store"]
            ),
            (&json!("not liked"), &json!(1), &json!(["node"]), &json!(false))
        );
        let age = jiff::Timestamp::now()
            .duration_since(letter["last_failed_at"].as_str().unwrap().parse().unwrap());
        assert!((0..60).contains(&age.as_secs()), "{letter}");
        for (path, body, answer) in [
            (
                REPLAY,
                r#"{"collection": "c", "ids": ["1", "9"]}"#,
                json!({"replayed": 1}),
            ),
            (PURGE, r#"{"collection": "c", "ids": []}"#, json!({"purged": 0})),
            (PURGE, r#"{"collection": "c", "ids": null}"#, json!({"purged": 2})),
            (REPLAY, "{}", json!({"replayed": 1})),
        ] {
            assert_eq!(ask(&journal, "POST", path, body), (200, answer), "{path} {body}");
        }
        let (status, answer) = ask(&journal, "GET", &format!("{ITEM}?collection=c&id=1"), "");
        assert_eq!((status, &answer["error_type"]), (404, &json!("not_found")));
        assert_eq!(journal.waiting(), 2);
    }

    #[test]
    fn bad_input_is_refused_naming_the_field() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(folder.path(), &[("c", "1")]);
        for (method, target, body, field) in [
            ("GET", format!("{LIST}?limit=0"), "", "limit"),
            ("GET", format!("{LIST}?limit=1001"), "", "limit"),
            ("GET", format!("{LIST}?limit=x"), "", "limit"),
            ("GET", format!("{LIST}?collection="), "", "collection"),
            ("GET", format!("{LIST}?colection=c"), "", "colection"),
            ("GET", format!("{LIST}?after=c"), "", "after"),
            ("GET", format!("{LIST}?after=c/~F"), "", "after"),
            ("GET", format!("{LIST}?after=c/~FF"), "", "after"),
            ("GET", format!("{LIST}?after=c/a/b"), "", "after"),
            ("GET", format!("{ITEM}?id=1"), "", "collection"),
            ("GET", format!("{ITEM}?collection=c"), "", "id"),
            ("POST", REPLAY.to_owned(), "", "body"),
            ("POST", REPLAY.to_owned(), "null", "body"),
            ("POST", PURGE.to_owned(), "{} {}", "body"),
            ("POST", PURGE.to_owned(), r#"{"ids": ["1"]}"#, "ids"),
            (
                "POST",
                PURGE.to_owned(),
                r#"{"collection": "c", "ids": ["1", 2]}"#,
                "ids[1]",
            ),
            ("POST", PURGE.to_owned(), r#"{"collection": ""}"#, "collection"),
            ("POST", PURGE.to_owned(), r#"{"colection": "c"}"#, "colection"),
        ] {
            let (status, answer) = ask(&journal, method, &target, body);
            assert_eq!(
                (status, &answer["error_type"], &answer["status_code"]),
                (400, &json!("validation_error"), &json!(400)),
                "{target} {body}"
            );
            let message = answer["message"].as_str().unwrap();
            assert!(
                message.starts_with(&format!("{field}: ")),
                "{target} {body}: {message}"
            );
            assert!(!message.contains(" at line "), "{message}");
        }
        assert_eq!(journal.dead_letter_count(), 1);
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back(collection in any::<String>(), id in any::<String>()) {
            let document = DocumentId::new(collection, id);
            let text = encode(&document);
            let query = Query::parse(&format!("after={text}"), &["after"]).unwrap();
            prop_assert_eq!(query.text("after").unwrap(), Some(text.as_str()));
            prop_assert_eq!(decode(&text), Some(document));
        }

        #[test]
        fn no_cursor_breaks_it(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}
