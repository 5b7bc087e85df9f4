//! Telling the product from its tests: a test runs all of itself, and would make every figure look better.
//!
//! Left out are files outside a crate's `src`, the programs that only tests use, modules that are declared for tests only, and
//! the tests that stand at the end of a file.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use vectorizer_tests::TestError;

use super::file_error;
use super::lines::FileLines;

/// What is part of the product is none of these.
const FOR_TESTS: [&str; 2] = ["tests/", "xtask/"];

const MARKS: [&str; 2] = ["#[cfg(test)]", "#[cfg(any(test, fuzzing))]"];

/// The product's files with their product's lines; paths below `workspace`.
pub(super) fn only(files: Vec<FileLines>, workspace: &Path) -> Result<Vec<FileLines>, TestError> {
    let mut sources: HashMap<PathBuf, String> = HashMap::new();
    let mut kept = Vec::new();
    for file in files {
        let path = PathBuf::from(&file.path);
        let Ok(below) = path.strip_prefix(workspace) else {
            continue;
        };
        let below = below.to_string_lossy().into_owned();
        if !below.contains("/src/") || FOR_TESTS.iter().any(|folder| below.starts_with(folder)) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| file_error(&path, &error))?;
        sources.insert(path, text);
        kept.push((below, file));
    }
    let mut declared: BTreeSet<PathBuf> = BTreeSet::new();
    for (path, text) in &sources {
        declared.extend(test_modules(path, text));
    }
    // One that only declares modules has no lines of its own, and is not among the files.
    for parent in sources.keys().flat_map(|path| parents(path)) {
        if let Ok(text) = fs::read_to_string(&parent) {
            declared.extend(test_modules(&parent, &text));
        }
    }
    Ok(kept
        .into_iter()
        .filter(|(_, file)| {
            let path = Path::new(&file.path);
            !path.ancestors().any(|folder| declared.contains(folder))
        })
        .filter_map(|(below, mut file)| {
            let end = sources
                .get(Path::new(&file.path))
                .and_then(|text| tests_begin(text));
            if let Some(end) = end {
                file.hits.retain(|line, _| *line < end);
            }
            file.path = below;
            (file.total() > 0).then_some(file)
        })
        .collect())
}

/// Where the module of a file may be declared.
fn parents(path: &Path) -> [PathBuf; 4] {
    let folder = path.with_file_name("");
    [
        folder.join("mod.rs"),
        folder.join("lib.rs"),
        folder.join("main.rs"),
        folder.with_extension("rs"),
    ]
}

/// The files and folders of the modules that a file declares for tests only.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => path.with_file_name(""),
        _ => path.with_extension(""),
    };
    let mut found = Vec::new();
    let mut marked = false;
    let mut elsewhere = None;
    for line in text.lines().map(str::trim) {
        if MARKS.contains(&line) {
            marked = true;
            elsewhere = None;
        } else if let Some(file) = line
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.strip_suffix("\"]"))
        {
            elsewhere = Some(path.with_file_name(file));
        } else if let Some(name) = module(line).filter(|_| marked) {
            found.push(folder.join(format!("{name}.rs")));
            found.push(folder.join(name));
            found.extend(elsewhere.take());
            marked = false;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            marked = false;
        }
    }
    found
}

/// The name in `mod name;`.
fn module(line: &str) -> Option<&str> {
    let declaration = line
        .trim_start_matches("pub(crate) ")
        .trim_start_matches("pub(super) ")
        .trim_start_matches("pub ");
    declaration.strip_prefix("mod ")?.strip_suffix(';')
}

/// The line in which a file's own tests begin.
fn tests_begin(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    (1..lines.len())
        .find(|&at| {
            let is_module = lines[at].starts_with("mod ") && lines[at].ends_with('{');
            is_module && MARKS.contains(&lines[at - 1])
        })
        .map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_for_tests_are_found_beside_their_parent() {
        let text = "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(any(test, fuzzing))]\n#[doc(hidden)]\npub mod fuzzing;\nmod b;\n";
        let name = |name: &str| PathBuf::from("/w/c/src").join(name);
        assert_eq!(
            test_modules(Path::new("/w/c/src/lib.rs"), text),
            [
                name("tests.rs"),
                name("tests"),
                name("fuzzing.rs"),
                name("fuzzing")
            ]
        );
        assert_eq!(
            test_modules(Path::new("/w/c/src/x.rs"), "#[cfg(test)]\nmod tests;")[0],
            name("x/tests.rs")
        );
        let elsewhere = "#[cfg(any(test, fuzzing))]\n#[path = \"y.rs\"]\npub mod z;";
        assert!(test_modules(Path::new("/w/c/src/x.rs"), elsewhere).contains(&name("y.rs")));
        assert!(parents(Path::new("/w/c/src/x/y.rs")).contains(&name("x.rs")));
        assert!(parents(Path::new("/w/c/src/x/y.rs")).contains(&name("x/mod.rs")));
    }

    #[test]
    fn the_tests_at_the_end_of_a_file_begin_with_their_module() {
        assert_eq!(
            tests_begin("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n"),
            Some(4)
        );
        assert_eq!(tests_begin("#[cfg(test)]\nmod tests;\nfn a() {}\n"), None);
    }
}
