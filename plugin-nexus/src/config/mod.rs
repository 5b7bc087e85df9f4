//! The section `nexus_integration:` of the host's configuration.
//!
//! It reaches the plugin as JSON with environment references resolved. Every fault names its key; faults of value are
//! reported all at once. Secrets in it, the API key and those of webhooks, print as `[redacted]`.

mod across;
mod audit;
mod breaker;
mod domains;
mod enrichment;
mod entities;
mod faults;
mod limits;
mod permissions;
mod poller;
mod reconcile;
mod search;
mod similarity;
mod structure;
mod sync;
mod webhooks;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

pub use across::Across;
pub use audit::Audit;
pub use breaker::Breaker;
pub use domains::{DomainLabel, DomainRule, Domains};
pub use enrichment::{Enrichment, Mapped, Side};
pub use entities::{Entities, EntityList, EntityPattern};
pub use faults::ConfigError;
pub use limits::Limits;
pub use permissions::{Permissions, PermissionsMode};
pub use poller::{Poller, PollerMode};
pub use reconcile::Reconcile;
pub use search::{Lexical, Search};
pub use similarity::{
    Candidates, Hybrid, Keyword, SearchCacheSettings, Similarity, SimilarityMethod, SimilarityOverride,
    Thresholds,
};
pub use structure::Structure;
pub use sync::{OverflowPolicy, Sync};
pub use webhooks::{Inbound, Outbound, Webhooks};

use faults::Faults;

use crate::nexus::{ApiKey, Auth, NexusConfig, RetryPolicy};
use crate::strict_json;

/// The whole section.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether documents are synced. Hints are journaled only then. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where Nexus is, as `http://127.0.0.1:15474`.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub nexus_url: Url,
    /// Nexus's API key; empty: none.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_key: Option<ApiKey>,
    /// How to talk to Nexus.
    #[serde(default)]
    pub connection: Connection,
    /// How work is done.
    #[serde(default)]
    pub sync: Sync,
    /// How much is sent to Nexus at most.
    #[serde(default)]
    pub limits: Limits,
    /// When Nexus is left alone since it does not do its work.
    #[serde(default)]
    pub breaker: Breaker,
    /// When store and graph are compared.
    #[serde(default)]
    pub reconcile: Reconcile,
    /// How much of what was written is read back.
    #[serde(default)]
    pub verify: Verify,
    /// Which documents are similar.
    #[serde(default)]
    pub similarity: Similarity,
    /// Chunks and what they are parts of.
    #[serde(default)]
    pub structure: Structure,
    /// Which field of knowledge documents belong to.
    #[serde(default)]
    pub domains: Domains,
    /// What documents mention.
    #[serde(default)]
    pub entities: Entities,
    /// Who may see a document.
    #[serde(default)]
    pub permissions: Permissions,
    /// What the graph says of documents, in their payloads.
    #[serde(default)]
    pub enrichment: Enrichment,
    /// How changes in the graph are looked for, where no webhook tells of them.
    #[serde(default)]
    pub poller: Poller,
    /// Webhooks that tell of changes in the graph.
    #[serde(default)]
    pub webhooks: Webhooks,
    /// How documents are searched.
    #[serde(default)]
    pub search: Search,
    /// What was decided, and by whom.
    #[serde(default)]
    pub audit: Audit,
    /// Payload properties that are copied to the node, by name, from the payload's root or its `metadata`.
    #[serde(default = "default_properties")]
    pub properties: BTreeSet<String>,
    /// Whether collections that `collections` does not name are synced. Default true.
    #[serde(default = "yes")]
    pub sync_all_collections: bool,
    /// Settings by collection.
    #[serde(default)]
    pub collections: Vec<Collection>,
}

/// `connection:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Connection {
    /// How the API key is sent: `bearer` or `x-api-key`. Default `bearer`.
    pub auth: Auth,
    /// Certificates in PEM form that are trusted besides those of the operating system, for a private CA. Default none.
    pub ca_file: Option<PathBuf>,
    /// Bound on establishing a connection, with TLS and the check which process answers. Default 5000.
    pub connect_timeout_ms: u64,
    /// Bound on one request, from sending to the last byte of the answer. Default 30000.
    pub request_timeout_ms: u64,
    /// Requests at the same time. Default 8.
    pub pool_size: usize,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            auth: Auth::default(),
            ca_file: None,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 30_000,
            pool_size: 8,
        }
    }
}

/// `verify:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// Share of each batch that is read back, from 0 to 1; at least one document, unless 0. Default 0.01.
    pub sample: f64,
    /// Batches of nodes and of edges that are read back whole after each connect. Default 5.
    pub first_batches: u32,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            sample: 0.01,
            first_batches: 5,
        }
    }
}

/// An entry of `collections:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// The collection.
    pub name: String,
    /// Whether it is synced. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What differs from the general settings.
    #[serde(default)]
    pub similarity: SimilarityOverride,
}

/// A malformed address may hold credentials, and serde's message would quote it: so only the fault is told.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("must be a text"))?;
    Url::parse(&text).map_err(|fault| D::Error::custom(format!("not an address: {fault}")))
}

fn yes() -> bool {
    true
}

fn default_properties() -> BTreeSet<String> {
    [
        "title",
        "doc_type",
        "file_path",
        "chunk_index",
        "parent_id",
        "source",
        "author",
        "language",
        "url",
    ]
    .map(str::to_owned)
    .into()
}

impl Config {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// [`ConfigError`] with the first unknown key or wrong type, else with all values out of range.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let config: Self = strict_json::parse(text.as_bytes()).map_err(|misfit| ConfigError::of(&misfit))?;
        config.check()?;
        Ok(config)
    }

    /// The section as a JSON Schema (2020-12), with what each key is for; ranges are checked by [`Config::from_json`] and not in it.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::default();
        let url = &self.nexus_url;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            faults.add(
                "nexus_url",
                "must be an http or https address, as http://127.0.0.1:15474",
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            faults.add("nexus_url", "must not hold credentials; use api_key");
        }
        if url.query().is_some() || url.fragment().is_some() {
            faults.add("nexus_url", "must not hold a query or a fragment");
        }
        let Connection {
            auth: _,
            ref ca_file,
            connect_timeout_ms,
            request_timeout_ms,
            pool_size,
        } = self.connection;
        if let Some(ca_file) = ca_file {
            if ca_file.as_os_str().is_empty() {
                faults.add("connection.ca_file", "must not be empty");
            }
            if url.scheme() != "https" {
                faults.add("connection.ca_file", "needs an https address in nexus_url");
            }
        }
        faults.range("connection.connect_timeout_ms", connect_timeout_ms, 1, 600_000);
        faults.range("connection.request_timeout_ms", request_timeout_ms, 1, 3_600_000);
        faults.range("connection.pool_size", pool_size as u64, 1, 256);
        self.sync.check("sync", &mut faults);
        self.limits.check("limits", &mut faults);
        self.breaker.check("breaker", &mut faults);
        self.reconcile.check("reconcile", &mut faults);
        let sample = self.verify.sample;
        if !(0.0..=1.0).contains(&sample) {
            faults.add(
                "verify.sample",
                &format!("{sample} is out of range; allowed are 0 to 1"),
            );
        }
        faults.range(
            "verify.first_batches",
            self.verify.first_batches.into(),
            0,
            1_000_000,
        );
        self.similarity.check("similarity", &mut faults);
        self.entities.check("entities", &mut faults);
        self.domains.check("domains", &mut faults);
        self.permissions.check("permissions", &mut faults);
        self.enrichment.check("enrichment", &self.properties, &mut faults);
        self.search.check("search", &mut faults);
        self.audit.check("audit", &mut faults);
        self.poller.check("poller", &mut faults);
        self.webhooks.check("webhooks", &mut faults);
        for (index, collection) in self.collections.iter().enumerate() {
            let key = format!("collections[{index}]");
            if collection.name.is_empty() {
                faults.add(&format!("{key}.name"), "must not be empty");
            }
            if self.collections[..index]
                .iter()
                .any(|other| other.name == collection.name)
            {
                faults.add(
                    &format!("{key}.name"),
                    &format!("'{}' is listed twice", collection.name),
                );
            }
            collection
                .similarity
                .check(&format!("{key}.similarity"), &mut faults);
        }
        for name in self
            .properties
            .iter()
            .filter(|name| crate::sync::is_reserved_property(name))
        {
            faults.add(
                "properties",
                &format!("'{name}' is a property that the plugin sets itself"),
            );
        }
        faults.into_result()
    }

    /// Whether documents of this collection are synced.
    #[must_use]
    pub fn syncs(&self, collection: &str) -> bool {
        self.enabled
            && self
                .entry(collection)
                .map_or(self.sync_all_collections, |entry| entry.enabled)
    }

    /// The similarity settings of a collection.
    #[must_use]
    pub fn similarity_of(&self, collection: &str) -> Similarity {
        match self.entry(collection) {
            Some(entry) => entry.similarity.over(&self.similarity),
            None => self.similarity.clone(),
        }
    }

    /// With which other collections a collection is compared.
    #[must_use]
    pub fn across_of(&self, collection: &str) -> Option<&Across> {
        let mut all = self.similarity.across.iter();
        all.find(|across| across.collections.iter().any(|name| name == collection))
    }

    fn entry(&self, collection: &str) -> Option<&Collection> {
        self.collections.iter().find(|entry| entry.name == collection)
    }

    /// What the client needs of it.
    #[must_use]
    pub fn client(&self) -> NexusConfig {
        let api_key = self.api_key.clone().filter(|key| !key.is_empty());
        NexusConfig {
            api_key,
            auth: self.connection.auth,
            ca_file: self.connection.ca_file.clone(),
            connect_timeout: Duration::from_millis(self.connection.connect_timeout_ms),
            request_timeout: Duration::from_millis(self.connection.request_timeout_ms),
            pool_size: self.connection.pool_size,
            retry: RetryPolicy {
                max_attempts: self.sync.retry_attempts,
                base_delay: Duration::from_millis(self.sync.retry_delay_ms),
                cap: Duration::from_millis(self.sync.max_retry_delay_ms),
            },
            ceilings: self.limits.ceilings(),
            ..NexusConfig::new(self.nexus_url.clone())
        }
    }
}

#[cfg(test)]
mod tests;
