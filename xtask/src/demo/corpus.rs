//! The documents: what every machine that built this project has, or a folder of yours.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use vectorizer_tests::TestError;

/// Larger files are lists, not texts.
const LARGEST: u64 = 128 * 1024;

/// A file to be inserted.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    /// Its id, without `#`.
    pub(crate) id: String,
    /// Its text.
    pub(crate) text: String,
    /// What is known of it.
    pub(crate) metadata: Map<String, Value>,
}

/// READMEs and manifests of the crates in the local cargo registry, the ones that this project is built from.
pub(crate) fn registry(most: usize) -> Result<Vec<TextFile>, TestError> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .ok_or_else(|| TestError::Process("neither CARGO_HOME nor HOME is set; use --dir".into()))?;
    let sources = home.join("registry/src");
    let mut crates: Vec<PathBuf> = children(&sources)
        .iter()
        .flat_map(|index| children(index))
        .collect();
    crates.sort();
    let mut files = Vec::new();
    for folder in &crates {
        let Some((name, version)) = folder.file_name().and_then(|name| split_version(name.to_str()?)) else {
            continue;
        };
        let named = |wanted: &[&str]| {
            let mut found = children(folder);
            found.retain(|path| {
                path.file_name()
                    .is_some_and(|file| wanted.iter().any(|name| file == *name))
            });
            found.into_iter().next()
        };
        let readme = named(&["README.md", "Readme.md", "readme.md", "README"]).map(|path| (path, "readme"));
        let manifest = named(&["Cargo.toml.orig"])
            .or_else(|| named(&["Cargo.toml"]))
            .map(|path| (path, "manifest"));
        for (path, doc_type) in readme.into_iter().chain(manifest) {
            let Some(text) = read(&path) else { continue };
            let file = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let metadata = json!({
                "title": format!("{name} {version}: {doc_type}"),
                "doc_type": doc_type,
                "source": name,
                "file_path": format!("{name}-{version}/{file}"),
            });
            files.push(TextFile {
                id: format!("{name}-{version}/{doc_type}"),
                text,
                metadata: metadata.as_object().cloned().unwrap_or_default(),
            });
        }
    }
    not_empty(spread(files, most), &sources)
}

/// Text and Markdown below a folder.
pub(crate) fn folder(root: &Path, most: usize) -> Result<Vec<TextFile>, TestError> {
    let mut open = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for path in children(&folder) {
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let is_text = path
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|extension| matches!(extension, "md" | "txt" | "rst" | "toml" | "adoc"));
            let name = path.strip_prefix(root).ok().and_then(Path::to_str);
            if let (true, Some(name), Some(text)) = (is_text, name, read(&path)) {
                let metadata = json!({"title": title(&text, name), "doc_type": "text", "file_path": name});
                files.push(TextFile {
                    id: name.replace('#', "_"),
                    text,
                    metadata: metadata.as_object().cloned().unwrap_or_default(),
                });
            }
        }
    }
    files.sort_by(|one, other| one.id.cmp(&other.id));
    not_empty(spread(files, most), root)
}

/// At most so many of the files, from the whole of the list.
fn spread(files: Vec<TextFile>, most: usize) -> Vec<TextFile> {
    let count = files.len();
    let kept = |at: usize| at * most / count.max(1) != (at + 1) * most / count.max(1);
    files
        .into_iter()
        .enumerate()
        .filter(|(at, _)| count <= most || kept(*at))
        .map(|(_, file)| file)
        .collect()
}

fn not_empty(files: Vec<TextFile>, place: &Path) -> Result<Vec<TextFile>, TestError> {
    if files.is_empty() {
        return Err(TestError::Process(format!(
            "no text found below {}; use --dir",
            place.display()
        )));
    }
    Ok(files)
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Option<String> {
    let size = fs::metadata(path).ok()?.len();
    let text = (size <= LARGEST)
        .then(|| fs::read_to_string(path).ok())
        .flatten()?;
    (!text.trim().is_empty()).then_some(text)
}

/// `serde_json-1.0.1` into its name and version.
fn split_version(folder: &str) -> Option<(&str, &str)> {
    let at = folder
        .match_indices('-')
        .find(|(at, _)| folder[at + 1..].starts_with(|c: char| c.is_ascii_digit()))?
        .0;
    Some((&folder[..at], &folder[at + 1..]))
}

/// The first heading, else the file's name.
fn title<'a>(text: &'a str, name: &'a str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix("# "))
        .map_or(name, str::trim)
}
