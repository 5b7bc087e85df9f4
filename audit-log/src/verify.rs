//! Whether a log is what was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::chain::Link;
use super::{NAME, full_files};

/// A log whose chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The number of the first line that is still there; 0: none is.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// Its hash. Whoever kept it elsewhere can tell that nothing was cut off behind it.
    pub hash: String,
    /// How many files it is in.
    pub files: usize,
}

/// Where a log is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum ChainFault {
    /// A line is wrong in itself.
    #[error("'{}' line {line}: {reason}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A line does not follow the one before it.
    #[error("'{}' line {line}: does not follow line {before} of the log: lines were taken out, put in or changed", file.display())]
    Gap {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The number of the one before.
        before: u64,
    },
    /// A file cannot be read.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Checks the log in `folder`, from the oldest file that is there.
///
/// # Errors
/// [`ChainFault`] at the first fault.
pub fn verify(folder: &Path) -> Result<Verified, ChainFault> {
    walk(folder, |_| {})
}

/// As [`verify`], and looks for the line with this hash, which somebody kept: up to there, nothing was taken out.
///
/// # Errors
/// As [`verify`].
pub fn verify_since(folder: &Path, kept: &str) -> Result<(Verified, Option<u64>), ChainFault> {
    let mut found = None;
    let verified = walk(folder, |link| {
        if link.hash == kept {
            found = Some(link.number);
        }
    })?;
    Ok((verified, found))
}

/// Follows the chain and shows each of its lines.
fn walk(folder: &Path, mut seen: impl FnMut(&Link)) -> Result<Verified, ChainFault> {
    let mut files = full_files(folder)?;
    let current = folder.join(NAME);
    if current.exists() {
        files.push(current);
    }
    let count = files.len();
    let mut first = 0;
    let mut last: Option<Link> = None;
    for file in files {
        for (at, text) in BufReader::new(File::open(&file)?).lines().enumerate() {
            let line = at + 1;
            let wrong = |reason| ChainFault::Line {
                file: file.clone(),
                line,
                reason,
            };
            let text = match text {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(wrong("is no text".to_owned()));
                }
                text => text?,
            };
            let link = Link::of(&text).map_err(wrong)?;
            let previous = Link::before(&text).map_err(wrong)?;
            match &last {
                Some(last) if last.number + 1 != link.number || last.hash != previous => {
                    return Err(ChainFault::Gap {
                        file,
                        line,
                        before: last.number,
                    });
                }
                Some(_) => {}
                None => first = link.number,
            }
            seen(&link);
            last = Some(link);
        }
    }
    let last = last.unwrap_or_else(Link::first);
    Ok(Verified {
        first,
        last: last.number,
        hash: last.hash,
        files: count,
    })
}
