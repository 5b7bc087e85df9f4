//! The command line, as `cargo xtask bench --bench report -- --only hook,lag --repeat 3`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// Enough to see that everything works.
    Small,
    /// What the aims speak of.
    Full,
}

impl Scale {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Full => "full",
        }
    }

    pub(crate) fn pick<T>(self, small: T, full: T) -> T {
        match self {
            Self::Small => small,
            Self::Full => full,
        }
    }

    /// What the aims call a million.
    pub(crate) fn million(self) -> u64 {
        self.pick(20_000, 1_000_000)
    }
}

/// Measures the plugin, and writes the report.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Only these measurements.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// How much is measured.
    #[arg(long, value_enum, default_value = "full")]
    pub(crate) scale: Scale,
    /// Repetitions of the short measurements; all take turns.
    #[arg(long, default_value_t = 5)]
    pub(crate) repeat: usize,
    /// Repetitions of those that take minutes: backlog, reconcile, endurance.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat_long: usize,
    /// How long memory is watched.
    #[arg(long)]
    pub(crate) endurance_seconds: Option<u64>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// In a process of its own: what to do,
    #[arg(long, hide = true)]
    pub(crate) step: Option<String>,
    /// for which time,
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) turn: usize,
    /// in which folder,
    #[arg(long, hide = true)]
    pub(crate) folder: Option<PathBuf>,
    /// and where the findings go.
    #[arg(long, hide = true)]
    pub(crate) result: Option<PathBuf>,
}
