//! The body of a request, read strictly.

use serde::de::DeserializeOwned;

use super::AdminError;
use crate::config::without_position;

/// Reads a JSON body; a fault names the field.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AdminError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body" } else { path.as_str() };
        AdminError::field(field, without_position(error.inner()))
    })?;
    reader
        .end()
        .map_err(|error| AdminError::field("body", without_position(&error)))?;
    Ok(value)
}
