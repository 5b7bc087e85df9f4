//! What becomes of changes while the journal's disk fails, through the front door: the host's API, the status, the graph.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, document, documents};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::{Server, wait_until, without_size_signal};
use vectorizer_tests::vectorizer::Vectorizer;

fn journal(setup: &Setup) -> PathBuf {
    setup.folder.path().join("data/plugins/nexus/journal")
}

/// The database of the generation in force.
fn database(setup: &Setup) -> PathBuf {
    let folder = journal(setup);
    let current = fs::read_to_string(folder.join("current")).unwrap();
    folder.join(format!("generation-{}", current.trim())).join("db")
}

fn wait_for(client: &Vectorizer, what: &str, is_so: impl Fn(&Value) -> bool) {
    wait_until(what, PATIENCE, || Ok(is_so(&client.status()?))).unwrap();
}

#[test]
fn on_a_full_disk_the_store_serves_on_and_the_graph_follows_when_there_is_room() {
    let setup = Setup::alone(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    let log = setup.folder.path().join("host.log");
    let mut command = without_size_signal(&setup.host.command());
    let server = Server::start("vectorizer-host", &mut command, &log).unwrap();
    let client = Vectorizer::new(&server.url);
    client.create("c", DIMENSION, "Cosine").unwrap();
    // Both have their files on that disk: the store's must have room left where the journal's has none.
    let size_of = |file: &Path| fs::metadata(file).unwrap().len();
    let store = setup.folder.path().join("data/vectors.redb");
    let mut rounds = 0;
    while size_of(&database(&setup)) < 3 * size_of(&store) {
        rounds += 1;
        client
            .insert("c", &documents(0..60, &format!("round {rounds}")))
            .unwrap();
        assert!(
            rounds < 1_000,
            "the journal never grew: {}",
            size_of(&database(&setup))
        );
        std::thread::sleep(Duration::from_millis(30));
    }
    client.settle(PATIENCE).unwrap();
    let size = size_of(&database(&setup));
    server.limit_file_size(Some(size)).unwrap();
    let begun = Instant::now();
    while client.status().unwrap()["journal"]["failure"].is_null() {
        rounds += 1;
        client
            .insert("c", &documents(0..40, &format!("the disk is full {rounds}")))
            .unwrap();
        assert!(begun.elapsed() < PATIENCE, "the journal never noticed");
    }
    client
        .insert("c", &documents(40..60, "taken although the disk is full"))
        .unwrap();
    client.delete("c", &[document(0, "").0.as_str()]).unwrap();
    assert!(server_is_degraded(&client));
    assert!(
        client
            .metrics()
            .unwrap()
            .contains("vectorizer_nexus_journal_up 0")
    );

    server.limit_file_size(None).unwrap();
    wait_for(&client, "the journal is back", |status| {
        status["journal"]["failure"].is_null()
    });
    assert_eq!(setup.assert_equal(&client).nodes, 59);
    let status = client.status().unwrap();
    assert!(status["journal"]["reopened"].as_u64().unwrap() > 0, "{status}");
    assert_eq!(
        status["journal"]["rebuilt"], 0,
        "nothing was wrong with what is stored"
    );
    assert_eq!(status["dead_letters"], 0);
    assert!(server.stop().unwrap().success());
}

fn server_is_degraded(client: &Vectorizer) -> bool {
    let plugins = client.call("GET", "/api/v1/plugins", None).unwrap();
    plugins.to_string().contains("the journal cannot be written")
}

#[test]
fn a_journal_deleted_under_the_running_host_is_made_again() {
    let setup = Setup::new(Kind::Dev);
    let nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..30, "before")).unwrap();
    setup.assert_equal(&client);
    nexus.kill();
    client
        .insert("c", &documents(0..10, "while nobody can be told"))
        .unwrap();
    fs::remove_dir_all(journal(&setup)).unwrap();
    wait_for(&client, "the journal is made again", |status| {
        status["journal"]["rebuilt"] == 1
    });
    // It is a real one: it survives a kill.
    std::thread::sleep(Duration::from_millis(300));
    server.kill();
    let (server, client) = setup.host();
    assert_eq!(client.status().unwrap()["journal"]["began"], "after_crash");
    let _nexus = setup.nexus();
    assert_eq!(setup.assert_equal(&client).nodes, 30);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_journal_that_cannot_be_read_is_put_aside_and_rebuilt() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client
            .insert("c", &documents(0..30, "a title that will be much shorter soon"))
            .unwrap();
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
        garble(&database(&setup));
        let (server, client) = setup.host();
        let status = client.status().unwrap();
        assert_eq!(status["journal"]["began"], "rebuilt", "{status}");
        assert!(status["journal"]["rebuilt_because"].is_string(), "{status}");
        client.insert("c", &documents(0..10, "x")).unwrap();
        assert_eq!(setup.assert_equal(&client).nodes, 30);
        let aside = fs::read_dir(journal(&setup)).unwrap().any(|entry| {
            let name = entry.unwrap().file_name();
            name.to_string_lossy().starts_with("quarantine-")
        });
        assert!(aside, "it is kept for a person");
        assert!(server.stop().unwrap().success());
    }
}

/// Turns every 97th byte over.
fn garble(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
    fs::write(file, bytes).unwrap();
}

#[test]
fn two_hosts_do_not_share_a_journal() {
    use std::os::unix::fs::symlink;
    let setup = Setup::new(Kind::Dev);
    let (server, client) = setup.host();
    // Another host with a store of its own and, by mistake, the same folder for its plugin.
    let other = Setup::new(Kind::Dev);
    let plugins = other.folder.path().join("data/plugins");
    fs::create_dir_all(&plugins).unwrap();
    symlink(
        setup.folder.path().join("data/plugins/nexus"),
        plugins.join("nexus"),
    )
    .unwrap();
    let (second, second_client) = other.host();
    let plugins = second_client
        .call("GET", "/api/v1/plugins", None)
        .unwrap()
        .to_string();
    assert!(plugins.contains("in use by another process"), "{plugins}");
    second_client.create("c", DIMENSION, "Cosine").unwrap();
    assert!(client.status().is_ok(), "the first goes on");
    assert!(second.stop().unwrap().success() && server.stop().unwrap().success());
}

#[test]
fn with_group_durability_a_hint_that_was_answered_survives_a_kill() {
    let setup = Setup::with(
        Kind::Dev,
        // Without the group's writes nothing would be on disk for ten seconds.
        &json!({"sync": {"durability": "group", "flush_interval_ms": 10_000, "max_retry_delay_ms": 500}}),
    );
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..25, "acknowledged")).unwrap();
    server.kill();
    let (server, client) = setup.host();
    // The store is compared at the start too, so ask before: the journal itself must know.
    let log = fs::read_to_string(setup.folder.path().join("host.log")).unwrap();
    assert_eq!(client.status().unwrap()["queue_depth"], 25, "{log}");
    assert!(server.stop().unwrap().success());
}

#[test]
fn with_block_a_writer_waits_for_a_full_queue_and_goes_on_when_its_time_is_up() {
    let block = Duration::from_millis(700);
    let setup = Setup::with(
        Kind::Dev,
        &json!({"sync": {"overflow": "block", "block_ms": block.as_millis() as u64, "max_queue_size": 1_000,
                         "max_retry_delay_ms": 500}}),
    );
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..1_000, "fill")).unwrap();
    wait_for(&client, "the queue is full", |status| {
        status["queue_depth"] == 1_000
    });
    client.insert("c", &documents(1_000..1_300, "beyond")).unwrap();
    assert_eq!(
        client.status().unwrap()["queue_depth"],
        1_000,
        "memory is bounded"
    );
    // And what found no room is not lost.
    let _nexus = setup.nexus();
    assert_eq!(setup.assert_equal(&client).nodes, 1_300);
    assert!(server.stop().unwrap().success());
}
