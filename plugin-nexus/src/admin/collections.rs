//! Which collections are synced, switched one by one.
//!
//! A switch counts at once and after a restart. Enabling queues a backfill of what is there already; disabling leaves in the graph
//! what is in it, or takes it out.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Deed, jobs, settings};
use crate::api::{ApiError, Awaited, Call, Endpoint};
use crate::config::Config;
use crate::settings::Toggle;
use crate::sync::jobs::{JobKind, Order};

/// Longest name of a collection, in bytes.
const LONGEST: usize = 1_024;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::awaited("POST", "/enable", "Sync a collection", enable)
            .takes::<EnableRequest>()
            .refuses(&[409]),
        Endpoint::awaited("POST", "/disable", "Sync a collection no more", disable)
            .takes::<DisableRequest>()
            .refuses(&[409]),
    ]
}

/// Which collection is to be synced, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EnableRequest {
    /// The collection; it may be made later.
    #[schemars(length(min = 1, max = 1024))]
    collection: String,
    /// The domain of its documents, of those that nothing else speaks for.
    domain: Option<String>,
    /// What differs from the general settings.
    #[serde(default)]
    config: EnableConfig,
}

/// What differs from the general settings; what is left out stays as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct EnableConfig {
    /// The least score of an edge, whatever the metric.
    #[schemars(range(min = -1.0, max = 1.0))]
    similarity_threshold: Option<f64>,
    /// Most edges of a document.
    #[schemars(range(min = 1, max = 1000))]
    similarity_top_k: Option<usize>,
    /// Whether documents are classified by what they say. False needs a domain.
    auto_classify: Option<bool>,
}

/// A collection is synced.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CollectionEnabled")]
struct Enabled {
    success: bool,
    message: String,
    collection: String,
    /// The domain that its settings name.
    domain: Option<String>,
    /// The backfill of what is there already; null where the store has no such collection yet.
    job_id: Option<String>,
}

/// Which collection is to be left alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DisableRequest {
    /// The collection.
    #[schemars(length(min = 1, max = 1024))]
    collection: String,
    /// Whether its documents are taken out of the graph; else they stay there as they were.
    #[serde(default)]
    remove: bool,
}

/// A collection is synced no more.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CollectionDisabled")]
struct Disabled {
    success: bool,
    message: String,
    collection: String,
}

fn check(config: &Config, collection: &str) -> Result<(), ApiError> {
    if !(1..=LONGEST).contains(&collection.len()) {
        return Err(ApiError::field(
            "collection",
            format!("must have 1 to {LONGEST} bytes"),
        ));
    }
    // A name with an asterisk would be a pattern.
    if collection.contains('*') {
        return Err(ApiError::field(
            "collection",
            "must name one collection; patterns are for the configuration",
        ));
    }
    match config.enabled {
        true => Ok(()),
        false => Err(ApiError::Conflict(
            "the sync is switched off as a whole: `enabled` is false".to_owned(),
        )),
    }
}

fn enable(call: &Call<'_>) -> Result<Awaited<Enabled>, ApiError> {
    call.query()?;
    let EnableRequest {
        collection,
        domain,
        config: wanted,
    } = call.body()?;
    let context = Arc::clone(call.context());
    let config = context.config();
    check(&config, &collection)?;
    if let Some(domain) = &domain
        && !context.deriver().knows_domain(domain)
    {
        let reason = format!(
            "there is no domain '{domain}'; GET {}/domains lists them",
            crate::api::BASE
        );
        return Err(ApiError::field("domain", reason));
    }
    let named = config.entry(&collection).and_then(|entry| entry.domain.clone());
    let domain = domain.or(named);
    if wanted.auto_classify == Some(false) && domain.is_none() {
        return Err(ApiError::field("config.auto_classify", "false needs a domain"));
    }
    if wanted
        .similarity_threshold
        .is_some_and(|least| !(-1.0..=1.0).contains(&least))
    {
        return Err(ApiError::field(
            "config.similarity_threshold",
            "must be a number from -1 to 1",
        ));
    }
    if wanted
        .similarity_top_k
        .is_some_and(|most| !(1..=1_000).contains(&most))
    {
        return Err(ApiError::field(
            "config.similarity_top_k",
            "must be a whole number from 1 to 1000",
        ));
    }
    let order = Order::requested(JobKind::Backfill, call.correlation_id.to_owned());
    let (name, assigned) = (collection.clone(), domain.clone());
    let details = json!({"collection": collection, "domain": domain});
    let deed = Deed::of(call, "collection.enabled", details);
    Ok(Box::pin(async move {
        settings::change(&context, false, move |settings| {
            settings.propose(|requested| {
                let toggle = requested.collections.entry(name).or_insert_with(Toggle::default);
                toggle.enabled = true;
                toggle.remove = false;
                toggle.domain = assigned.or(toggle.domain.take());
                toggle.auto_classify = wanted.auto_classify.or(toggle.auto_classify);
                toggle.similarity_threshold = wanted.similarity_threshold.or(toggle.similarity_threshold);
                toggle.similarity_top_k = wanted.similarity_top_k.or(toggle.similarity_top_k);
            })
        })
        .await?;
        deed.write_down(&context);
        let shared = Arc::clone(&context);
        let name = collection.clone();
        let job = jobs::blocking(&context, move || {
            if !jobs::is_in_store(&shared, &name)? {
                return Ok(None);
            }
            let collections = Some(BTreeSet::from([name]));
            jobs::submit(&shared, Order { collections, ..order }).map(Some)
        })
        .await?;
        let message = match &job {
            Some(_) => format!("'{collection}' is synced; its documents are being brought in"),
            None => format!("'{collection}' is synced as soon as there is such a collection"),
        };
        Ok(Enabled {
            success: true,
            message,
            collection,
            domain,
            job_id: job.map(|(number, _)| number.to_string()),
        })
    }))
}

fn disable(call: &Call<'_>) -> Result<Awaited<Disabled>, ApiError> {
    call.query()?;
    let DisableRequest { collection, remove } = call.body()?;
    let context = Arc::clone(call.context());
    check(&context.config(), &collection)?;
    let details = json!({"collection": collection, "remove": remove});
    let deed = Deed::of(call, "collection.disabled", details);
    Ok(Box::pin(async move {
        let name = collection.clone();
        settings::change(&context, false, move |settings| {
            settings.propose(|requested| {
                let toggle = requested.collections.entry(name).or_default();
                toggle.enabled = false;
                toggle.remove = remove;
            })
        })
        .await?;
        deed.write_down(&context);
        let what = match remove {
            true => "its documents are being taken out of the graph",
            false => "its documents stay in the graph as they are",
        };
        Ok(Disabled {
            success: true,
            message: format!("'{collection}' is not synced any more; {what}"),
            collection,
        })
    }))
}
