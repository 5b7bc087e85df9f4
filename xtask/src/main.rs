//! The project's own commands: `cargo xtask demo`, `test`, `bench`.

mod check;
mod demo;

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
    /// Runs the benchmarks against release builds.
    Bench {
        /// For `cargo bench`, as `--bench hook`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test { arguments } => check::test(&arguments),
        Command::Bench { arguments } => check::bench(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
