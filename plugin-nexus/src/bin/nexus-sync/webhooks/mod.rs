//! `webhooks`: who is told of changes, and what they did not take.

mod secret;
mod tables;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::route::{Route, identifier};
use crate::session::Session;
use secret::{Handling, Keeper};

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// List the subscriptions.
    List,
    /// Show one.
    Show(Chosen),
    /// Subscribe.
    Add(Add),
    /// Unsubscribe. What waits for it is dropped.
    Remove(Chosen),
    /// Send a message now, and say what came of it.
    Test(Chosen),
    /// Have messages signed with another secret; for a day they are signed with the old one, too.
    Secret {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        handling: Handling,
    },
    /// Send again.
    Enable(Chosen),
    /// Send no more, and keep what waits.
    Disable(Chosen),
    /// Show the last attempts.
    Deliveries(Chosen),
    /// List what is not tried any more; or send it again, or throw it away.
    DeadLetters(DeadLetters),
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The subscription's id.
    #[arg(value_name = "ID", value_parser = identifier)]
    id: String,
}

/// `add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Where messages go.
    // Not `url`, which is the host's.
    #[arg(value_name = "URL")]
    receiver: String,
    /// Tell of this event only; may be given again: vector.inserted, vector.updated, vector.deleted, sync.failed.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Tell of this collection only; may be given again.
    #[arg(long = "collection", value_name = "NAME")]
    collections: Vec<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    handling: Handling,
}

/// `dead-letters`.
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(flatten)]
    chosen: Chosen,
    /// Send them again.
    #[arg(long, conflicts_with = "purge")]
    replay: bool,
    /// Throw them away.
    #[arg(long)]
    purge: bool,
    /// With --replay and --purge this message only; may be given again.
    #[arg(long = "number", value_name = "N")]
    numbers: Vec<u64>,
    /// Do not ask.
    #[arg(long, requires = "purge")]
    yes: bool,
}

fn one(chosen: &Chosen) -> Route {
    Route::webhooks().then(&chosen.id)
}

/// Does it.
pub(crate) async fn run(session: &Session, action: &Action) -> Result<Code, Error> {
    let Session { client, output } = session;
    let shown = |value: &Value| {
        output.result(value, |page| tables::subscription(page, value))?;
        Ok(Code::Fine)
    };
    match action {
        Action::List => {
            let value = client.get(&Route::webhooks()).await?;
            output.result(&value, |page| tables::subscriptions(page, &value))?;
            Ok(Code::Fine)
        }
        Action::Show(chosen) => shown(&client.get(&one(chosen)).await?),
        Action::Enable(chosen) => shown(&client.post(&one(chosen).then("enable"), &json!({})).await?),
        Action::Disable(chosen) => shown(&client.post(&one(chosen).then("disable"), &json!({})).await?),
        Action::Remove(chosen) => {
            let value = client.delete(&one(chosen)).await?;
            output.result(&value, |page| page.line(format!("deleted: {}", chosen.id)))?;
            Ok(Code::Fine)
        }
        Action::Add(add) => subscribe(session, add).await,
        Action::Secret { chosen, handling } => {
            let keeper = Keeper::prepare(handling)?;
            let mut body = json!({});
            keeper.hand_over(&mut body);
            let answer = client.post(&one(chosen).then("secret"), &body).await;
            shown(&keeper.keep(answer)?)
        }
        Action::Test(chosen) => {
            let value = client.post(&one(chosen).then("test"), &json!({})).await?;
            output.result(&value, |page| tables::test(page, &value))?;
            Ok(Code::of(value["delivered"] == true))
        }
        Action::Deliveries(chosen) => {
            let value = client.get(&one(chosen).then("deliveries")).await?;
            output.result(&value, |page| tables::deliveries(page, &value))?;
            Ok(Code::Fine)
        }
        Action::DeadLetters(options) => dead_letters(session, options).await,
    }
}

async fn subscribe(session: &Session, add: &Add) -> Result<Code, Error> {
    let keeper = Keeper::prepare(&add.handling)?;
    let mut body = json!({"url": add.receiver});
    for (name, values) in [("events", &add.events), ("collections", &add.collections)] {
        if !values.is_empty() {
            body[name] = json!(values);
        }
    }
    if let Some(description) = &add.description {
        body["description"] = json!(description);
    }
    keeper.hand_over(&mut body);
    let answer = session.client.post(&Route::webhooks(), &body).await;
    let value = keeper.keep(answer)?;
    session
        .output
        .result(&value, |page| tables::subscription(page, &value))?;
    Ok(Code::Fine)
}

async fn dead_letters(session: &Session, options: &DeadLetters) -> Result<Code, Error> {
    let Session { client, output } = session;
    let route = one(&options.chosen).then("dead-letters");
    let body = match options.numbers.as_slice() {
        [] => json!({}),
        numbers => json!({"numbers": numbers}),
    };
    let (value, name) = match (options.replay, options.purge) {
        (true, _) => (client.post(&route.then("replay"), &body).await?, "replayed"),
        (_, true) => {
            let what = match options.numbers.len() {
                0 => "all dead letters".to_owned(),
                count => figures::counted(count as u64, "dead letter", "dead letters"),
            };
            let question = format!("This throws away {what} of {}.", options.chosen.id);
            match session.confirms(&question, options.yes)? {
                true => (client.post(&route.then("purge"), &body).await?, "purged"),
                false => (json!({"purged": 0}), "purged"),
            }
        }
        (false, false) => {
            if !options.numbers.is_empty() {
                return Err(Error::Usage("--number needs --replay or --purge".to_owned()));
            }
            let value = client.get(&route.with("limit", "1000")).await?;
            output.result(&value, |page| tables::dead_letters(page, &value))?;
            return Ok(Code::Fine);
        }
    };
    output.result(&value, |page| {
        page.line(format!(
            "{name}: {}",
            figures::count(value[name].as_u64().unwrap_or_default())
        ));
    })?;
    Ok(Code::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    fn chosen() -> Chosen {
        Chosen {
            id: "00ff".to_owned(),
        }
    }

    #[tokio::test]
    async fn each_action_has_its_route() {
        let host = StandIn::start(|_| Reply::Json(200, json!({"delivered": true, "purged": 1})));
        let session = Session::quiet(host.client());
        let dead = |replay, purge| {
            Action::DeadLetters(DeadLetters {
                chosen: chosen(),
                replay,
                purge,
                numbers: if replay { vec![3, 4] } else { Vec::new() },
                yes: true,
            })
        };
        for (action, line, body) in [
            (Action::List, "GET /api/v1/webhooks/nexus", ""),
            (Action::Show(chosen()), "GET /api/v1/webhooks/nexus/00ff", ""),
            (Action::Remove(chosen()), "DELETE /api/v1/webhooks/nexus/00ff", ""),
            (
                Action::Test(chosen()),
                "POST /api/v1/webhooks/nexus/00ff/test",
                "{}",
            ),
            (
                Action::Enable(chosen()),
                "POST /api/v1/webhooks/nexus/00ff/enable",
                "{}",
            ),
            (
                Action::Disable(chosen()),
                "POST /api/v1/webhooks/nexus/00ff/disable",
                "{}",
            ),
            (
                Action::Deliveries(chosen()),
                "GET /api/v1/webhooks/nexus/00ff/deliveries",
                "",
            ),
            (
                dead(false, false),
                "GET /api/v1/webhooks/nexus/00ff/dead-letters?limit=1000",
                "",
            ),
            (
                dead(true, false),
                "POST /api/v1/webhooks/nexus/00ff/dead-letters/replay",
                "{\"numbers\":[3,4]}",
            ),
            (
                dead(false, true),
                "POST /api/v1/webhooks/nexus/00ff/dead-letters/purge",
                "{}",
            ),
        ] {
            assert_eq!(run(&session, &action).await.unwrap(), Code::Fine, "{line}");
            let last = host.asked().pop().unwrap();
            assert_eq!((last.line.as_str(), last.body.as_str()), (line, body));
        }
    }

    #[tokio::test]
    async fn a_message_that_was_not_taken_is_something_wrong() {
        let host = StandIn::start(|_| Reply::Json(200, json!({"delivered": false, "error": "refused"})));
        let code = run(&Session::quiet(host.client()), &Action::Test(chosen()))
            .await
            .unwrap();
        assert_eq!(code, Code::Wrong);
    }
}
