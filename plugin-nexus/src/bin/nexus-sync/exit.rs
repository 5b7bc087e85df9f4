//! What the exit code says. The codes are stable: scripts depend on them.

use std::process::ExitCode;

/// The table in `--help` and in the man page.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    all is well
  1    a check or a job found something wrong, or a file here could not be read or written
  2    the command line, the configuration of this program or its API key cannot be used
  3    the host is not reachable, or did not answer completely in time
  4    the host refused (401, 403)
  5    the host answered with an error, or with something that is not understood
  130  interrupted while following a job, which goes on";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Code {
    /// All is well.
    Fine = 0,
    /// A check or a job found something wrong.
    Wrong = 1,
    /// The command cannot be understood.
    Usage = 2,
    /// The host is not reachable.
    Unreachable = 3,
    /// The host refused.
    Refused = 4,
    /// The host answered with an error.
    Answered = 5,
    /// Somebody did not want to wait for the end of a job.
    Interrupted = 130,
}

impl Code {
    /// The code of a check.
    pub(crate) fn of(is_fine: bool) -> Self {
        if is_fine { Self::Fine } else { Self::Wrong }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_every_code() {
        let told: Vec<u8> = TABLE
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        let codes = [
            Code::Fine,
            Code::Wrong,
            Code::Usage,
            Code::Unreachable,
            Code::Refused,
            Code::Answered,
            Code::Interrupted,
        ];
        assert_eq!(told, codes.map(|code| code as u8));
        assert_eq!(told, [0, 1, 2, 3, 4, 5, 130]);
    }
}
