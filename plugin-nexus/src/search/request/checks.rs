//! Checks that all requests share. Each names the field at fault.

use std::collections::BTreeSet;

use crate::api::ApiError;

/// Bytes of a name at most.
const LONGEST_NAME: usize = 1_024;
/// Names in a list at most.
pub(super) const MOST_NAMES: usize = 100;
/// What is said of a name that is none.
pub(super) const A_NAME: &str = "must be a name of 1 to 1024 bytes";

pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
}

pub(super) fn name(field: &str, name: &str) -> Result<(), ApiError> {
    match is_name(name) {
        true => Ok(()),
        false => Err(ApiError::field(field, A_NAME)),
    }
}

pub(super) fn names(field: &str, names: &BTreeSet<String>) -> Result<(), ApiError> {
    range(field, names.len(), 0, MOST_NAMES)?;
    match names.iter().all(|name| is_name(name)) {
        true => Ok(()),
        false => Err(ApiError::field(field, "must be names of 1 to 1024 bytes")),
    }
}

/// Names in the order that they were given in, each once.
pub(super) fn list(field: &str, named: &[String], least: usize) -> Result<(), ApiError> {
    range(field, named.len(), least, MOST_NAMES)?;
    let mut seen = BTreeSet::new();
    for (at, name) in named.iter().enumerate() {
        if !is_name(name) || !seen.insert(name) {
            let reason = "must be a name of 1 to 1024 bytes, and given once";
            return Err(ApiError::field(&format!("{field}[{at}]"), reason));
        }
    }
    Ok(())
}

pub(super) fn range(field: &str, value: usize, least: usize, most: usize) -> Result<(), ApiError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(ApiError::field(
            field,
            format!("{value} is out of range; allowed are {least} to {most}"),
        )),
    }
}

pub(super) fn weight(field: &str, weight: f64) -> Result<f64, ApiError> {
    match (0.0..=100.0).contains(&weight) {
        true => Ok(weight),
        false => Err(ApiError::field(field, "must be a number from 0 to 100")),
    }
}
