//! The one error of the program, and which exit code each kind of it has.
//!
//! Invariant: no message holds a secret. Texts of the host are in it as they came; whoever prints it escapes them.

use std::io;
use std::path::Path;

use crate::exit::Code;

/// Why a command could not do its part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// There is no usable API key where one is said to be.
    #[error("the API key of {place}: {reason}")]
    Key {
        /// The file or the variable.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// No complete answer.
    #[error("the host at {host} {reason}")]
    Unreachable {
        /// Its address.
        host: String,
        /// What happened instead.
        reason: String,
    },
    /// 401 or 403.
    #[error("the host refused ({status}): {message}{}", advice(*status, *with_key))]
    Refused {
        /// The status.
        status: u16,
        /// Its words.
        message: String,
        /// Whether a key was sent.
        with_key: bool,
    },
    /// Any other status that is no success.
    #[error("the host answered {status} to {route}: {message}{}", listed(faults))]
    Answered {
        /// What was asked.
        route: String,
        /// The status.
        status: u16,
        /// Its words.
        message: String,
        /// What is wrong, one by one, where the host says that.
        faults: Vec<String>,
    },
    /// A success whose content is not what it should be.
    #[error("the host's answer to {route} is not understood: {reason}")]
    Garbled {
        /// What was asked.
        route: String,
        /// What is wrong.
        reason: String,
    },
    /// A file here.
    #[error("'{path}': {reason}")]
    File {
        /// The file or folder.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody takes the output.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// Something about a file.
    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    /// Which exit code it has.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Usage(_) | Self::Key { .. } => Code::Usage,
            Self::Unreachable { .. } => Code::Unreachable,
            Self::Refused { .. } => Code::Refused,
            Self::Answered { .. } | Self::Garbled { .. } => Code::Answered,
            Self::File { .. } | Self::Output(_) => Code::Wrong,
        }
    }

    /// Whether it may pass by itself: the host restarts, or has too much to do.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Answered { status, .. } => *status == 429 || *status >= 500,
            Self::Usage(_)
            | Self::Key { .. }
            | Self::Refused { .. }
            | Self::Garbled { .. }
            | Self::File { .. }
            | Self::Output(_) => false,
        }
    }
}

fn advice(status: u16, with_key: bool) -> &'static str {
    match (status, with_key) {
        (401, false) => "; give a key with --api-key-file, or in NEXUS_SYNC_API_KEY",
        (401, true) => "; the key is not one of the host's",
        _ => "; this needs the administrator's key",
    }
}

fn listed(faults: &[String]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_exit_code() {
        let text = String::new;
        let answered = |status| Error::Answered {
            route: text(),
            status,
            message: text(),
            faults: Vec::new(),
        };
        for (error, code, passes) in [
            (Error::Usage(text()), 2, false),
            (
                Error::Key {
                    place: text(),
                    reason: text(),
                },
                2,
                false,
            ),
            (
                Error::Unreachable {
                    host: text(),
                    reason: text(),
                },
                3,
                true,
            ),
            (
                Error::Refused {
                    status: 403,
                    message: text(),
                    with_key: true,
                },
                4,
                false,
            ),
            (answered(404), 5, false),
            (answered(429), 5, true),
            (answered(503), 5, true),
            (
                Error::Garbled {
                    route: text(),
                    reason: text(),
                },
                5,
                false,
            ),
            (Error::file(Path::new("/x"), "y"), 1, false),
            (Error::Output(io::Error::other("full")), 1, false),
        ] {
            assert_eq!(error.code() as u8, code, "{error}");
            assert_eq!(error.is_transient(), passes, "{error}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |status, with_key| {
            let message = "no".to_owned();
            Error::Refused {
                status,
                message,
                with_key,
            }
            .to_string()
        };
        assert!(refused(401, false).contains("--api-key-file"));
        assert!(refused(401, true).contains("not one of the host's"));
        assert!(refused(403, true).contains("administrator's key"));
    }
}
