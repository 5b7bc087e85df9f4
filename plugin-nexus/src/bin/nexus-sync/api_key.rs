//! The key that the host lets us in with.
//!
//! Invariants: it comes from a file or from the environment, never from the command line, which everybody on the machine can read;
//! it is printed nowhere, also where the host repeats it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::Error;
use crate::output::Output;

/// The variable that a key is looked for in.
pub(crate) const VARIABLE: &str = "NEXUS_SYNC_API_KEY";
/// Bytes of a file with a key at most.
const LONGEST: u64 = 4_096;
const REDACTED: &str = "[redacted]";

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl ApiKey {
    /// The key in `file`, else the one in the environment, else none.
    pub(crate) fn find(file: Option<&Path>, output: Output) -> Result<Option<Self>, Error> {
        if let Some(file) = file {
            return Self::read(file, output).map(Some);
        }
        match std::env::var_os(VARIABLE) {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => {
                let place = format!("the variable {VARIABLE}");
                let text = text.into_string().unwrap_or_default();
                Self::checked(&text, &place).map(Some)
            }
        }
    }

    fn read(path: &Path, output: Output) -> Result<Self, Error> {
        let place = format!("'{}'", path.display());
        let failed = |reason: String| Error::Key {
            place: place.clone(),
            reason,
        };
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
        if metadata.is_file() && metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o7777;
            output.note(&format!(
                "warning: others can read the API key in {place} (mode {mode:04o}); run: chmod go= {}",
                path.display()
            ));
        }
        let mut text = String::new();
        file.take(LONGEST + 1)
            .read_to_string(&mut text)
            .map_err(|error| failed(error.to_string()))?;
        if text.len() as u64 > LONGEST {
            return Err(failed(format!("has more than {LONGEST} bytes")));
        }
        Self::checked(text.trim_end_matches(['\n', '\r']), &place)
    }

    fn checked(text: &str, place: &str) -> Result<Self, Error> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Key {
                place: place.to_owned(),
                reason: "must be visible ASCII characters without spaces, at least one".to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself, for the header that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A text without the key, should it repeat it.
    pub(crate) fn blank(&self, text: &str) -> String {
        text.replace(&self.0, REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    fn read(bytes: &[u8]) -> Result<ApiKey, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, bytes).unwrap();
        ApiKey::find(Some(&path), Output::new(Format::Human, true)).map(Option::unwrap)
    }

    #[test]
    fn a_file_holds_a_key_and_perhaps_the_end_of_its_line() {
        for text in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            assert_eq!(read(text.as_bytes()).unwrap().expose(), "s3cret");
        }
    }

    #[test]
    fn what_no_header_can_carry_is_refused_and_not_repeated() {
        let long = vec![b'k'; 5_000];
        for bytes in [
            &b""[..],
            b"\n",
            b"s3 cret",
            b"s3cret\xff",
            "s3crét".as_bytes(),
            &long,
        ] {
            let error = read(bytes).unwrap_err();
            assert!(matches!(error, Error::Key { .. }), "{error}");
            assert!(!error.to_string().contains("s3"), "{error}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = ApiKey("s3cret".to_owned());
        assert_eq!(format!("{key:?}"), "[redacted]");
        assert_eq!(key.blank("bad key: s3cret"), "bad key: [redacted]");
    }
}
