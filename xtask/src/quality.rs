//! `cargo xtask quality`: scores what lands in the graph, by the benchmark `quality` in a release build; and `cargo xtask train-entities`,
//! which teaches what is scored there.

use std::path::{Path, PathBuf};

use clap::Args;
use vectorizer_tests::TestError;
use vectorizer_tests::build::{Artifacts, Profile, workspace};

use crate::check::cargo;

/// What `cargo xtask quality` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is scored: a folder of the layout of the shared data, which are the default.
    #[arg(long)]
    data: Option<PathBuf>,
    /// What teaches; without it, half of the documents of `--data` teach and the other half is scored.
    #[arg(long)]
    train: Option<PathBuf>,
    /// Only these sections, separated by commas.
    #[arg(long)]
    only: Option<String>,
}

/// Runs it, with the servers that a part of it measures. The benchmark works in its package's folder, so paths are made absolute
/// here.
pub(crate) fn run(options: &Options) -> Result<(), TestError> {
    Artifacts::build(Profile::Release)?;
    let mut arguments = bench();
    for (name, folder) in [("--data", &options.data), ("--train", &options.train)] {
        if let Some(folder) = folder {
            arguments.extend([name.into(), absolute(folder)?]);
        }
    }
    if let Some(only) = &options.only {
        arguments.extend(["--only".into(), only.clone()]);
    }
    cargo(&arguments)
}

/// What `cargo xtask train-entities` takes.
#[derive(Debug, Args)]
pub(crate) struct Training {
    /// What it is taught: a folder of the layout of the shared data, which are the default.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Teaches the tagger, and puts its model where the plugin is built from.
pub(crate) fn train(options: &Training) -> Result<(), TestError> {
    let model = workspace().join("plugin-nexus/src/entities/tagger/model.bin");
    let mut arguments = bench();
    if let Some(folder) = &options.data {
        arguments.extend(["--data".into(), absolute(folder)?]);
    }
    arguments.extend(["--write-model".into(), absolute(&model)?]);
    cargo(&arguments)
}

fn bench() -> Vec<String> {
    let arguments = [
        "bench",
        "--quiet",
        "--package",
        "vectorizer-tests",
        "--bench",
        "quality",
        "--",
    ];
    arguments.map(String::from).into()
}

fn absolute(folder: &Path) -> Result<String, TestError> {
    let path = folder
        .canonicalize()
        .map_err(|error| TestError::file(folder, &error))?;
    Ok(path.display().to_string())
}
