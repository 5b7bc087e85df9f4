//! What happens behind the host's back.

use std::time::Duration;

use serde_json::json;

use crate::Rig;
use crate::setup::{DIMENSION, documents};

#[test]
fn writes_that_do_not_come_through_it_are_found() {
    Rig::each(|rig| {
        rig.client.create("c", DIMENSION, "Cosine").unwrap();
        rig.client.insert("c", &documents(0..10, "first")).unwrap();
        rig.assert_equal_in_the_end(10);
        rig.direct.insert("c", &documents(10..15, "direct")).unwrap();
        rig.direct.create("d", DIMENSION, "Euclid").unwrap();
        rig.direct.insert("d", &documents(0..5, "direct")).unwrap();
        rig.assert_equal_in_the_end(20);
        let ids: Vec<String> = documents(0..3, "").into_iter().map(|(id, ..)| id).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        rig.direct.delete("c", &ids).unwrap();
        rig.assert_equal_in_the_end(17);
        if rig.is_real() {
            // As many as before: only the time of the last write shows it.
            rig.direct
                .insert("c", &documents(3..5, "changed behind its back"))
                .unwrap();
            rig.assert_equal_in_the_end(17);
        }
        rig.direct.call("DELETE", "/collections/d", None).unwrap();
        rig.wait_for_nodes("d", &[]);
        rig.assert_equal_in_the_end(12);
    });
}

#[test]
fn one_that_dies_and_comes_back_with_less_is_followed() {
    Rig::each(|rig| {
        rig.client.create("kept", DIMENSION, "Cosine").unwrap();
        rig.client.insert("kept", &documents(0..12, "saved")).unwrap();
        rig.assert_equal_in_the_end(12);
        let saved = match rig.is_real() {
            true => {
                let saved = rig.client.call("POST", "/collections/kept/force-save", None);
                assert_eq!(saved.unwrap()["flushed"], true);
                None
            }
            false => {
                let upstream = rig.setup.host.upstream().unwrap();
                upstream.kill();
                let copy = tempfile::tempdir().unwrap();
                copy_files(&upstream.data(), copy.path());
                upstream.again().unwrap();
                Some(copy)
            }
        };
        rig.client.settle(crate::setup::PATIENCE).unwrap();
        wait_until_ready(rig);
        rig.client
            .insert("kept", &documents(12..20, "not saved"))
            .unwrap();
        rig.client.create("lost", DIMENSION, "Cosine").unwrap();
        rig.client.insert("lost", &documents(0..4, "not saved")).unwrap();
        rig.assert_equal_in_the_end(24);

        let upstream = rig.setup.host.upstream().unwrap();
        upstream.kill();
        if let Some(saved) = saved {
            std::fs::remove_dir_all(upstream.data()).unwrap();
            std::fs::create_dir_all(upstream.data()).unwrap();
            copy_files(saved.path(), &upstream.data());
        }
        let (status, refusal) = rig.client.send("GET", "/collections", None).unwrap();
        assert_eq!((status, &refusal["error_type"]), (502, &json!("bad_gateway")));
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(rig.client.send("GET", "/health/ready", None).unwrap().0, 503);
        assert_eq!(
            rig.nodes("lost").len(),
            4,
            "nothing is deleted for a Vectorizer that is away"
        );
        rig.setup.host.upstream().unwrap().again().unwrap();
        rig.wait_for_nodes("lost", &[]);
        wait_until_ready(rig);
        rig.assert_equal_in_the_end(12);
    });
}

fn wait_until_ready(rig: &Rig) {
    vectorizer_tests::process::wait_until("the host is ready", Duration::from_secs(30), || {
        Ok(rig.client.send("GET", "/health/ready", None)?.0 == 200)
    })
    .unwrap();
}

fn copy_files(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
