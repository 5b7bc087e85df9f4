//! A subscription's secret: where it comes from, and where it goes.
//!
//! Invariants: a secret is never on the command line, and in the output only where that was asked for; the file that it is to be kept in
//! exists before the host draws it, so that it is not lost, and belongs to its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::error::Error;

/// Bytes of a file with a secret at most.
const LONGEST: u64 = 4_096;

/// What becomes of the secret. One of these must be said, since the host tells it only once.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Handling {
    /// Print the secret that the host draws.
    #[arg(long)]
    show_secret: bool,
    /// Write it into a new file that only its owner can read.
    #[arg(long, value_name = "FILE")]
    secret_to: Option<PathBuf>,
    /// Use the one in this file.
    #[arg(long, value_name = "FILE")]
    secret_from: Option<PathBuf>,
}

/// Where the secret of one request is.
#[derive(Debug)]
pub(super) enum Keeper {
    /// It is printed.
    Shown,
    /// It goes to a file.
    To(PathBuf, File),
    /// It is known.
    Given(String),
}

impl Keeper {
    /// Prepares it, before the host is asked.
    pub(super) fn prepare(handling: &Handling) -> Result<Self, Error> {
        if let Some(path) = &handling.secret_to {
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(|error| Error::file(path, error))?;
            return Ok(Self::To(path.clone(), file));
        }
        match &handling.secret_from {
            Some(path) => read(path).map(Self::Given),
            None => Ok(Self::Shown),
        }
    }

    /// Puts a known secret into a request.
    pub(super) fn hand_over(&self, body: &mut Value) {
        if let Self::Given(secret) = self {
            body["secret"] = json!(secret);
        }
    }

    /// Keeps the secret of an answer, and answers without it, unless it is to be shown.
    pub(super) fn keep(self, answer: Result<Value, Error>) -> Result<Value, Error> {
        let mut value = match answer {
            Ok(value) => value,
            Err(error) => {
                if let Self::To(path, _) = &self {
                    // Ours, and empty.
                    let _ = fs::remove_file(path);
                }
                return Err(error);
            }
        };
        if matches!(self, Self::Shown) {
            return Ok(value);
        }
        let secret = value.as_object_mut().and_then(|fields| fields.remove("secret"));
        if let Self::To(path, mut file) = self {
            let secret = secret
                .as_ref()
                .and_then(Value::as_str)
                .ok_or_else(|| Error::Garbled {
                    route: "webhooks".to_owned(),
                    reason: "it holds no secret".to_owned(),
                })?;
            file.write_all(format!("{secret}\n").as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|error| Error::file(&path, error))?;
            value["secret_file"] = json!(path.display().to_string());
        }
        Ok(value)
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let file = File::open(path).map_err(|error| Error::file(path, error))?;
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|error| Error::file(path, error))?;
    match text.trim() {
        "" => Err(Error::file(path, "holds no secret")),
        secret => Ok(secret.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn handling(show_secret: bool, to: Option<&Path>, from: Option<&Path>) -> Handling {
        Handling {
            show_secret,
            secret_to: to.map(Path::to_owned),
            secret_from: from.map(Path::to_owned),
        }
    }

    fn answer() -> Result<Value, Error> {
        Ok(json!({"id": "1", "secret": "whsec_x"}))
    }

    #[test]
    fn a_secret_is_shown_only_where_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let shown = Keeper::prepare(&handling(true, None, None)).unwrap();
        assert_eq!(shown.keep(answer()).unwrap()["secret"], "whsec_x");

        let path = folder.path().join("secret");
        let to = Keeper::prepare(&handling(false, Some(&path), None)).unwrap();
        let value = to.keep(answer()).unwrap();
        assert!(!value.to_string().contains("whsec_x"), "{value}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "whsec_x\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        let from = Keeper::prepare(&handling(false, None, Some(&path))).unwrap();
        let mut body = json!({});
        from.hand_over(&mut body);
        assert_eq!(body["secret"], "whsec_x");
        assert!(!from.keep(answer()).unwrap().to_string().contains("whsec_x"));
    }

    #[test]
    fn no_file_is_overwritten_and_none_is_left_where_nothing_came_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let to = Keeper::prepare(&handling(false, Some(&path), None)).unwrap();
        assert!(Keeper::prepare(&handling(false, Some(&path), None)).is_err());
        assert!(to.keep(Err(Error::Usage(String::new()))).is_err());
        assert!(!path.exists());
        assert!(Keeper::prepare(&handling(false, None, Some(&path))).is_err());
    }
}
