//! Prometheus's own check of what is made for it.
//!
//! `.ci/run` installs it. Where it is not there, tests that need it say so; with `CI` set they fail.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs promtool with this text at its input; `None`: it is not there.
pub(crate) fn run(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let program = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let spawned = Command::new(program)
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitoring"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "promtool cannot be run: {error}"
            );
            eprintln!(
                "notice: promtool cannot be run ({error}); what is made for Prometheus is not checked by it"
            );
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&told).into_owned(),
    ))
}
