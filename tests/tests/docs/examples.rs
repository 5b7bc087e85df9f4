//! Runs the examples of a document: blocks of `console`, in which lines that begin with `$ ` are commands for a shell, and the lines behind
//! one are its output, where `…` stands for anything.

use std::process::Command;

/// A command, and what it should print.
#[derive(Debug)]
struct Example<'a> {
    command: &'a str,
    output: Vec<&'a str>,
}

fn examples(text: &str) -> Vec<Example<'_>> {
    let mut found: Vec<Example<'_>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line.strip_prefix("$ ")) {
            (false, _) => inside = line == "```console",
            (true, _) if line == "```" => inside = false,
            (true, Some(command)) => found.push(Example {
                command,
                output: Vec::new(),
            }),
            (true, None) => {
                if let Some(example) = found.last_mut() {
                    example.output.push(line);
                }
            }
        }
    }
    found
}

/// Whether a text is of a pattern, in which `…` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Runs all examples of a text in their order, with each address of the text replaced by the one that it is at here, and says what does
/// not fit.
pub(super) fn run(text: &str, addresses: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Example { command, output } in examples(text) {
        let here = addresses
            .iter()
            .fold(command.to_owned(), |command, (there, here)| {
                command.replace(there, here)
            });
        let done = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &here])
            .output();
        let printed = match &done {
            Ok(done) => String::from_utf8_lossy(&done.stdout),
            Err(error) => {
                wrong.push(format!("{command}: {error}"));
                continue;
            }
        };
        let wanted = output.join("\n");
        if !fits(&wanted, printed.trim_end()) {
            wrong.push(format!("$ {command}\nprints\n{printed}\ninstead of\n{wanted}\n"));
        }
    }
    wrong
}

#[test]
fn examples_are_found_and_compared() {
    let text = "before\n```console\n$ echo one two\none …\n$ echo a; echo b\na\nb\n```\n$ not this\n```yaml\n$ nor this\n```\n";
    assert_eq!(examples(text).len(), 2);
    assert_eq!(
        run(text, &[("one", "1")]),
        ["$ echo one two\nprints\n1 two\n\ninstead of\none …\n"]
    );
    assert!(run(text, &[]).is_empty());
    assert!(fits("a…b…c", "a1b2b3c") && !fits("a…b", "ab c") && !fits("a", "ab") && fits("…", ""));
}
