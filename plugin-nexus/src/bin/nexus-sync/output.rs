//! Where output goes: results to stdout, one JSON object or text; everything else to stderr.
//!
//! Colours only on a terminal, and not where `NO_COLOR` is set to something.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

use crate::error::Error;
use crate::page::Page;
use crate::terminal;

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    Human,
    /// One JSON object.
    Json,
}

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    quiet: bool,
    coloured: bool,
}

impl Output {
    /// Looks where it leads.
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format,
            quiet,
            coloured: io::stdout().is_terminal() && !unwanted,
        }
    }

    /// The same in another form.
    pub(crate) fn in_form(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Whether people watch, and want to be told.
    pub(crate) fn is_watched(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether nobody wants to be told.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// The result.
    pub(crate) fn result(self, value: &Value, text: impl FnOnce(&mut Page)) -> Result<(), Error> {
        let text = match self.format {
            Format::Json => {
                let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
                format!("{}\n", terminal::json(&text))
            }
            Format::Human => {
                let mut page = Page::new(self.coloured);
                text(&mut page);
                page.into_text()
            }
        };
        write(text.as_bytes())
    }

    /// Something worth knowing.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            self.tell(text);
        }
    }

    /// Something that must be known.
    pub(crate) fn tell(self, text: &str) {
        let text = format!("nexus-sync: {}", terminal::lines(text));
        if cfg!(test) {
            // What tests print is kept apart only where it is printed so.
            eprintln!("{text}");
            return;
        }
        // Whoever closed stderr does not want to know.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Writes to stdout. A reader that has seen enough is no fault.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Error> {
    if cfg!(test) {
        // As above.
        print!("{}", String::from_utf8_lossy(bytes));
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
