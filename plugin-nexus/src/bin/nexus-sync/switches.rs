//! `enable`, `disable`, `pause`, `resume`, `clear`: what is synced at all.

use clap::Args;
use serde_json::{Value, json};

use crate::error::Error;
use crate::exit::Code;
use crate::route::Route;
use crate::session::Session;

/// `enable`.
#[derive(Debug, Args)]
pub(crate) struct Enable {
    /// The collection.
    collection: String,
    /// The field of knowledge that its documents belong to.
    #[arg(long)]
    domain: Option<String>,
    /// The least score of an edge.
    #[arg(long, value_name = "SCORE", value_parser = finite, allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// The most edges of a document.
    #[arg(long, value_name = "N")]
    top_k: Option<u32>,
    /// Whether domains are found by the documents' words.
    #[arg(long, value_name = "true|false")]
    auto_classify: Option<bool>,
}

/// `disable`.
#[derive(Debug, Args)]
pub(crate) struct Disable {
    /// The collection.
    collection: String,
    /// Take its documents out of the graph.
    #[arg(long)]
    remove: bool,
}

/// `pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// Why, for others to read.
    #[arg(long)]
    reason: Option<String>,
}

/// `clear`.
#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// Say that this is meant.
    #[arg(long)]
    confirm: bool,
    /// Only what is of this collection.
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("must be a number".to_owned()),
    }
}

impl Enable {
    fn body(&self) -> Value {
        let mut config = json!({});
        if let Some(threshold) = self.threshold {
            config["similarity_threshold"] = json!(threshold);
        }
        if let Some(top_k) = self.top_k {
            config["similarity_top_k"] = json!(top_k);
        }
        if let Some(auto_classify) = self.auto_classify {
            config["auto_classify"] = json!(auto_classify);
        }
        let mut body = json!({"collection": self.collection});
        if let Some(domain) = &self.domain {
            body["domain"] = json!(domain);
        }
        if config.as_object().is_some_and(|config| !config.is_empty()) {
            body["config"] = config;
        }
        body
    }
}

/// Begins to sync a collection.
pub(crate) async fn enable(session: &Session, options: &Enable) -> Result<Code, Error> {
    let value = session
        .client
        .post(&Route::sync("enable"), &options.body())
        .await?;
    told(session, &value, "enabled")?;
    if let Some(id) = value["job_id"].as_str() {
        session.output.note(&format!(
            "its documents are brought in by job {id}; follow it: nexus-sync jobs show {id} --follow"
        ));
    }
    Ok(Code::Fine)
}

/// Syncs a collection no more.
pub(crate) async fn disable(session: &Session, options: &Disable) -> Result<Code, Error> {
    let mut body = json!({"collection": options.collection});
    if options.remove {
        body["remove"] = json!(true);
    }
    let value = session.client.post(&Route::sync("disable"), &body).await?;
    told(session, &value, "disabled")
}

/// Writes nothing to Nexus until it is resumed.
pub(crate) async fn pause(session: &Session, options: &Pause) -> Result<Code, Error> {
    let body = match &options.reason {
        Some(reason) => json!({"reason": reason}),
        None => json!({}),
    };
    let value = session.client.post(&Route::sync("pause"), &body).await?;
    told(session, &value, "paused")
}

/// Writes again.
pub(crate) async fn resume(session: &Session) -> Result<Code, Error> {
    let value = session.client.post(&Route::sync("resume"), &json!({})).await?;
    told(session, &value, "resumed")
}

/// Takes what waits out of the queue.
pub(crate) async fn clear(session: &Session, options: &Clear) -> Result<Code, Error> {
    if !options.confirm {
        return Err(Error::Usage(
            "clear forgets which documents wait to be synced; say --confirm if that is meant".to_owned(),
        ));
    }
    let mut body = json!({"confirm": "clear"});
    if let Some(collection) = &options.collection {
        body["collection"] = json!(collection);
    }
    let value = session.client.post(&Route::sync("clear"), &body).await?;
    told(session, &value, "cleared")
}

/// Shows what the host says; where it says nothing, `done`. A host that says that it did not is one with an error.
fn told(session: &Session, value: &Value, done: &str) -> Result<Code, Error> {
    session.output.result(value, |page| {
        page.line(value["message"].as_str().unwrap_or(done));
    })?;
    Ok(Code::of(value["success"] != false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    #[test]
    fn only_what_is_given_is_sent() {
        let bare = Enable {
            collection: "c".to_owned(),
            domain: None,
            threshold: None,
            top_k: None,
            auto_classify: None,
        };
        assert_eq!(bare.body(), json!({"collection": "c"}));
        let full = Enable {
            domain: Some("legal".to_owned()),
            threshold: Some(0.5),
            top_k: Some(3),
            auto_classify: Some(false),
            ..bare
        };
        assert_eq!(
            full.body(),
            json!({
                "collection": "c", "domain": "legal",
                "config": {"similarity_threshold": 0.5, "similarity_top_k": 3, "auto_classify": false},
            })
        );
        for text in ["NaN", "inf", "x", ""] {
            assert!(finite(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn nothing_is_cleared_unless_that_is_meant() {
        let host = StandIn::start(|_| Reply::Json(200, json!({"success": true, "cleared": 7})));
        let session = Session::quiet(host.client());
        let clear_it = |confirm| Clear {
            confirm,
            collection: Some("c".to_owned()),
        };
        let error = clear(&session, &clear_it(false)).await.unwrap_err();
        assert_eq!(error.code(), Code::Usage);
        assert!(host.asked().is_empty());
        assert_eq!(clear(&session, &clear_it(true)).await.unwrap(), Code::Fine);
        let body: Value = serde_json::from_str(&host.asked()[0].body).unwrap();
        assert_eq!(body, json!({"confirm": "clear", "collection": "c"}));
    }
}
