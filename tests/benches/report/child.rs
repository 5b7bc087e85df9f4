//! A measurement in a process of its own, so that memory is its own and no run warms up the next.

use std::path::Path;
use std::process::Command;

use crate::figure::Findings;
use crate::options::Options;

/// Runs the step `name` in a new process of this program and reads what it found.
pub(crate) fn run(
    name: &str,
    options: &Options,
    turn: usize,
    folder: Option<&Path>,
) -> Result<Findings, String> {
    let result = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .args(["--step", name, "--turn", &turn.to_string()])
        .args(["--scale", options.scale.name()])
        .arg("--result")
        .arg(result.path());
    if let Some(seconds) = options.endurance_seconds {
        command.args(["--endurance-seconds", &seconds.to_string()]);
    }
    if let Some(folder) = folder {
        command.arg("--folder").arg(folder);
    }
    let status = command.status().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{name} ended with {status}"));
    }
    let text = std::fs::read_to_string(result.path()).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))
}
