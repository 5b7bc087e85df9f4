//! `nexus-sync`: steers and examines the synchronisation of a vector database with Nexus.
//!
//! It speaks to a host over HTTP, by the routes that administrators have, and reads files that are here: a configuration, a plugin, an
//! audit log.
//!
//! Invariants:
//! - every byte of a host may be wrong: answers are bounded, read into types, and what of them is shown does nothing to a terminal;
//! - a secret is never on the command line, and in no output, unless the secret of a new subscription is asked for;
//! - results go to stdout, as text or as one JSON object; all else goes to stderr;
//! - nothing of a plugin file is ever run;
//! - the exit code says how it went:
//!
//! | code | |
//! | --- | --- |
//! | 0 | all is well |
//! | 1 | a check or a job found something wrong, or a file here could not be read or written |
//! | 2 | the command line, the configuration of this program or its API key cannot be used |
//! | 3 | the host is not reachable, or did not answer completely in time |
//! | 4 | the host refused (401, 403) |
//! | 5 | the host answered with an error, or with something that is not understood |
//! | 130 | interrupted while following a job, which goes on |

mod answer;
mod api_key;
mod arguments;
mod audit;
mod client;
mod clock;
mod config;
mod configuration;
mod dead_letters;
mod doctor;
mod error;
mod exit;
mod figures;
mod generate;
mod inspect;
mod job;
mod jobs;
mod output;
mod page;
mod plugin_file;
mod redaction;
mod report;
mod route;
mod session;
#[cfg(test)]
mod stand_in;
mod status;
mod switches;
mod sync;
mod terminal;
mod webhooks;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use arguments::{Arguments, Command, Local, Remote};
use error::Error;
use exit::Code;
use output::Output;
use session::Session;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = arguments.global.output();
    match run(&arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            output.tell(&error.to_string());
            error.code().into()
        }
    }
}

fn run(arguments: &Arguments) -> Result<Code, Error> {
    match &arguments.command {
        Command::Here(command) => run_here(arguments.global.output(), command),
        Command::There(command) => {
            let session = arguments.global.session()?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(run_there(&session, command, arguments.global.timeout()))
        }
    }
}

fn run_here(output: Output, command: &Local) -> Result<Code, Error> {
    match command {
        Local::Inspect(options) => inspect::run(output, options),
        Local::Audit(action) => audit::run(output, action),
        Local::Completions(options) => generate::completions(options),
        Local::Man(options) => generate::man(options),
    }
}

async fn run_there(session: &Session, command: &Remote, timeout: Duration) -> Result<Code, Error> {
    match command {
        Remote::Status => status::run(session).await,
        Remote::Enable(options) => switches::enable(session, options).await,
        Remote::Disable(options) => switches::disable(session, options).await,
        Remote::Sync(options) => sync::sync(session, options).await,
        Remote::Reconcile(options) => sync::reconcile(session, options).await,
        Remote::Jobs(action) => jobs::run(session, action).await,
        Remote::DeadLetters(action) => dead_letters::run(session, action).await,
        Remote::Webhooks(action) => webhooks::run(session, action).await,
        Remote::Pause(options) => switches::pause(session, options).await,
        Remote::Resume => switches::resume(session).await,
        Remote::Clear(options) => switches::clear(session, options).await,
        Remote::Config(action) => config::run(session, action).await,
        Remote::Doctor(options) => doctor::run(session, options, timeout).await,
        Remote::Report(options) => report::run(session, options).await,
    }
}
