//! The faults: drawn by the seed, done one after the other while the writers write.
//!
//! Left out are faults that no plugin could survive without a trace: a server that says it wrote and did not is found by the
//! plugin's samples only, and an error text that blames a document makes a dead letter by design.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::{Value, json};

use super::Faults;
use super::rig::Rig;
use crate::TestError;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillHost,
    /// ... and its journal's file loses its end.
    TearJournal,
    /// ... and a byte of its journal changes.
    FlipByte,
    /// ... and its journal's folder is deleted.
    DeleteJournal,
    /// The host's files do not grow for a while; then it is killed, since its store gives up on the first such write.
    FillDisk,
    KillNexus,
    RestartNexus,
    /// The graph server is slow.
    Slow,
    /// It closes connections before or after it did its work.
    Reset,
    /// It answers an error status before or after.
    Refuse,
    /// It answers status 200 with an error before or after.
    Fail,
    /// It does a part of a batch.
    Partial,
}

use Fault::{
    DeleteJournal, Fail, FillDisk, FlipByte, KillHost, KillNexus, Partial, Refuse, Reset, RestartNexus, Slow,
    TearJournal,
};

impl Fault {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            KillHost => "host killed",
            TearJournal => "journal torn",
            FlipByte => "journal byte flipped",
            DeleteJournal => "journal deleted",
            FillDisk => "disk full",
            KillNexus => "nexus killed",
            RestartNexus => "nexus restarted",
            Slow => "nexus slow",
            Reset => "nexus resets",
            Refuse => "nexus 5xx",
            Fail => "nexus 200 with error",
            Partial => "half-applied batches",
        }
    }
}

/// What is done in a round, in order.
pub(super) fn draw(faults: &Faults, random: &mut StdRng) -> Vec<Fault> {
    let mut kinds = vec![RestartNexus];
    if faults.kills {
        kinds.extend([KillHost, KillNexus]);
    }
    if faults.journal_loss {
        kinds.extend([TearJournal, FlipByte, DeleteJournal]);
    }
    if faults.full_disk {
        kinds.push(FillDisk);
    }
    if faults.rules {
        kinds.extend([Slow, Reset, Refuse, Fail, Partial]);
    }
    let mut drawn = if faults.kills {
        vec![KillHost, KillHost, KillNexus, KillNexus]
    } else {
        Vec::new()
    };
    while drawn.len() < faults.per_round {
        drawn.extend(kinds.choose(random));
    }
    drawn.shuffle(random);
    drawn
}

/// Does them, and counts them.
pub(super) fn run(
    drawn: &[Fault],
    rig: &mut Rig,
    random: &mut StdRng,
    done: &mut BTreeMap<&'static str, u64>,
) -> Result<(), TestError> {
    for &fault in drawn {
        pause(random, 100..700);
        inflict(fault, rig, random)?;
        *done.entry(fault.name()).or_default() += 1;
    }
    Ok(())
}

fn inflict(fault: Fault, rig: &mut Rig, random: &mut StdRng) -> Result<(), TestError> {
    match fault {
        KillHost => rig.kill_host(|_| Ok(())),
        TearJournal => rig.kill_host(|folder| tear(&database(folder), random)),
        FlipByte => rig.kill_host(|folder| flip(&database(folder), random)),
        DeleteJournal => rig.kill_host(|folder| {
            let journal = journal(folder);
            fs::remove_dir_all(&journal)
                .or_else(ignore_absent)
                .map_err(|error| TestError::file(&journal, &error))
        }),
        FillDisk => {
            let sizes = [database(&rig.folder), rig.folder.join("data/vectors.redb")].map(|file| size(&file));
            rig.limit_files(sizes.choose(random).copied())?;
            pause(random, 300..1_200);
            rig.limit_files(None)?;
            // What the store said to be there was so before, too: it is killed with no more room than it had.
            rig.kill_host(|_| Ok(()))
        }
        KillNexus | RestartNexus => {
            let away = Duration::from_millis(random.random_range(0..800));
            rig.restart_nexus(fault == KillNexus, away)
        }
        Slow | Reset | Refuse | Fail | Partial => {
            let rules = rules(fault, random);
            rig.set_rules(&rules)?;
            pause(random, 300..1_500);
            rig.set_rules(&json!([]))
        }
    }
}

/// Fault rules of `nexus-dev`.
fn rules(fault: Fault, random: &mut StdRng) -> Value {
    const TEXTS: [&str; 4] = [
        "Storage error: injected",
        "Deadlock detected: injected",
        "Transaction error: injected",
        "Execution error: Lock timeout: injected",
    ];
    let text = TEXTS.choose(random).copied().unwrap_or(TEXTS[0]);
    let executed = random.random_bool(0.5);
    let fraction = random.random_range(0.1..0.9);
    let probes = random.random_bool(0.3);
    let effect = match fault {
        Slow => {
            let latency = random.random_range(10..300);
            return json!([{"latency_ms": latency, "jitter_ms": 200, "probes": probes}]);
        }
        Reset => json!({"kind": "drop", "executed": executed}),
        Refuse => {
            let codes = [500, 502, 503, 504, 429];
            let code = codes.choose(random).copied().unwrap_or(500);
            let mut effect = json!({"kind": "status", "code": code, "executed": executed});
            if matches!(code, 503 | 429) {
                effect["retry_after_seconds"] = json!(1);
            }
            effect
        }
        Fail => json!({"kind": "error", "text": text, "executed": executed}),
        _ => {
            let mut effect = json!({"kind": "partial", "share": random.random_range(0.0..1.0)});
            if executed {
                effect["error"] = json!(text);
            }
            effect
        }
    };
    // An error text is no answer to a probe.
    let probes = probes && matches!(fault, Reset | Refuse);
    json!([{"effect": effect, "fraction": fraction, "probes": probes, "times": random.random_range(3..40)}])
}

fn pause(random: &mut StdRng, milliseconds: std::ops::Range<u64>) {
    thread::sleep(Duration::from_millis(random.random_range(milliseconds)));
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("data/plugins/nexus/journal")
}

/// The database of the journal's generation in force.
fn database(folder: &Path) -> PathBuf {
    let journal = journal(folder);
    let current = fs::read_to_string(journal.join("current")).unwrap_or_default();
    journal.join(format!("generation-{}", current.trim())).join("db")
}

fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(1 << 20, |metadata| metadata.len())
}

fn tear(file: &Path, random: &mut StdRng) -> Result<(), TestError> {
    let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
    if length == 0 {
        return Ok(());
    }
    // The end of the file, or anything.
    let lost = if random.random_bool(0.5) {
        length.min(70_000)
    } else {
        length
    };
    let kept = length - random.random_range(1..=lost);
    File::options()
        .write(true)
        .open(file)
        .and_then(|file| file.set_len(kept))
        .map_err(|error| TestError::file(file, &error))
}

fn flip(file: &Path, random: &mut StdRng) -> Result<(), TestError> {
    let Ok(mut bytes) = fs::read(file) else {
        return Ok(());
    };
    // Most of the file was never written to.
    let written = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    if written > 0 {
        bytes[random.random_range(0..written)] ^= 1 << random.random_range(0..8);
        fs::write(file, bytes).map_err(|error| TestError::file(file, &error))?;
    }
    Ok(())
}

fn ignore_absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}
