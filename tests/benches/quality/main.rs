//! `cargo xtask quality`: how true and how useful what lands in the graph is, on labelled data, as tables and as
//! `target/quality/report.json`.
//!
//! A section scores one part of the plugin on a folder of the layout that the shared data have. Nothing here is learned from the
//! half that is scored: with `--train` the labels come from another folder, otherwise half of the documents teach and the
//! other half is scored. A section whose file is absent is left out with a notice.

#![allow(clippy::unwrap_used, reason = "a failing measurement may panic")]

mod domains;
mod entities;
mod options;
mod search;
mod similarity;

use clap::Parser;
use serde_json::{Map, Value};

use options::Options;

/// Measures one part; prints its tables and answers what stands in the report.
type Section = fn(&Options) -> Value;

const SECTIONS: [(&str, Section); 4] = [
    ("domains", domains::run),
    ("entities", entities::run),
    ("similarity", similarity::run),
    ("search", search::run),
];

fn main() {
    // Test runners ask every target what it has.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let options = Options::parse();
    if let Some(path) = &options.write_model {
        let model = entities::taught(&options.data(), |_| true).to_bytes();
        std::fs::write(path, model).unwrap();
        println!("written to {}", path.display());
        return;
    }
    let names = SECTIONS.map(|(name, _)| name);
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        eprintln!("no section '{unknown}'; there are {}", names.join(", "));
        std::process::exit(2);
    }
    let mut report = Map::new();
    for (name, section) in SECTIONS {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            println!("\n## {name}\n");
            report.insert(name.to_owned(), section(&options));
        }
    }
    let path = vectorizer_tests::build::target().join("quality/report.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, serde_json::to_vec_pretty(&Value::Object(report)).unwrap()).unwrap();
    println!("\nwritten to target/quality/report.json");
}
