//! What a command works with: a host to talk to, and a person to ask and to tell.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::client::Client;
use crate::error::Error;
use crate::output::Output;
use crate::terminal;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Session {
    /// The host.
    pub(crate) client: Client,
    /// The person.
    pub(crate) output: Output,
}

impl Session {
    /// Whether something that cannot be undone may be done: `yes` says so, or a person at the terminal does. Where nobody can be
    /// asked, it must have been said.
    pub(crate) fn confirms(&self, question: &str, yes: bool) -> Result<bool, Error> {
        if yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Error::Usage(format!(
                "{question} Nobody can be asked here; say --yes"
            )));
        }
        let mut err = io::stderr().lock();
        write!(err, "{} [y/N] ", terminal::line(question))?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(is_yes(&answer))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
impl Session {
    /// One that tells nothing.
    pub(crate) fn quiet(client: Client) -> Self {
        Self {
            client,
            output: Output::new(crate::output::Format::Json, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, yes) in [
            ("y\n", true),
            (" YES \n", true),
            ("\n", false),
            ("no\n", false),
            ("yup", false),
        ] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
