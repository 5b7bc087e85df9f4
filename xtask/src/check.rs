//! `cargo xtask test`, `bench` and `docs`: the programs that tests and benchmarks load have to be built first, which
//! cargo does not do for a shared library that is loaded at run time.

use std::process::Command;

use vectorizer_tests::TestError;
use vectorizer_tests::build::{Artifacts, Profile, workspace};

use crate::tools;

/// Runs all tests, or those that `arguments` select.
pub(crate) fn test(arguments: &[String]) -> Result<(), TestError> {
    Artifacts::build(Profile::Dev)?;
    let all = ["--workspace".to_owned(), "--all-features".to_owned()];
    let arguments = if arguments.is_empty() { &all } else { arguments };
    // Installed only where it is needed.
    let needed = !arguments
        .iter()
        .any(|argument| argument == "--test" || argument == "--lib")
        || arguments.iter().any(|argument| argument == "api_description");
    let tool = needed.then(tools::schemathesis);
    let environment: Vec<(&str, &str)> = tool.iter().map(|(name, value)| (*name, value.as_str())).collect();
    run_cargo(&[&["test".to_owned()], arguments].concat(), &environment)
}

/// Writes the documents that are made from the code.
pub(crate) fn docs() -> Result<(), TestError> {
    // Their examples are run.
    Artifacts::build(Profile::Dev)?;
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
