//! The settings that all parts work by, and what is made of them.
//!
//! Invariant: they are replaced as a whole, and only while no lane works (see [`super::gate`]); so a batch is worked on by one
//! configuration from its claim to its commit.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::document::CopyRules;
use super::relations::{DeriveError, Deriver};
use crate::config::Config;
use crate::domains::Knowledge;

/// A configuration, and the rules that it gives.
#[derive(Debug)]
struct Rules {
    config: Arc<Config>,
    deriver: Arc<Deriver>,
    copy: Arc<CopyRules>,
}

impl Rules {
    fn of(config: Arc<Config>, knowledge: Knowledge) -> Result<Self, DeriveError> {
        Ok(Self {
            deriver: Arc::new(Deriver::new(&config, knowledge)?),
            copy: Arc::new(CopyRules::new(config.properties.clone())),
            config,
        })
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct InForce(ArcSwap<Rules>);

impl InForce {
    /// Begins with a configuration and what was learned before.
    ///
    /// # Errors
    /// [`DeriveError`], which the check of the configuration has ruled out.
    pub(super) fn new(config: Arc<Config>, knowledge: Knowledge) -> Result<Self, DeriveError> {
        Ok(Self(ArcSwap::from_pointee(Rules::of(config, knowledge)?)))
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// [`DeriveError`]; the present one stays.
    pub(super) fn replace(&self, config: Arc<Config>, knowledge: Knowledge) -> Result<(), DeriveError> {
        self.0.store(Arc::new(Rules::of(config, knowledge)?));
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.load().config)
    }

    pub(super) fn deriver(&self) -> Arc<Deriver> {
        Arc::clone(&self.0.load().deriver)
    }

    pub(super) fn copy_rules(&self) -> Arc<CopyRules> {
        Arc::clone(&self.0.load().copy)
    }
}
