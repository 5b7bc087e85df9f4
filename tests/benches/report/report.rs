//! The report: a table for people, JSON for scripts.

use std::fs;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use vectorizer_tests::build::target;

use crate::figure::{Aim, Figure, Findings};
use crate::options::Options;
use crate::{graph, noise};

/// What was found so far.
pub(crate) struct Report {
    begun: Instant,
    head: Value,
    figures: Vec<Figure>,
    notes: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    /// Begins with a look at the machine.
    pub(crate) fn begin(options: &Options) -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let head = json!({
            "unix_time": unix,
            "scale": options.scale.name(),
            "server": graph::name(),
            "machine": noise::machine(),
            "noise_before": noise::measure(),
        });
        Self {
            begun: Instant::now(),
            head,
            figures: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, measurement: &str, findings: Findings) {
        for sample in findings.samples {
            let known = self
                .figures
                .iter_mut()
                .find(|figure| figure.measurement == measurement && figure.name == sample.name);
            match known {
                Some(figure) => figure.add(sample.value),
                None => self.figures.push(Figure::new(measurement, sample)),
            }
        }
        for note in findings.notes {
            let note = format!("{measurement}: {note}");
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    pub(crate) fn failed(&mut self, measurement: &str, error: &str) {
        eprintln!("{measurement}: {error}");
        self.failures.push(format!("{measurement}: {error}"));
    }

    /// Writes the JSON, as far as it is.
    pub(crate) fn write(&mut self) -> PathBuf {
        self.head["seconds"] = json!(self.begun.elapsed().as_secs_f64());
        self.head["figures"] = serde_json::to_value(&self.figures).unwrap();
        self.head["notes"] = json!(self.notes);
        self.head["failures"] = json!(self.failures);
        let file = target().join("bench/report.json");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("{:#}\n", self.head)).unwrap();
        file
    }

    /// Ends with a second look at the machine, and prints everything.
    pub(crate) fn end(mut self) {
        self.head["noise_after"] = noise::measure();
        let file = self.write();
        self.print();
        println!("\n{}", file.display());
    }

    fn print(&self) {
        let machine = &self.head["machine"];
        println!(
            "\n{} cores, {}, {}; {} on {}",
            machine["cores"],
            machine["cpu"].as_str().unwrap_or("?"),
            machine["memory"].as_str().unwrap_or("?"),
            self.head["scale"].as_str().unwrap_or_default(),
            self.head["server"].as_str().unwrap_or_default(),
        );
        for time in ["before", "after"] {
            let noise = &self.head[format!("noise_{time}")];
            println!(
                "noise {time:6} a fixed loop takes {:.1} ms, coefficient of variation {:.1} %, {:.1} to {:.1} ms; load {}",
                noise["mean_ms"].as_f64().unwrap_or_default(),
                noise["cv"].as_f64().unwrap_or_default() * 100.0,
                noise["min_ms"].as_f64().unwrap_or_default(),
                noise["max_ms"].as_f64().unwrap_or_default(),
                noise["load_average"].as_str().unwrap_or_default(),
            );
        }
        let mut measurement = "";
        for figure in &self.figures {
            if figure.measurement != measurement {
                measurement = &figure.measurement;
                println!("\n{measurement}");
            }
            println!("  {}", row(figure));
        }
        let aims = self.figures.iter().filter_map(|figure| figure.met);
        let (met, all) = aims.fold((0, 0), |(met, all), is_met| (met + usize::from(is_met), all + 1));
        println!("\n{met} of {all} aims met");
        for note in &self.notes {
            println!("note: {note}");
        }
        for failure in &self.failures {
            println!("FAILED: {failure}");
        }
    }
}

fn row(figure: &Figure) -> String {
    let aim = match figure.aim {
        Some(Aim::AtMost(bound)) => format!("<= {bound}"),
        Some(Aim::AtLeast(bound)) => format!(">= {bound}"),
        None => String::new(),
    };
    let verdict = match figure.met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    let low = figure.repetitions.iter().copied().fold(f64::INFINITY, f64::min);
    let high = figure
        .repetitions
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{:52} {:>10} {:12} {aim:>9} {verdict:6} {} to {} (n={})",
        figure.name,
        short(figure.value),
        figure.unit,
        short(low),
        short(high),
        figure.repetitions.len()
    )
}

/// Three significant digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
