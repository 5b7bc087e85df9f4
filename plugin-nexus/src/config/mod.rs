//! The section `nexus_integration:` of the host's configuration.
//!
//! It reaches the plugin as JSON with environment references resolved. Every fault names its key; faults of value are
//! reported all at once. Secrets in it, the API key and those of webhooks, print as `[redacted]`.

mod across;
mod admin;
mod audit;
mod breaker;
mod collection;
mod domains;
mod enrichment;
mod entities;
mod faults;
mod limits;
mod permissions;
mod poller;
mod reading;
mod reconcile;
mod search;
mod similarity;
mod structure;
mod sync;
mod telemetry;
mod webhooks;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use url::Url;

pub use across::Across;
pub use admin::Admin;
pub use audit::Audit;
pub use breaker::Breaker;
pub use collection::{Collection, entry};
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
pub use sync::{OverflowPolicy, Sync, SyncMode};
pub use telemetry::{Telemetry, Traces};
pub use webhooks::{Inbound, Outbound, Webhooks};

use faults::Faults;

use crate::nexus::{ApiKey, Auth, NexusConfig, RetryPolicy};
use crate::strict_json;

/// The whole section.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether documents are synced. Hints are journaled only then. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where Nexus is, as `http://127.0.0.1:15474`.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub nexus_url: Url,
    /// Nexus's API key; empty: none. Better a reference to the environment, as `${NEXUS_API_KEY}`, than the key itself.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_key: Option<ApiKey>,
    /// A file with Nexus's API key in its only line, instead of `api_key`. Default none.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
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
    /// How often the plugin may be steered and looked at.
    #[serde(default)]
    pub admin: Admin,
    /// What is told of the plugin's own work: metrics, log lines, health, traces.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// Payload properties that are copied to the node, by name, from the payload's root or its `metadata`.
    #[serde(default = "default_properties")]
    pub properties: BTreeSet<String>,
    /// Whether collections that `collections` does not name are synced. Default true.
    #[serde(default = "yes")]
    pub sync_all_collections: bool,
    /// Settings by collection, or by pattern of names. Where several fit, the first with exactly that name counts, else the first
    /// that fits.
    #[serde(default)]
    pub collections: Vec<Collection>,
}

/// `connection:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
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

/// A malformed address may hold credentials, and serde's message would quote it: so only the fault is told.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    optional_address(deserializer)?.ok_or_else(|| D::Error::custom("must be a text"))
}

/// As [`address`]; none where there is none.
fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = Option::<String>::deserialize(deserializer).map_err(|_| D::Error::custom("must be a text"))?;
    text.map(|text| Url::parse(&text).map_err(|fault| D::Error::custom(format!("not an address: {fault}"))))
        .transpose()
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
    /// [`ConfigError`] with all unknown keys, wrong types and values out of range.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let section = strict_json::parse(text.as_bytes()).map_err(|misfit| ConfigError::of(&misfit))?;
        Self::from_section(section)
    }

    /// As [`Config::from_json`], of the section as a value.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_section(section: Value) -> Result<Self, ConfigError> {
        reading::read(section)
    }

    /// Every key with its value, secrets as `[redacted]`.
    #[must_use]
    pub fn shown(&self) -> Value {
        // No map in it has keys that are no texts, so this does not fail.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The section as a JSON Schema (2020-12), with what each key is for; ranges are checked by [`Config::from_json`] and not in it.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    fn check(&self, faults: &mut Faults) {
        let url = &self.nexus_url;
        faults.http_address("nexus_url", url, "http://127.0.0.1:15474", "api_key");
        if url.query().is_some() || url.fragment().is_some() {
            faults.add("nexus_url", "must not hold a query or a fragment");
        }
        if let Some(file) = &self.api_key_file {
            if file.as_os_str().is_empty() {
                faults.add("api_key_file", "must not be empty");
            }
            if self.api_key.as_ref().is_some_and(|key| !key.is_empty()) {
                faults.add("api_key_file", "must not stand beside api_key");
            }
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
        self.sync.check("sync", faults);
        self.limits.check("limits", faults);
        self.breaker.check("breaker", faults);
        self.reconcile.check("reconcile", faults);
        faults.share("verify.sample", self.verify.sample);
        faults.range(
            "verify.first_batches",
            self.verify.first_batches.into(),
            0,
            1_000_000,
        );
        self.similarity.check("similarity", faults);
        self.entities.check("entities", faults);
        let classifier = self.domains.check("domains", faults);
        self.permissions.check("permissions", faults);
        self.enrichment.check("enrichment", &self.properties, faults);
        self.search.check("search", faults);
        self.audit.check("audit", faults);
        self.admin.check("admin", faults);
        self.telemetry.check("telemetry", faults);
        self.poller.check("poller", faults);
        self.webhooks.check("webhooks", faults);
        collection::check(
            &self.collections,
            &self.domains,
            classifier.as_ref(),
            "collections",
            faults,
        );
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

    /// The settings of a collection, if it has its own or a pattern's.
    #[must_use]
    pub fn entry(&self, collection: &str) -> Option<&Collection> {
        entry(&self.collections, collection)
    }

    /// Whether documents of this collection, which are not synced, are taken out of the graph.
    #[must_use]
    pub fn removes(&self, collection: &str) -> bool {
        self.enabled && !self.syncs(collection) && self.entry(collection).is_some_and(|entry| entry.remove)
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
