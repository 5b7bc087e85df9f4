//! The command line, as `cargo xtask quality --data DIR --train DIR2 --only entities`.

use std::path::PathBuf;

use clap::Parser;
use vectorizer_tests::build::workspace;

/// Scores what the plugin writes to the graph on labelled data.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// What is scored. Default: the shared data beside the project.
    #[arg(long)]
    data: Option<PathBuf>,
    /// What teaches; without it, half of the documents of `--data` teach and the other half is scored.
    #[arg(long)]
    pub(crate) train: Option<PathBuf>,
    /// Only these sections.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Teaches the tagger of names all of `--data`, and writes the model to this file; nothing is scored.
    #[arg(long)]
    pub(crate) write_model: Option<PathBuf>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// The folder that is scored.
    pub(crate) fn data(&self) -> PathBuf {
        self.data
            .clone()
            .unwrap_or_else(|| workspace().join("../shared/data"))
    }
}
