//! The loss-finder: random operations from several writers under faults, and an oracle of every acknowledged change.
//!
//! A run is a sequence of rounds. In each, writers insert, update, delete, rename and do so in bulk over HTTP, each on
//! documents that only it changes, while faults strike the host, its disk and the graph server. At the end of a round all is
//! up again, and after the plugin caught up
//!
//! * the store holds every acknowledged change and nothing else,
//! * the graph says what the store says: no node, edge or document too many or too few,
//! * nothing waits, nothing is a dead letter, nothing panicked.
//!
//! An *operation* is an acknowledged change of one document: a bulk insert of 60 documents counts 60, the rename or drop of a
//! collection as many as it holds.
//!
//! The seed determines operations and faults and the order of each writer's, not how they interleave with the servers: a
//! failure that depends on time may need several runs of its seed.
//!
//! * `model`: what is known of documents and collections after acknowledged and lost changes
//! * `writer`: random operations
//! * `faults`: random faults
//! * `rig`: the servers
//! * `verdict`: what must hold

mod faults;
mod model;
mod rig;
mod verdict;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::TestError;
use crate::build::Artifacts;
use crate::nexus::{Kind, Nexus};
use crate::oracle::Expectation;
use model::Slot;
use rig::Rig;
use writer::{Round, Tally, Writer};

const DIMENSION: usize = 8;
const EXPECT: Expectation = Expectation {
    top_k: 3,
    threshold: 0.6,
    rounded: false,
};
/// How long catching up may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// How many write at the same time; the last one also makes, renames and drops collections.
const WRITERS: usize = 3;
/// Collections that all write to.
const SHARED: [(&str, Metric); 2] = [("shared-a", Metric::Cosine), ("shared-b", Metric::Euclidean)];

/// How a collection compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Cosine,
    Euclidean,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Cosine => "Cosine",
            Self::Euclidean => "Euclid",
        }
    }
}

/// Changes a graph by hand.
pub type Sabotage = fn(&Nexus) -> Result<(), TestError>;

/// What a run is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which graph server.
    pub kind: Kind,
    /// Determines operations and faults.
    pub seed: u64,
    /// When it ends.
    pub until: Until,
    /// Acknowledged changes of a round, at least.
    pub changes_per_round: u64,
    /// Which faults.
    pub faults: Faults,
    /// Whether progress is printed.
    pub verbose: bool,
    /// Changes the graph before the last round is judged: a test that losses are found.
    pub sabotage: Option<Sabotage>,
}

/// When a run ends, after the round in which this is so.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// So many rounds.
    Rounds(u64),
    /// So long.
    Elapsed(Duration),
}

/// Which faults strike.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// How many in a round.
    pub per_round: usize,
    /// The host and the graph server are killed, each twice a round at least.
    pub kills: bool,
    /// The journal is torn, has a byte flipped or is deleted while the host is dead.
    pub journal_loss: bool,
    /// The host's disk is full for a while.
    pub full_disk: bool,
    /// The graph server is slow, resets connections, answers errors, applies batches by half: `nexus-dev` only.
    pub rules: bool,
}

impl Faults {
    /// Those that a server stands by its nature.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self {
            per_round: 8,
            // nexus-dev with quirks loses what Nexus 2.5 loses, which the plugin can only report.
            kills: kind != Kind::Quirks,
            journal_loss: kind == Kind::Dev,
            full_disk: kind == Kind::Dev,
            rules: kind == Kind::Dev,
        }
    }
}

/// What a run did and found.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Rounds that ended.
    pub rounds: u64,
    /// Acknowledged changes of a document, by kind.
    pub operations: BTreeMap<&'static str, u64>,
    /// Requests that were not, or not fully, acknowledged.
    pub lost_answers: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// How often the host was killed.
    pub host_kills: u64,
    /// How often the graph server was killed.
    pub nexus_kills: u64,
    /// Documents that were compared, over all rounds.
    pub compared: usize,
    /// What was wrong after the last round, each in a sentence.
    pub findings: Vec<String>,
    /// Where everything is, if something was wrong.
    pub folder: PathBuf,
}

impl Report {
    /// All acknowledged changes of a document.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.operations.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} rounds, {} operations, {} lost answers, {} kills of the host and {} of the graph server, {} documents compared",
            self.seed,
            self.rounds,
            self.total(),
            self.lost_answers,
            self.host_kills,
            self.nexus_kills,
            self.compared
        )?;
        writeln!(f, "operations: {:?}", self.operations)?;
        writeln!(f, "faults: {:?}", self.faults)?;
        if !self.findings.is_empty() {
            writeln!(
                f,
                "FAILED with seed {} in round {}; everything is in {}:",
                self.seed,
                self.rounds,
                self.folder.display()
            )?;
            for finding in self.findings.iter().take(30) {
                writeln!(f, "  {finding}")?;
            }
            if self.findings.len() > 30 {
                writeln!(f, "  ... and {} more", self.findings.len() - 30)?;
            }
        }
        Ok(())
    }
}

/// Runs until it is over or something is wrong.
///
/// # Errors
/// [`TestError`] where the run itself fails; it names no seed, which the caller knows.
pub fn run(options: &Options, artifacts: &Artifacts) -> Result<Report, TestError> {
    let begun = Instant::now();
    let name = format!(
        "vectorizer-soak-{:?}-{}-{}",
        options.kind,
        options.seed,
        std::process::id()
    );
    let folder = std::env::temp_dir().join(name.to_lowercase());
    let mut rig = Rig::start(options, artifacts, &folder)?;
    let mut random = StdRng::seed_from_u64(options.seed);
    for (name, metric) in SHARED {
        rig.client().create(name, DIMENSION, metric.name())?;
    }
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|n| {
            let shared = SHARED.map(|(name, metric)| Slot::new(name, metric)).to_vec();
            Writer::new(n, options.seed, shared, n + 1 == WRITERS)
        })
        .collect();
    let mut report = Report {
        seed: options.seed,
        rounds: 0,
        operations: BTreeMap::new(),
        lost_answers: 0,
        faults: BTreeMap::new(),
        host_kills: 0,
        nexus_kills: 0,
        compared: 0,
        findings: Vec::new(),
        folder,
    };
    loop {
        report.rounds += 1;
        round(options, &mut rig, &mut random, &mut writers, &mut report.faults)?;
        let last = match options.until {
            Until::Rounds(rounds) => report.rounds >= rounds,
            Until::Elapsed(time) => begun.elapsed() >= time,
        };
        if let Some(sabotage) = options.sabotage.filter(|_| last) {
            rig.client().settle(PATIENCE)?;
            sabotage(&rig.graph())?;
        }
        let (findings, compared) = verdict::judge(&mut rig, &mut writers)?;
        report.findings = findings;
        report.compared += compared;
        report.operations = sum(&writers);
        report.lost_answers = writers.iter().map(|writer| writer.lost).sum();
        report.host_kills = rig.host_kills;
        report.nexus_kills = rig.nexus_kills;
        if options.verbose {
            println!(
                "{:>5} s  round {}: {} operations, {} kills, {} documents",
                begun.elapsed().as_secs(),
                report.rounds,
                report.total(),
                report.host_kills + report.nexus_kills,
                compared
            );
        }
        if last || !report.findings.is_empty() {
            break;
        }
    }
    drop(rig);
    if report.findings.is_empty() {
        let _ = std::fs::remove_dir_all(&report.folder);
    }
    Ok(report)
}

fn round(
    options: &Options,
    rig: &mut Rig,
    random: &mut StdRng,
    writers: &mut [Writer],
    done: &mut BTreeMap<&'static str, u64>,
) -> Result<(), TestError> {
    let drawn = faults::draw(&options.faults, random);
    let (faults_over, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let host = rig.host_url.clone();
    let shared = Round {
        host: &host,
        changes: options.changes_per_round / WRITERS as u64 + 1,
        faults_over: &faults_over,
        stop: &stop,
    };
    thread::scope(|scope| {
        for writer in writers.iter_mut() {
            let shared = &shared;
            scope.spawn(move || writer.run(shared));
        }
        let result = faults::run(&drawn, rig, random, done);
        faults_over.store(true, Ordering::Relaxed);
        stop.store(result.is_err(), Ordering::Relaxed);
        result
    })
}

fn sum(writers: &[Writer]) -> Tally {
    let mut sum = Tally::new();
    for (kind, count) in writers.iter().flat_map(|writer| &writer.tally) {
        *sum.entry(kind).or_default() += count;
    }
    sum
}
