//! Dead letters, to be listed, looked at, replayed and purged.
//!
//! A list comes in pages. `next` of one page is `after` of the next: collection and id, of which bytes outside
//! `[A-Za-z0-9._-]` are written as `~` and two hex digits, so that it passes through a query as it is.

use std::fmt::Write;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::write_down;
use crate::api::{ApiError, Call, Endpoint, Parameter, Query};
use crate::journal::{Chosen, DeadLetter, DocumentId, Journal, moment_of};

const PAGE: &[Parameter] = &[
    Parameter::text("collection", "Only of this collection"),
    Parameter::text("after", "The `next` of the page before"),
    Parameter::count("limit", "Most of a page", 100, 1_000),
];
const ONE: &[Parameter] = &[
    Parameter::required("collection", "The document's collection"),
    Parameter::required("id", "Its id"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "GET",
            "/dead-letters",
            "Documents that Nexus refused so often that they are not tried again",
            |call| list(&call.context().journal, &call.query()?),
        )
        .asks(PAGE),
        Endpoint::new("GET", "/dead-letters/item", "One of them", |call| {
            item(&call.context().journal, &call.query()?)
        })
        .asks(ONE)
        .refuses(&[404]),
        Endpoint::new("POST", "/dead-letters/replay", "Try them again", replay).takes::<Selection>(),
        Endpoint::new("POST", "/dead-letters/purge", "Forget them", purge).takes::<Selection>(),
    ]
}

/// Which dead letters a request is for; `{}`: all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DeadLetterSelection")]
struct Selection {
    /// Those of this collection.
    #[serde(default)]
    collection: Option<String>,
    /// Of these documents of it.
    #[serde(default)]
    ids: Option<Vec<String>>,
}

impl Selection {
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

/// A page of dead letters.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeadLetterPage")]
struct Listed {
    dead_letters: Vec<Shown>,
    /// How many there are on all pages.
    total: usize,
    /// `after` of the next page; null: this is the last.
    next: Option<String>,
}

/// A dead letter.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
struct Shown {
    collection: Arc<str>,
    id: Arc<str>,
    /// What was to be done.
    work: Vec<&'static str>,
    /// What Nexus said. No payload text.
    cause: String,
    attempts: u32,
    first_failed_at: Option<String>,
    last_failed_at: Option<String>,
    /// Whether the document was in the store at the last attempt.
    in_store: bool,
}

/// How many are tried again.
#[derive(Debug, Serialize, JsonSchema)]
struct Replayed {
    replayed: usize,
}

/// How many were forgotten.
#[derive(Debug, Serialize, JsonSchema)]
struct Purged {
    purged: usize,
}

fn list(journal: &Journal, query: &Query) -> Result<Listed, ApiError> {
    let limit = query.count("limit")?;
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
    Ok(Listed {
        dead_letters: letters.collect(),
        total: page.total,
        next: page.next.as_ref().map(encode),
    })
}

fn item(journal: &Journal, query: &Query) -> Result<Shown, ApiError> {
    let document = DocumentId::new(query.required("collection")?, query.required("id")?);
    match journal.dead_letter(&document)? {
        Some(letter) => Ok(show(&document, &letter)),
        None => Err(ApiError::NotFound("the document is no dead letter")),
    }
}

fn replay(call: &Call<'_>) -> Result<Replayed, ApiError> {
    call.query()?;
    let selection: Selection = call.body()?;
    let replayed = selection.replay(&call.context().journal)?;
    write_down(call, "dead_letters.replayed", selection.details(replayed));
    Ok(Replayed { replayed })
}

fn purge(call: &Call<'_>) -> Result<Purged, ApiError> {
    call.query()?;
    let selection: Selection = call.body()?;
    let purged = selection.purge(&call.context().journal)?;
    write_down(call, "dead_letters.purged", selection.details(purged));
    Ok(Purged { purged })
}

impl Selection {
    fn replay(&self, journal: &Journal) -> Result<usize, ApiError> {
        Ok(journal.replay(self.chosen()?)?)
    }

    fn purge(&self, journal: &Journal) -> Result<usize, ApiError> {
        Ok(journal.purge(self.chosen()?)?)
    }

    fn details(&self, count: usize) -> serde_json::Value {
        json!({"collection": self.collection, "asked": self.ids.as_ref().map(Vec::len), "documents": count})
    }
}

fn show(document: &DocumentId, letter: &DeadLetter) -> Shown {
    Shown {
        collection: Arc::clone(&document.collection),
        id: Arc::clone(&document.id),
        work: letter.work.names().collect(),
        cause: letter.cause.clone(),
        attempts: letter.attempts,
        first_failed_at: moment_of(letter.first_micros).map(|moment| moment.to_string()),
        last_failed_at: moment_of(letter.last_micros).map(|moment| moment.to_string()),
        in_store: letter.seen.is_some(),
    }
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
    use serde_json::Value;

    use super::*;
    use crate::api::respond;
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

    const LIST: &str = "list";
    const ITEM: &str = "item";
    const REPLAY: &str = "replay";
    const PURGE: &str = "purge";

    fn ask(journal: &Journal, target: &str, body: &str) -> (u16, Value) {
        let (what, query) = target.split_once('?').unwrap_or((target, ""));
        let chosen = || crate::api::body::<Selection>(body.as_bytes());
        let answer = match what {
            LIST => respond(
                200,
                Query::parse(query, PAGE).and_then(|query| list(journal, &query)),
            ),
            ITEM => respond(
                200,
                Query::parse(query, ONE).and_then(|query| item(journal, &query)),
            ),
            REPLAY => respond(200, chosen().and_then(|chosen| chosen.replay(journal))),
            _ => respond(200, chosen().and_then(|chosen| chosen.purge(journal))),
        };
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
                let (status, page) = ask(&journal, &format!("{LIST}?limit=2{filter}{after}"), "");
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
        let (status, letter) = ask(&journal, &format!("{ITEM}?collection=c&id=1"), "");
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
            (REPLAY, r#"{"collection": "c", "ids": ["1", "9"]}"#, json!(1)),
            (PURGE, r#"{"collection": "c", "ids": []}"#, json!(0)),
            (PURGE, r#"{"collection": "c", "ids": null}"#, json!(2)),
            (REPLAY, "{}", json!(1)),
        ] {
            assert_eq!(ask(&journal, path, body), (200, answer), "{path} {body}");
        }
        let (status, answer) = ask(&journal, &format!("{ITEM}?collection=c&id=1"), "");
        assert_eq!((status, &answer["error_type"]), (404, &json!("not_found")));
        assert_eq!(journal.waiting(), 2);
    }

    #[test]
    fn bad_input_is_refused_naming_the_field() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(folder.path(), &[("c", "1")]);
        for (target, body, field) in [
            (format!("{LIST}?limit=0"), "", "limit"),
            (format!("{LIST}?limit=1001"), "", "limit"),
            (format!("{LIST}?limit=x"), "", "limit"),
            (format!("{LIST}?collection="), "", "collection"),
            (format!("{LIST}?colection=c"), "", "colection"),
            (format!("{LIST}?after=c"), "", "after"),
            (format!("{LIST}?after=c/~F"), "", "after"),
            (format!("{LIST}?after=c/~FF"), "", "after"),
            (format!("{LIST}?after=c/a/b"), "", "after"),
            (format!("{ITEM}?id=1"), "", "collection"),
            (format!("{ITEM}?collection=c"), "", "id"),
            (REPLAY.to_owned(), "", "body"),
            (REPLAY.to_owned(), "null", "body"),
            (PURGE.to_owned(), "{} {}", "body"),
            (PURGE.to_owned(), r#"{"ids": ["1"]}"#, "ids"),
            (
                PURGE.to_owned(),
                r#"{"collection": "c", "ids": ["1", 2]}"#,
                "ids[1]",
            ),
            (PURGE.to_owned(), r#"{"collection": ""}"#, "collection"),
            (PURGE.to_owned(), r#"{"colection": "c"}"#, "colection"),
        ] {
            let (status, answer) = ask(&journal, &target, body);
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
            let query = Query::parse(&format!("after={text}"), PAGE).unwrap();
            prop_assert_eq!(query.text("after").unwrap(), Some(text.as_str()));
            prop_assert_eq!(decode(&text), Some(document));
        }

        #[test]
        fn no_cursor_breaks_it(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}
