//! `cargo xtask coverage`: which lines of the product the tests run, by crate and file.
//!
//! The programs that tests load are built with counters too, so what the plugin does inside a host, and hosts and graph servers
//! as processes of their own, counts. A process that a test kills writes no counters: what only such a process ran is missing.
//!
//! Needs `cargo-llvm-cov`, and `llvm-cov` and `llvm-profdata` of the LLVM that rustc was built with.

mod lines;
mod product;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::json;
use vectorizer_tests::TestError;
use vectorizer_tests::build::{Artifacts, Profile, target, workspace};

use lines::FileLines;

/// Of its lines, how many of a hundred the tests of a crate shall run.
const AIMS: [(&str, f64); 2] = [("plugin-nexus", 95.0), ("host-shim", 95.0)];

/// Uncovered lines are listed up to so many ranges a file, in the table; the JSON has all.
const RANGES: usize = 6;

/// Runs the tests that `arguments` select, or all, and reports.
pub(crate) fn run(arguments: &[String]) -> Result<(), TestError> {
    let begun = Instant::now();
    check_tools()?;
    let folder = target().join("coverage");
    let environment = environment(&folder.join("build"))?;
    cargo(
        &["llvm-cov", "clean", "--workspace", "--profraw-only"],
        &environment,
    )?;
    Artifacts::build_in(Profile::Dev, &environment)?;
    let mut test = vec!["test", "--no-fail-fast"];
    match arguments {
        [] => test.extend(["--workspace", "--all-features"]),
        chosen => test.extend(chosen.iter().map(String::as_str)),
    }
    let tested = cargo(&test, &environment);
    let lcov = folder.join("lcov.info");
    let path = lcov.to_string_lossy();
    cargo(
        &["llvm-cov", "report", "--lcov", "--output-path", &path],
        &environment,
    )?;
    let text = fs::read_to_string(&lcov).map_err(|error| file_error(&lcov, &error))?;
    let files = product::only(lines::parse(&text), workspace())?;
    let crates = by_crate(&files);
    print(&crates);
    let report = folder.join("report.json");
    write(&report, &crates, begun.elapsed().as_secs_f64())?;
    println!("\n{}", report.display());
    tested
}

/// The files of a crate.
struct CrateLines<'a> {
    name: String,
    files: Vec<&'a FileLines>,
}

impl CrateLines<'_> {
    fn covered(&self) -> usize {
        self.files.iter().map(|file| file.covered()).sum()
    }

    fn total(&self) -> usize {
        self.files.iter().map(|file| file.total()).sum()
    }

    fn aim(&self) -> Option<f64> {
        AIMS.iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, aim)| *aim)
    }
}

fn by_crate(files: &[FileLines]) -> Vec<CrateLines<'_>> {
    let mut crates: Vec<CrateLines<'_>> = Vec::new();
    for file in files {
        let name = file.path.split("/src/").next().unwrap_or_default();
        match crates.iter_mut().find(|known| known.name == name) {
            Some(known) => known.files.push(file),
            None => crates.push(CrateLines {
                name: name.to_owned(),
                files: vec![file],
            }),
        }
    }
    crates
}

fn share(covered: usize, total: usize) -> f64 {
    if total == 0 {
        100.0
    } else {
        100.0 * covered as f64 / total as f64
    }
}

fn print(crates: &[CrateLines<'_>]) {
    for part in crates {
        println!("\n{}", part.name);
        for file in &part.files {
            let missing = file.missing();
            let mut shown = missing.iter().take(RANGES).cloned().collect::<Vec<_>>().join(" ");
            if missing.len() > RANGES {
                shown.push_str(" ...");
            }
            let short = file.path.split_once("/src/").map_or("", |(_, name)| name);
            println!(
                "  {short:36} {:>5}/{:<5} {:5.1} %  {shown}",
                file.covered(),
                file.total(),
                share(file.covered(), file.total())
            );
        }
    }
    println!("\n{:24} {:>7} {:>7}", "crate", "lines", "covered");
    for part in crates {
        let share = share(part.covered(), part.total());
        let aim = part.aim().map_or_else(String::new, |aim| {
            let verdict = if share >= aim { "met" } else { "MISSED" };
            format!("aim {aim} %: {verdict}")
        });
        println!("{:24} {:>7} {share:>5.1} %  {aim}", part.name, part.total());
    }
}

fn write(path: &Path, crates: &[CrateLines<'_>], seconds: f64) -> Result<(), TestError> {
    let crates: Vec<_> = crates
        .iter()
        .map(|part| {
            let files: Vec<_> = part
                .files
                .iter()
                .map(|file| {
                    json!({
                        "path": file.path, "lines": file.total(), "covered": file.covered(),
                        "percent": share(file.covered(), file.total()), "missing": file.missing(),
                    })
                })
                .collect();
            let percent = share(part.covered(), part.total());
            json!({
                "crate": part.name, "lines": part.total(), "covered": part.covered(), "percent": percent,
                "aim_percent": part.aim(), "met": part.aim().map(|aim| percent >= aim), "files": files,
            })
        })
        .collect();
    let report = json!({"seconds": seconds, "crates": crates});
    fs::write(path, format!("{report:#}\n")).map_err(|error| file_error(path, &error))
}

/// The variables under which cargo builds with counters.
fn environment(build: &Path) -> Result<Vec<(String, String)>, TestError> {
    let folder = build.to_string_lossy().into_owned();
    let answer = command(&["llvm-cov", "show-env", "--no-cfg-coverage"])
        .env("CARGO_TARGET_DIR", &folder)
        .output()
        .map_err(|error| TestError::Process(format!("cargo llvm-cov cannot be run: {error}")))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        return Err(TestError::Process(format!("cargo llvm-cov show-env: {said}")));
    }
    let mut variables: Vec<_> = String::from_utf8_lossy(&answer.stdout)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    variables.push(("CARGO_TARGET_DIR".to_owned(), folder));
    // Neither is read here, and each makes the build larger.
    variables.push(("CARGO_INCREMENTAL".to_owned(), "0".to_owned()));
    variables.push(("CARGO_PROFILE_DEV_DEBUG".to_owned(), "0".to_owned()));
    Ok(variables)
}

/// Says what is missing before an hour is spent on a build.
fn check_tools() -> Result<(), TestError> {
    let runs = |command: &mut Command| command.output().is_ok_and(|answer| answer.status.success());
    if !runs(&mut command(&["llvm-cov", "--version"])) {
        return Err(TestError::Process(
            "cargo-llvm-cov is missing: cargo install --locked cargo-llvm-cov".into(),
        ));
    }
    let tools = ["LLVM_COV", "LLVM_PROFDATA"].map(std::env::var_os);
    if tools.iter().all(Option::is_some) {
        return Ok(());
    }
    let rustc = |arguments: &[&str]| {
        let answer = Command::new("rustc")
            .current_dir(workspace())
            .args(arguments)
            .output()
            .map_err(|error| TestError::Process(format!("rustc cannot be run: {error}")))?;
        Ok::<_, TestError>(String::from_utf8_lossy(&answer.stdout).into_owned())
    };
    let libraries = rustc(&["--print", "target-libdir"])?;
    let bin = Path::new(libraries.trim()).with_file_name("bin");
    if bin.join("llvm-profdata").exists() && bin.join("llvm-cov").exists() {
        return Ok(());
    }
    let about = rustc(&["-vV"])?;
    let version = about
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .unwrap_or("its version");
    Err(TestError::Process(format!(
        "llvm-cov and llvm-profdata are missing: rustup component add llvm-tools, or let the variables LLVM_COV and \
         LLVM_PROFDATA name those of LLVM {version}, the one of this rustc"
    )))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(arguments);
    command
}

fn cargo(arguments: &[&str], environment: &[(String, String)]) -> Result<(), TestError> {
    let status = command(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .status()
        .map_err(|error| TestError::Process(format!("cargo cannot be run: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        let shown = arguments.join(" ");
        Err(TestError::Process(format!("cargo {shown} ended with {status}")))
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> TestError {
    TestError::Process(format!("{}: {error}", path.display()))
}
