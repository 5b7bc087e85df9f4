//! `completions` and `man`: what shells and readers of manuals need, made from the definition of the command line itself.

use clap::{Args, Command, CommandFactory, ValueEnum};

use crate::arguments::Arguments;
use crate::error::Error;
use crate::exit::Code;
use crate::output;

const NAME: &str = "nexus-sync";

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Of this command, as webhooks add; none: of the program.
    command: Vec<String>,
}

/// Writes the script that completes command lines.
pub(crate) fn completions(options: &Completions) -> Result<Code, Error> {
    output::write(&script(options.shell))?;
    Ok(Code::Fine)
}

fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut text);
    text
}

/// Writes a page of the manual.
pub(crate) fn man(options: &Man) -> Result<Code, Error> {
    output::write(&page(&options.command)?)?;
    Ok(Code::Fine)
}

fn page(names: &[String]) -> Result<Vec<u8>, Error> {
    let mut all = Arguments::command();
    all.build();
    let mut command: &Command = &all;
    let mut title = NAME.to_owned();
    for name in names {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| Error::Usage(format!("there is no command '{title} {name}'")))?;
        title.push(' ');
        title.push_str(command.get_name());
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of arguments that a command has in common with all commands; the one would be taken for the other.
    fn shared(command: &Command, global: &[&str], found: &mut Vec<String>) {
        for command in command.get_subcommands() {
            let names = command.get_arguments().map(|argument| argument.get_id().as_str());
            found.extend(
                names
                    .filter(|name| global.contains(name))
                    .map(|name| format!("{command} {name}")),
            );
            shared(command, global, found);
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        let all = Arguments::command();
        let global: Vec<&str> = all
            .get_arguments()
            .map(|argument| argument.get_id().as_str())
            .collect();
        assert!(global.contains(&"url"));
        let mut found = Vec::new();
        shared(&all, &global, &mut found);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn each_shell_gets_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = String::from_utf8(script(shell)).unwrap();
            for word in ["reconcile", "dead-letters", "doctor", "api-key-file"] {
                assert!(text.contains(word), "{shell:?}: {word}");
            }
        }
    }

    #[test]
    fn there_is_a_page_for_the_program_and_for_each_command() {
        let main = String::from_utf8(page(&[]).unwrap()).unwrap();
        for part in [
            ".TH",
            "nexus\\-sync",
            "Exit codes",
            "reconcile",
            "NEXUS_SYNC_API_KEY",
        ] {
            assert!(main.contains(part), "{part}: {main}");
        }
        let add = String::from_utf8(page(&["webhooks".into(), "add".into()]).unwrap()).unwrap();
        assert!(add.contains("secret\\-to"), "{add}");
        assert_eq!(page(&["nothing".into()]).unwrap_err().code(), Code::Usage);
    }
}
