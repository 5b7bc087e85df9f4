//! Searches whose answers may be short: Vectorizer leaves out what was deleted only after it has cut the answer.

use vectorizer_plugin_api::model::{Fields, Hit};

use super::api::Api;
use super::fault::CallFault;

/// Asked for beyond what is wanted.
const SLACK: usize = 16;
/// By how much more is asked for each time.
const GROWTH: usize = 4;
/// How often more is asked for, before an answer is taken as it is.
const ATTEMPTS: usize = 4;

/// The `limit` closest documents, or all where there are fewer.
pub(super) fn closest(
    api: &Api,
    collection: &str,
    vector: &[f32],
    limit: usize,
    fields: Fields,
) -> Result<Vec<Hit>, CallFault> {
    let mut wanted = limit;
    let mut asked = limit + SLACK;
    for attempt in 1.. {
        let found = api.search(collection, vector, asked, fields)?;
        if found.len() < wanted && attempt == 1 {
            // Fewer may be all that there are.
            let count = api.count(collection)?;
            wanted = usize::try_from(count).unwrap_or(usize::MAX).min(limit);
        }
        if found.len() >= wanted || attempt == ATTEMPTS {
            let closest = found.into_iter().take(limit);
            return Ok(closest.map(|point| point.into_hit(fields)).collect());
        }
        asked *= GROWTH;
    }
    Ok(Vec::new())
}
