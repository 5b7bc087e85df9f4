//! Programs that tests run and that are not built here.
//!
//! They are installed below `target/`, in a version that is named here. Where that cannot be done, as without a network, the tests that need
//! one are told why, and say that they did not run.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use vectorizer_tests::build::workspace;

/// The version of Schemathesis that the description of the API is tested with.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Where Schemathesis is, as a variable of the environment for tests: its path, or why there is none.
pub(crate) fn schemathesis() -> (&'static str, String) {
    if let Some(path) = std::env::var_os("SCHEMATHESIS") {
        return ("SCHEMATHESIS", path.to_string_lossy().into_owned());
    }
    match installed() {
        Ok(path) => ("SCHEMATHESIS", path.display().to_string()),
        Err(reason) => {
            eprintln!("notice: {reason}; the description of the API is not tested with Schemathesis");
            ("SCHEMATHESIS_MISSING", reason)
        }
    }
}

fn installed() -> Result<PathBuf, String> {
    let folder = workspace()
        .join("target/tools")
        .join(SCHEMATHESIS.replace("==", "-"));
    let program = folder.join("bin/schemathesis");
    // Written last, so that a folder that was left half done is made anew.
    let done = folder.join("done");
    if done.exists() {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(folder.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        SCHEMATHESIS,
    ]))?;
    std::fs::write(&done, "").map_err(|error| format!("{}: {error}", done.display()))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let status = command
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("{shown} cannot be run: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{shown} ended with {status}")),
    }
}
