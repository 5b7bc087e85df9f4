//! How a document lies in its row, and a vector in its own.
//!
//! Document row: length of the id (u16, little-endian), the id in UTF-8, then the payload as JSON; nothing
//! after the id means no payload. Vector row: 32-bit floats, little-endian, nothing else.

use vectorizer_plugin_api::model::JsonMap;

use super::DbError;

/// A document row.
pub(super) fn encode(id: &str, payload: Option<&JsonMap>) -> Result<Vec<u8>, DbError> {
    let length = u16::try_from(id.len()).map_err(|_| DbError::invalid("id", "longer than 65535 bytes"))?;
    let mut row = Vec::with_capacity(2 + id.len() + 64);
    row.extend_from_slice(&length.to_le_bytes());
    row.extend_from_slice(id.as_bytes());
    if let Some(payload) = payload {
        serde_json::to_writer(&mut row, payload)
            .map_err(|error| DbError::invalid("payload", error.to_string()))?;
    }
    Ok(row)
}

/// A document row taken apart, with the payload still as text.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) id: &'a str,
    payload: &'a [u8],
}

impl<'a> Row<'a> {
    pub(super) fn read(row: &'a [u8]) -> Result<Self, DbError> {
        let damaged = || DbError::Damaged("document row".to_owned());
        let (length, rest) = row.split_first_chunk::<2>().ok_or_else(damaged)?;
        let (id, payload) = rest
            .split_at_checked(usize::from(u16::from_le_bytes(*length)))
            .ok_or_else(damaged)?;
        Ok(Self {
            id: std::str::from_utf8(id).map_err(|_| damaged())?,
            payload,
        })
    }

    pub(super) fn payload(&self) -> Result<Option<JsonMap>, DbError> {
        if self.payload.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(self.payload)
            .map(Some)
            .map_err(|error| DbError::Damaged(format!("payload of '{}': {error}", self.id)))
    }

    /// Bytes of the payload as stored.
    pub(super) fn payload_bytes(&self) -> u64 {
        self.payload.len() as u64
    }
}

/// A vector row.
pub(super) fn encode_vector(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Reads a vector row into `vector`, whose memory is used again.
pub(super) fn decode_vector(row: &[u8], dimension: usize, vector: &mut Vec<f32>) -> Result<(), DbError> {
    let (components, rest) = row.as_chunks::<4>();
    if components.len() != dimension || !rest.is_empty() {
        return Err(DbError::Damaged(format!(
            "vector row of {} bytes, dimension {dimension}",
            row.len()
        )));
    }
    vector.clear();
    vector.extend(components.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_gives_back_what_it_was_made_of() {
        let payload = json!({"ключ": [1, 2.5, null], "": {}}).as_object().cloned();
        for (id, payload) in [
            ("é#0", payload.as_ref()),
            ("x", None),
            ("y", Some(&JsonMap::new())),
        ] {
            let bytes = encode(id, payload).unwrap();
            let row = Row::read(&bytes).unwrap();
            assert_eq!((row.id, row.payload().unwrap().as_ref()), (id, payload));
        }
    }

    #[test]
    fn damage_is_an_error_not_a_panic() {
        for bytes in [&b""[..], b"\x05", b"\x05\x00ab", b"\x01\x00\xff"] {
            assert!(Row::read(bytes).is_err(), "{bytes:?}");
        }
        assert!(Row::read(b"\x01\x00a{\"x\":").unwrap().payload().is_err());
        assert!(decode_vector(&[0; 7], 1, &mut Vec::new()).is_err());
        assert!(decode_vector(&[0; 8], 1, &mut Vec::new()).is_err());
    }

    #[test]
    fn vectors_keep_every_bit() {
        let vector = [1.5f32, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX];
        let mut back = Vec::new();
        decode_vector(&encode_vector(&vector), 4, &mut back).unwrap();
        assert!(vector.iter().zip(&back).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}
