//! Reading LCOV: how often each line was run.

use std::collections::BTreeMap;

/// The lines of a file that code was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileLines {
    /// Its path.
    pub(super) path: String,
    /// How often each was run.
    pub(super) hits: BTreeMap<usize, u64>,
}

impl FileLines {
    /// Lines of code.
    pub(super) fn total(&self) -> usize {
        self.hits.len()
    }

    /// Those that were run.
    pub(super) fn covered(&self) -> usize {
        self.hits.values().filter(|hits| **hits > 0).count()
    }

    /// Those that were not, as `12` or `12-15`. Lines without code do not part a range.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        let mut open = false;
        for (&line, &hits) in &self.hits {
            match ranges.last_mut() {
                Some((_, last)) if hits == 0 && open => *last = line,
                _ if hits == 0 => ranges.push((line, line)),
                _ => {}
            }
            open = hits == 0;
        }
        ranges
            .into_iter()
            .map(|(first, last)| match last - first {
                0 => first.to_string(),
                _ => format!("{first}-{last}"),
            })
            .collect()
    }
}

/// Reads a whole LCOV file. A file that appears twice has its counts added up.
pub(super) fn parse(text: &str) -> Vec<FileLines> {
    let mut files: BTreeMap<String, BTreeMap<usize, u64>> = BTreeMap::new();
    let mut path = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("SF:") {
            name.clone_into(&mut path);
        } else if let Some((line, hits)) = line.strip_prefix("DA:").and_then(counted) {
            *files.entry(path.clone()).or_default().entry(line).or_default() += hits;
        }
    }
    files
        .into_iter()
        .map(|(path, hits)| FileLines { path, hits })
        .collect()
}

fn counted(record: &str) -> Option<(usize, u64)> {
    let mut parts = record.split(',');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_gaps_are_read() {
        let files = parse("SF:/w/a/src/b.rs\nDA:1,0\nDA:2,0\nDA:4,0\nDA:5,7\nDA:9,0\nend_of_record\n");
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].total(), files[0].covered()), (5, 1));
        assert_eq!(files[0].missing(), ["1-4", "9"]);
    }

    #[test]
    fn a_file_in_two_records_is_one() {
        let files = parse("SF:a\nDA:1,0\nend_of_record\nSF:a\nDA:1,2\nDA:2,0\nend_of_record\n");
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].total(), files[0].covered()), (2, 1));
    }
}
