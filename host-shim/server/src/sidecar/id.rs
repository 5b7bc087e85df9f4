//! An id as it stands in JSON: a text, or a number, which Vectorizer's Qdrant routes take and give for a text of digits.

use serde::{Deserialize, Deserializer};

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelt {
            Text(String),
            Number(u64),
        }
        Ok(Self(match Spelt::deserialize(deserializer)? {
            Spelt::Text(id) => id,
            Spelt::Number(id) => id.to_string(),
        }))
    }
}
