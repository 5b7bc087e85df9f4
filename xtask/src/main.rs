//! The project's own commands: `cargo xtask demo`, `test`, `bench`, `docs`, `quality`, `coverage`, `soak`.

mod check;
mod coverage;
mod demo;
mod quality;
mod soak;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds everything, loads real documents, shows the graph, and keeps serving.
    Demo(demo::Options),
    /// Builds what the tests load, then runs all tests. Further arguments go to `cargo test`.
    Test {
        /// For `cargo test`, as `-p vectorizer-tests --test end_to_end`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs the benchmarks against release builds; all of them end with the report in `target/bench/report.json`.
    Bench {
        /// For `cargo bench`, as `--bench report -- --scale small`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Writes the documents that are made from the code: `docs/configuration.md` and `docs/metrics.md`.
    Docs,
    /// Scores what lands in the graph on labelled data; the report is `target/quality/report.json`.
    Quality(quality::Options),
    /// Teaches the built-in tagger of names anew.
    TrainEntities(quality::Training),
    /// Runs the tests and says which lines they run, by crate and file.
    Coverage {
        /// For `cargo test`; without any, all tests are run.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Looks for lost changes under faults, for a while.
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test { arguments } => check::test(&arguments),
        Command::Bench { arguments } => check::bench(&arguments),
        Command::Docs => check::docs(),
        Command::Quality(options) => quality::run(&options),
        Command::TrainEntities(options) => quality::train(&options),
        Command::Coverage { arguments } => coverage::run(&arguments),
        Command::Soak(options) => soak::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
