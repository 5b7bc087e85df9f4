//! The shared test data: real documents with embeddings, and their exact nearest neighbours. The folder lies beside the
//! project; where it is absent, tests that need it say so and pass.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::TestError;
use crate::build::workspace;

/// Components of every embedding.
pub const DIMENSION: usize = 384;
/// Neighbours of each document in the truth.
pub const TRUTH_K: usize = 20;

/// A document with its embedding.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// Its label: legal, financial, hr, engineering or general.
    pub label: String,
    /// Where it is from.
    pub source: String,
    /// Its embedding, of unit length.
    pub embedding: Vec<f32>,
}

/// The shared folder, by `VZN_SHARED` or beside the workspace; `None`, with a notice, where there is none.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("VZN_SHARED").map_or_else(|| workspace().join("../shared"), PathBuf::from);
    if folder.join("data").is_dir() {
        return Some(folder.join("data"));
    }
    eprintln!(
        "notice: skipped, the shared test data are not at {}",
        folder.display()
    );
    None
}

/// The labelled documents.
///
/// # Errors
/// [`TestError::File`].
pub fn labelled(folder: &std::path::Path) -> Result<Vec<Labelled>, TestError> {
    let texts = folder.join("domains.jsonl");
    let lines = fs::read_to_string(&texts).map_err(|error| TestError::file(&texts, &error))?;
    let embeddings = floats(&read(folder, "domains_embeddings.f32")?);
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    Ok(lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .zip(embeddings.chunks_exact(DIMENSION))
        .map(|(row, embedding)| Labelled {
            id: text(&row, "id"),
            title: text(&row, "title"),
            text: text(&row, "text"),
            label: text(&row, "label"),
            source: text(&row, "source"),
            embedding: embedding.to_vec(),
        })
        .collect())
}

/// The exact cosine neighbours of every document by row number and score, closest first.
///
/// # Errors
/// [`TestError::File`].
pub fn truth(folder: &std::path::Path, count: usize) -> Result<Vec<Vec<(usize, f32)>>, TestError> {
    let bytes = read(folder, "similar_truth.bin")?;
    let (rows, scores) = bytes.split_at(count * TRUTH_K * 4);
    let rows: Vec<usize> = rows
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    let neighbours: Vec<(usize, f32)> = rows.into_iter().zip(floats(scores)).collect();
    Ok(neighbours.chunks_exact(TRUTH_K).map(<[_]>::to_vec).collect())
}

fn read(folder: &std::path::Path, name: &str) -> Result<Vec<u8>, TestError> {
    let path = folder.join(name);
    fs::read(&path).map_err(|error| TestError::file(&path, &error))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}
