//! `dead-letters`: documents that Nexus refused so often that they are not tried again.
//!
//! Invariant: a list ends, also where a host's pages go round in circles or never come to an end.

use std::collections::HashSet;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;
use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::job::tally;
use crate::page::Page;
use crate::route::Route;
use crate::session::Session;

/// Letters of one page.
const PAGE: usize = 1_000;
/// Letters of one list at most.
pub(crate) const MOST: usize = 100_000;

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// List them, page after page.
    List {
        /// Of this collection only.
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
        /// So many at most.
        #[arg(long, value_name = "N", default_value_t = MOST as u64, value_parser = clap::value_parser!(u64).range(1..=MOST as u64))]
        limit: u64,
    },
    /// Show one.
    Show {
        /// The document's collection.
        #[arg(long, value_name = "NAME")]
        collection: String,
        /// The document's id.
        #[arg(long)]
        id: String,
    },
    /// Try them again.
    Replay(Selection),
    /// Forget them. What is in the store is found again by the next comparison.
    Purge {
        #[command(flatten)]
        selection: Selection,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Which ones: all, those of a collection, or some of a collection.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Of this collection only.
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// This document only; may be given again.
    #[arg(long = "id", value_name = "ID", requires = "collection")]
    ids: Vec<String>,
}

impl Selection {
    fn body(&self) -> Value {
        let mut body = json!({});
        if let Some(collection) = &self.collection {
            body["collection"] = json!(collection);
        }
        if !self.ids.is_empty() {
            body["ids"] = json!(self.ids);
        }
        body
    }

    fn described(&self) -> String {
        match (&self.collection, self.ids.len()) {
            (None, _) => "all dead letters".to_owned(),
            (Some(collection), 0) => format!("all dead letters of '{collection}'"),
            (Some(collection), ids) => {
                let letters = figures::counted(ids as u64, "dead letter", "dead letters");
                format!("{letters} of '{collection}'")
            }
        }
    }
}

/// One of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Letter {
    collection: String,
    id: String,
    work: Vec<String>,
    /// Why the document failed.
    pub(crate) cause: String,
    attempts: u64,
    first_failed_at: Option<String>,
    /// When it failed last.
    pub(crate) last_failed_at: Option<String>,
    in_store: Option<bool>,
}

/// A list.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    /// As far as they are understood.
    pub(crate) letters: Vec<Letter>,
    /// As the host tells of them.
    pub(crate) values: Vec<Value>,
    /// How many there are.
    pub(crate) total: u64,
}

#[derive(Debug, Deserialize)]
struct ListPage {
    dead_letters: Vec<Value>,
    total: u64,
    #[serde(default)]
    next: Option<String>,
}

/// Does it.
pub(crate) async fn run(session: &Session, action: &Action) -> Result<Code, Error> {
    let base = Route::sync("dead-letters");
    match action {
        Action::List { collection, limit } => {
            let limit = usize::try_from(*limit).unwrap_or(MOST);
            let found = all(session, collection.as_deref(), limit).await?;
            let value = json!({"dead_letters": found.values, "total": found.total});
            session.output.result(&value, |page| write_list(page, &found))?;
        }
        Action::Show { collection, id } => {
            let route = base.then("item").with("collection", collection).with("id", id);
            let value = session.client.get(&route).await?;
            let letter: Letter = answer::read(&value, route.path())?;
            session.output.result(&value, |page| write_one(page, &letter))?;
        }
        Action::Replay(selection) => {
            let value = session
                .client
                .post(&base.then("replay"), &selection.body())
                .await?;
            session
                .output
                .result(&value, |page| write_count(page, &value, "replayed"))?;
        }
        Action::Purge { selection, yes } => {
            let question = format!("This forgets {}.", selection.described());
            let value = if session.confirms(&question, *yes)? {
                session
                    .client
                    .post(&base.then("purge"), &selection.body())
                    .await?
            } else {
                json!({"purged": 0})
            };
            session
                .output
                .result(&value, |page| write_count(page, &value, "purged"))?;
        }
    }
    Ok(Code::Fine)
}

/// Follows the pages of a list, to so many letters at most.
pub(crate) async fn all(session: &Session, collection: Option<&str>, most: usize) -> Result<Letters, Error> {
    let mut found = Letters::default();
    let (mut after, mut seen): (Option<String>, HashSet<String>) = (None, HashSet::new());
    while found.letters.len() < most {
        let limit = (most - found.letters.len()).min(PAGE);
        let route = Route::sync("dead-letters")
            .with("limit", &limit.to_string())
            .with_some("collection", collection)
            .with_some("after", after.as_deref());
        let value = session.client.get(&route).await?;
        let page: ListPage = answer::read(&value, route.path())?;
        found.total = page.total;
        for value in page.dead_letters.into_iter().take(limit) {
            found.letters.push(answer::read(&value, route.path())?);
            found.values.push(value);
        }
        match page.next {
            None => break,
            Some(next) if seen.insert(next.clone()) => after = Some(next),
            Some(_) => {
                return Err(Error::Garbled {
                    route: route.path().to_owned(),
                    reason: "its pages go round in circles".to_owned(),
                });
            }
        }
    }
    Ok(found)
}

fn write_list(page: &mut Page, found: &Letters) {
    if found.letters.is_empty() {
        page.line("no dead letters");
        return;
    }
    let rows: Vec<Vec<String>> = found
        .letters
        .iter()
        .map(|letter| {
            vec![
                letter.collection.clone(),
                letter.id.clone(),
                figures::count(letter.attempts),
                letter.last_failed_at.clone().unwrap_or_default(),
                letter.cause.clone(),
            ]
        })
        .collect();
    page.table(&["COLLECTION", "ID", "ATTEMPTS", "LAST FAILED", "CAUSE"], &rows);
    page.gap();
    let shown = found.letters.len() as u64;
    let of = if shown < found.total {
        format!(" of {}", figures::count(found.total))
    } else {
        String::new()
    };
    page.line(format!(
        "{}{of}",
        figures::counted(shown, "dead letter", "dead letters")
    ));
    for cause in tally(found.letters.iter().map(|letter| letter.cause.as_str())) {
        page.line(format!(
            "  {:>8}  {}",
            figures::count(cause.documents),
            cause.cause
        ));
    }
}

fn write_one(page: &mut Page, letter: &Letter) {
    let in_store = match letter.in_store {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    page.fields(&[
        ("collection", letter.collection.clone()),
        ("id", letter.id.clone()),
        ("cause", letter.cause.clone()),
        ("work", letter.work.join(", ")),
        ("attempts", figures::count(letter.attempts)),
        ("first failed", letter.first_failed_at.clone().unwrap_or_default()),
        ("last failed", letter.last_failed_at.clone().unwrap_or_default()),
        ("in the store", in_store.to_owned()),
    ]);
}

fn write_count(page: &mut Page, value: &Value, name: &str) {
    let count = value[name].as_u64().unwrap_or_default();
    page.line(format!("{name}: {}", figures::count(count)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    #[tokio::test]
    async fn a_list_follows_its_pages() {
        let host = StandIn::start(|asked| {
            let (letters, next) = match asked.line.split("after=").nth(1) {
                None => (json!([{"id": "1"}, {"id": "2"}]), json!("c/2 é")),
                Some("c%2F2%20%C3%A9") => (json!([{"id": "3"}]), Value::Null),
                Some(other) => panic!("{other}"),
            };
            Reply::Json(200, json!({"dead_letters": letters, "total": 3, "next": next}))
        });
        let session = Session::quiet(host.client());
        let found = all(&session, Some("c d"), MOST).await.unwrap();
        let ids: Vec<&str> = found.letters.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!((ids.as_slice(), found.total), (&["1", "2", "3"][..], 3));
        assert!(host.asked()[1].line.contains("collection=c%20d"));
        assert_eq!(all(&session, None, 2).await.unwrap().letters.len(), 2);
    }

    #[tokio::test]
    async fn a_list_ends_whatever_the_host_says() {
        for (reply, words) in [
            (json!({"dead_letters": [], "total": 0, "next": "x"}), "circles"),
            (json!({"dead_letters": [7], "total": 0}), "invalid type"),
            (
                json!({"dead_letters": [{"attempts": -1}], "total": 0}),
                "attempts",
            ),
            (json!({"total": 0}), "dead_letters"),
        ] {
            let host = StandIn::start(move |_| Reply::Json(200, reply.clone()));
            let error = all(&Session::quiet(host.client()), None, MOST).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn a_purge_that_nobody_confirmed_does_not_happen() {
        let host = StandIn::of(&[]);
        let action = Action::Purge {
            selection: Selection {
                collection: Some("c".to_owned()),
                ids: vec!["1".to_owned()],
            },
            yes: false,
        };
        // Tests have no terminal, or one that nobody answers at.
        if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            return;
        }
        let error = run(&Session::quiet(host.client()), &action).await.unwrap_err();
        assert_eq!(error.code(), Code::Usage);
        assert!(
            error.to_string().contains("1 dead letter of 'c'. Nobody"),
            "{error}"
        );
        assert!(host.asked().is_empty());
    }
}
