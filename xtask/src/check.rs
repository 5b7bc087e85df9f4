//! `cargo xtask test`, `bench` and `docs`: the programs that tests and benchmarks load have to be built first, which
//! cargo does not do for a shared library that is loaded at run time.

use std::process::Command;

use vectorizer_tests::TestError;
use vectorizer_tests::build::{Artifacts, Profile, workspace};

/// Runs all tests, or those that `arguments` select.
pub(crate) fn test(arguments: &[String]) -> Result<(), TestError> {
    Artifacts::build(Profile::Dev)?;
    if arguments.is_empty() {
        cargo(&["test".into(), "--workspace".into(), "--all-features".into()])
    } else {
        cargo(&[&["test".into()], arguments].concat())
    }
}

/// Writes the documents that are made from the code.
pub(crate) fn docs() -> Result<(), TestError> {
    let arguments = ["test", "--workspace", "--all-features", "--test", "docs"].map(str::to_owned);
    run_cargo(&arguments, &[("WRITE_DOCS", "1")])
}

/// Runs all benchmarks, or those that `arguments` select.
pub(crate) fn bench(arguments: &[String]) -> Result<(), TestError> {
    Artifacts::build(Profile::Release)?;
    cargo(
        &[
            &["bench".into(), "--package".into(), "vectorizer-tests".into()],
            arguments,
        ]
        .concat(),
    )
}

/// Runs cargo in the workspace.
pub(crate) fn cargo(arguments: &[String]) -> Result<(), TestError> {
    run_cargo(arguments, &[])
}

fn run_cargo(arguments: &[String], environment: &[(&str, &str)]) -> Result<(), TestError> {
    let shown = arguments.join(" ");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .map_err(|error| TestError::Process(format!("cargo cannot be run: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(TestError::Process(format!("cargo {shown} ended with {status}")))
    }
}
