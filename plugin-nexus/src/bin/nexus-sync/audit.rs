//! `audit verify`: whether an audit log is what was written. Reads files only, no host is asked.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use vectorizer_plugin_nexus::audit_log::{ChainFault, verify, verify_since};

use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::output::Output;
use crate::page::Tone;

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Check the chain of an audit log, from its oldest file on.
    Verify(Verify),
}

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The folder with audit.jsonl, as DATA_DIR/plugins/nexus.
    dir: PathBuf,
    /// A hash that was kept elsewhere: the log must still hold its line, so nothing was cut off before it.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    last: Option<String>,
}

fn hash(text: &str) -> Result<String, String> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("a hash has 64 hex digits".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// Does it.
pub(crate) fn run(output: Output, action: &Action) -> Result<Code, Error> {
    let Action::Verify(options) = action;
    let checked = match &options.last {
        Some(kept) => verify_since(&options.dir, kept),
        None => verify(&options.dir).map(|verified| (verified, None)),
    };
    let (verified, found) = match checked {
        Ok(checked) => checked,
        Err(fault) => return broken(output, &fault),
    };
    let lines = if verified.last == 0 {
        0
    } else {
        verified.last - verified.first + 1
    };
    let is_kept = options.last.is_none() || found.is_some();
    let is_fine = verified.files > 0 && is_kept;
    let value = json!({
        "intact": is_fine,
        "files": verified.files,
        "lines": lines,
        "first": verified.first,
        "last": verified.last,
        "hash": verified.hash,
        "kept_hash_at_line": found,
    });
    output.result(&value, |page| {
        if verified.files == 0 {
            let folder = options.dir.display();
            page.toned(Tone::Bad, "no log", &format!(": there is no audit.jsonl in {folder}"));
            return;
        }
        let files = figures::counted(verified.files as u64, "file", "files");
        let (tone, word) = if is_fine { (Tone::Good, "intact") } else { (Tone::Bad, "not intact") };
        let numbers = match lines {
            0 => String::new(),
            _ => format!(", numbers {} to {}", verified.first, verified.last),
        };
        page.toned(
            tone,
            word,
            &format!(": {} in {files}{numbers}", figures::counted(lines, "line", "lines")),
        );
        page.line(format!("last hash  {}", verified.hash));
        match (&options.last, found) {
            (Some(_), Some(number)) if number == verified.last => {
                page.line("kept hash  is that of the last line: nothing was cut off, and nothing came since");
            }
            (Some(_), Some(number)) => {
                let since = figures::counted(verified.last - number, "line", "lines");
                page.line(format!("kept hash  is that of line {number}; {since} came since"));
            }
            (Some(_), None) => {
                page.line("kept hash  is of no line: the log was cut off before it, or its file was deleted for its age");
            }
            (None, _) => {}
        }
    })?;
    Ok(Code::of(is_fine))
}

fn broken(output: Output, fault: &ChainFault) -> Result<Code, Error> {
    let (file, line) = match fault {
        ChainFault::Line { file, line, .. } | ChainFault::Gap { file, line, .. } => {
            (Some(file.display().to_string()), Some(*line))
        }
        ChainFault::Io(_) => (None, None),
    };
    let value = json!({"intact": false, "fault": fault.to_string(), "file": file, "line": line});
    output.result(&value, |page| {
        page.toned(Tone::Bad, "not intact", &format!(": {fault}"))
    })?;
    Ok(Code::Wrong)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vectorizer_plugin_nexus::audit_log::{AuditLog, Settings};

    use super::*;
    use crate::output::Format;

    fn check(folder: &Path, last: Option<&str>) -> Code {
        let action = Action::Verify(Verify {
            dir: folder.to_owned(),
            last: last.map(str::to_owned),
        });
        run(Output::new(Format::Human, true), &action).unwrap()
    }

    #[test]
    fn a_log_is_intact_until_somebody_changes_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(folder.path(), None), Code::Wrong, "there is none");
        assert_eq!(check(&folder.path().join("absent"), None), Code::Wrong);
        let log = AuditLog::open(&Settings::default(), folder.path()).unwrap();
        for n in 0..3 {
            log.record("ann", "tested", &json!({"n": n}));
        }
        assert_eq!(check(folder.path(), None), Code::Fine);
        let kept = verify(folder.path()).unwrap().hash;
        log.record("ann", "tested", &json!({}));
        assert_eq!(check(folder.path(), Some(&kept)), Code::Fine);
        assert_eq!(check(folder.path(), Some(&"0".repeat(64))), Code::Wrong);
        let path = folder.path().join("audit.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("ann", "bob", 1)).unwrap();
        assert_eq!(check(folder.path(), None), Code::Wrong);
    }

    #[test]
    fn a_hash_is_one() {
        assert_eq!(hash(&"AB".repeat(32)), Ok("ab".repeat(32)));
        assert!(hash("ab").is_err() && hash(&"zz".repeat(32)).is_err());
    }
}
