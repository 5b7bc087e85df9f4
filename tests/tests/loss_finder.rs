//! The loss-finder, short: see `vectorizer_tests::soak`. `SOAK_SEED` replaces the seeds.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use serde_json::json;
use setup::artifacts;
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::soak::{Faults, Options, Report, Until, run};

fn options(kind: Kind, seed: u64, rounds: u64) -> Options {
    let seed = std::env::var("SOAK_SEED").map_or(seed, |seed| seed.parse().unwrap());
    Options {
        kind,
        seed,
        until: Until::Rounds(rounds),
        changes_per_round: 3_000,
        faults: Faults::of(kind),
        verbose: true,
        sabotage: None,
    }
}

fn nothing_is_lost(options: &Options) -> Report {
    let report = run(options, &artifacts()).unwrap_or_else(|error| panic!("seed {}: {error}", options.seed));
    println!("{report}");
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.compared > 0);
    report
}

#[test]
fn nothing_acknowledged_is_lost_under_kills_damage_and_failures() {
    let report = nothing_is_lost(&options(Kind::Dev, 20_260_801, 8));
    assert!(report.total() >= 20_000, "{report}");
    assert!(report.host_kills >= 15, "{report}");
    assert!(report.host_kills + report.nexus_kills >= 30, "{report}");
    for kind in [
        "insert",
        "payload",
        "vector",
        "delete",
        "bulk insert",
        "bulk delete",
        "rename",
        "drop",
    ] {
        assert!(report.operations[kind] > 0, "{kind}: {report}");
    }
    assert!(report.lost_answers > 0, "the faults met nobody: {report}");
}

#[test]
fn nothing_acknowledged_is_lost_when_a_server_with_wrong_answers_restarts() {
    let report = nothing_is_lost(&Options {
        changes_per_round: 600,
        faults: Faults {
            per_round: 2,
            ..Faults::of(Kind::Quirks)
        },
        ..options(Kind::Quirks, 7, 2)
    });
    assert!(report.faults["nexus restarted"] >= 4, "{report}");
}

#[test]
fn nothing_acknowledged_is_lost_on_a_real_server() {
    if std::env::var_os("NEXUS_SERVER_BIN").is_none() {
        eprintln!("notice: skipped, NEXUS_SERVER_BIN is not set");
        return;
    }
    let report = nothing_is_lost(&Options {
        changes_per_round: 600,
        faults: Faults {
            per_round: 5,
            ..Faults::of(Kind::Real)
        },
        ..options(Kind::Real, 11, 2)
    });
    assert!(report.host_kills >= 4 && report.nexus_kills >= 4, "{report}");
}

#[test]
fn the_loss_of_one_node_is_found() {
    let report = run(
        &Options {
            changes_per_round: 300,
            faults: Faults {
                per_round: 0,
                kills: false,
                ..Faults::of(Kind::Dev)
            },
            sabotage: Some(|graph| {
                let key = graph.documents()?.swap_remove(0).key;
                graph
                    .run(
                        "MATCH (d:Document {key: $key}) DETACH DELETE d",
                        &json!({"key": key}),
                    )
                    .map(drop)
            }),
            ..options(Kind::Dev, 3, 1)
        },
        &artifacts(),
    )
    .unwrap();
    std::fs::remove_dir_all(&report.folder).unwrap();
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.ends_with(": no node")),
        "{report}"
    );
}
