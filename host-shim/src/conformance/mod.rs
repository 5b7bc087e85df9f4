//! What every implementation of [`Store`] has to do, as checks to run against it.
//!
//! Whoever implements [`Store`] implements [`Fixture`] in a test, by which the checks make collections and documents, and calls
//! [`run`]. A check is one behaviour that a plugin relies upon. It makes less than a hundred calls, in collections of its own
//! that it drops in the end, so that checks may run side by side, and against a store behind HTTP.
//!
//! ```no_run
//! # use vectorizer_host_shim::conformance::{self, Fixture};
//! # fn fixture() -> impl Fixture { unimplemented!() as Failing }
//! # struct Failing;
//! # impl Fixture for Failing {
//! #     fn store(&self) -> std::sync::Arc<dyn vectorizer_host_shim::store::Store> { unimplemented!() }
//! #     fn create(&self, _: &str, _: u32, _: vectorizer_host_shim::api::model::Metric) -> conformance::Outcome { Ok(()) }
//! #     fn put(&self, _: &str, _: &[vectorizer_host_shim::api::model::Document]) -> conformance::Outcome { Ok(()) }
//! #     fn delete(&self, _: &str, _: &[&str]) -> conformance::Outcome { Ok(()) }
//! #     fn drop_collection(&self, _: &str) -> conformance::Outcome { Ok(()) }
//! # }
//! // In a test:
//! if let Err(failures) = conformance::run(&fixture(), "conformance-") {
//!     panic!("{failures}");
//! }
//! ```
//!
//! How exact answers must be:
//! - Payloads come back as they were put.
//! - Vectors of a cosine collection come back as directions, of any length; the others as they were put. Bit for bit where
//!   [`CollectionInfo::exact_vectors`](crate::api::model::CollectionInfo::exact_vectors) says so (a direction: the same at each
//!   read), else each component within 0.02 of the greatest.
//! - Scores are those of [`Metric`], within 0.02 where vectors are not exact.
//! - A search of a few dozen documents finds as many as were asked for, whatever was deleted and replaced before.

mod collections;
mod compare;
mod documents;
mod ids;
mod merging;
mod scanning;
mod searching;
mod trial;

use std::sync::Arc;

use crate::api::model::{Document, Metric};
use crate::store::Store;
use trial::Trial;

/// What came of a step: nothing, or why it failed.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// How the checks change the store that they look at.
///
/// Each call returns when its effect can be read. It may fail, and so may the check.
pub trait Fixture: Sync {
    /// The store as plugins see it.
    fn store(&self) -> Arc<dyn Store>;

    /// Makes an empty collection. Names are of `a-z`, `0-9` and `-`, after the prefix that [`run`] was given.
    ///
    /// # Errors
    /// Where it cannot.
    fn create(&self, collection: &str, dimension: u32, metric: Metric) -> Outcome;

    /// Inserts documents, or replaces those with their ids. Vectors are finite and not zero.
    ///
    /// # Errors
    /// Where it cannot.
    fn put(&self, collection: &str, documents: &[Document]) -> Outcome;

    /// Deletes documents, which are there.
    ///
    /// # Errors
    /// Where it cannot.
    fn delete(&self, collection: &str, ids: &[&str]) -> Outcome;

    /// Deletes a collection. One that is not there may be an error.
    ///
    /// # Errors
    /// Where it cannot.
    fn drop_collection(&self, collection: &str) -> Outcome;

    /// Gives a collection another name. False, the default, where the store has no such thing.
    ///
    /// # Errors
    /// Where it cannot.
    fn rename(&self, _from: &str, _to: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(false)
    }
}

/// One behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// What the store does where the check succeeds, as the name of a test. Unique.
    pub name: &'static str,
    check: fn(&Trial<'_>) -> Outcome,
}

impl Check {
    /// Checks it, in collections whose names begin with `prefix`.
    ///
    /// # Errors
    /// [`Failure`], where the store does something else or the fixture failed.
    pub fn run(&self, fixture: &dyn Fixture, prefix: &str) -> Result<(), Failure> {
        (self.check)(&Trial::new(fixture, prefix, self.name)).map_err(|reason| Failure {
            check: self.name,
            reason: reason.to_string(),
        })
    }
}

/// A behaviour that the store does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {reason}")]
pub struct Failure {
    /// The check's name.
    pub check: &'static str,
    /// What was met instead.
    pub reason: String,
}

/// All behaviours that the store does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} of {} checks failed:\n{}", .0.len(), CHECKS.len(), lines(.0))]
pub struct Failures(pub Vec<Failure>);

fn lines(failures: &[Failure]) -> String {
    let lines: Vec<String> = failures.iter().map(Failure::to_string).collect();
    lines.join("\n")
}

/// Makes the table of checks: each is named by its function.
macro_rules! checks {
    ($($file:ident: $($name:ident),+;)+) => {
        /// All checks, in the order in which [`run`] makes them.
        pub const CHECKS: &[Check] = &[
            $($(Check { name: stringify!($name), check: $file::$name },)+)+
        ];
    };
}

checks! {
    collections:
        a_collection_is_described_as_it_was_made,
        an_unknown_collection_is_not_found_by_any_call,
        a_deleted_collection_stays_gone_whatever_is_asked,
        a_collection_made_anew_is_empty,
        a_renamed_collection_answers_under_its_new_name,
        a_text_has_a_vector_of_the_collections_dimension_or_none;
    documents:
        documents_come_back_as_they_were_put,
        absent_ids_are_left_out,
        only_the_fields_that_are_asked_for_come,
        a_replaced_document_is_the_new_one,
        the_count_is_that_of_the_documents;
    ids:
        ids_are_any_text_and_never_numbers;
    searching:
        a_document_is_found_by_its_own_vector,
        hits_come_closest_first_with_the_scores_of_the_metric,
        a_search_finds_as_many_as_asked_for_after_many_changes,
        what_is_gone_is_never_found,
        a_search_by_a_malformed_vector_is_invalid;
    scanning:
        a_scan_meets_each_document_once_at_any_limit,
        a_scan_meets_each_lasting_document_once_while_others_come_and_go,
        a_scan_of_an_empty_collection_ends_at_once,
        a_foreign_cursor_is_invalid;
    merging:
        a_merge_follows_rfc_7396_and_leaves_the_vector,
        a_merge_into_no_payload_makes_one,
        a_merge_that_expects_something_else_changes_nothing,
        a_merge_into_an_absent_document_says_gone,
        concurrent_merges_lose_nothing,
        of_merges_that_expect_the_same_one_succeeds,
        merges_do_not_wear_out_a_search;
}

/// Makes all checks, one after the other.
///
/// # Errors
/// [`Failures`], where one or several failed.
pub fn run(fixture: &dyn Fixture, prefix: &str) -> Result<(), Failures> {
    let checked = CHECKS.iter().map(|check| check.run(fixture, prefix));
    let failures: Vec<Failure> = checked.filter_map(Result::err).collect();
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Failures(failures)),
    }
}
