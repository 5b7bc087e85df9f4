//! The benchmark report: what the plugin costs and achieves, as a table and as `target/bench/report.json`.
//!
//! Run by `cargo xtask bench`, or alone by `cargo xtask bench --bench report -- --only hook,lag`. Each repetition of a measurement
//! runs in a process of its own; short measurements take turns, so that a noisy minute disturbs all alike. A figure is the
//! median of its repetitions. An aim that is missed is said so and is no failure.
//!
//! The plugin is always the real shared library in a real [`vectorizer_host_shim::PluginHost`]; the store behind it is made up
//! and in memory (`store.rs`), so what a vector database does is in no figure but those of the way back. The graph server is the program that
//! `NEXUS_SERVER_BIN` names, else nexus-dev.

#![allow(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod backlog;
mod child;
mod endurance;
mod figure;
mod graph;
mod hook;
mod host;
mod lag;
mod memory;
mod noise;
mod options;
mod proxy;
mod reconcile;
mod replay;
mod report;
mod search;
mod store;
mod throughput;
mod way_back;

use clap::Parser;

use figure::Findings;
use options::Options;

type Step = fn(&Options) -> Findings;

/// A measurement.
struct Measurement {
    name: &'static str,
    /// It takes minutes at full scale.
    long: bool,
    run: Step,
}

const MEASUREMENTS: [Measurement; 8] = [
    Measurement {
        name: "hook",
        long: false,
        run: hook::run,
    },
    Measurement {
        name: "throughput",
        long: false,
        run: throughput::run,
    },
    Measurement {
        name: "lag",
        long: false,
        run: lag::run,
    },
    Measurement {
        name: "way-back",
        long: true,
        run: way_back::run,
    },
    Measurement {
        name: "search",
        long: true,
        run: search::run,
    },
    Measurement {
        name: "backlog",
        long: true,
        run: backlog::run,
    },
    Measurement {
        name: "reconcile",
        long: true,
        run: reconcile::run,
    },
    Measurement {
        name: "endurance",
        long: true,
        run: endurance::run,
    },
];

/// Parts of measurements that need a process of their own.
const PARTS: [(&str, Step); 5] = [
    ("backlog-fill", backlog::fill),
    ("backlog-reopen", backlog::reopen),
    ("reconcile-template", reconcile::template),
    ("reconcile-fill", reconcile::fill),
    ("reconcile-compare", reconcile::compare),
];

fn main() {
    // Test runners ask every target what it has.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let options = Options::parse();
    match &options.step {
        Some(step) => one_step(step, &options),
        None => whole(&options),
    }
}

fn one_step(name: &str, options: &Options) {
    let measurements = MEASUREMENTS
        .iter()
        .map(|measurement| (measurement.name, measurement.run));
    let (_, run) = measurements
        .chain(PARTS)
        .find(|(known, _)| *known == name)
        .unwrap();
    let findings = run(options);
    let text = serde_json::to_vec(&findings).unwrap();
    std::fs::write(options.result.as_ref().unwrap(), text).unwrap();
}

fn whole(options: &Options) {
    let names: Vec<&str> = MEASUREMENTS.iter().map(|measurement| measurement.name).collect();
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        eprintln!("no measurement '{unknown}'; there are {}", names.join(", "));
        std::process::exit(2);
    }
    let mut report = report::Report::begin(options);
    for turn in 0..options.repeat.max(options.repeat_long) {
        for measurement in &MEASUREMENTS {
            let repeat = match measurement.long {
                true => options.repeat_long,
                false => options.repeat,
            };
            let chosen = options.only.is_empty() || options.only.iter().any(|name| name == measurement.name);
            if !chosen || turn >= repeat {
                continue;
            }
            eprintln!("{} {}/{repeat}", measurement.name, turn + 1);
            match child::run(measurement.name, options, turn, None) {
                Ok(findings) => report.add(measurement.name, findings),
                Err(error) => report.failed(measurement.name, &error),
            }
            // What is measured so far is kept, should a later one be interrupted.
            report.write();
        }
    }
    report.end();
}
