//! What is written back into payloads, and clients that write at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::upstream::Origin;

use crate::Rig;
use crate::setup::{DIMENSION, PATIENCE, vector};

const DOCUMENTS: usize = 12;

#[test]
fn payloads_are_enriched_and_no_write_of_a_client_is_lost() {
    for origin in Origin::available() {
        let rig = Rig::start(origin, &json!({"enrichment": {"enabled": true}}));
        rig.client.create("c", DIMENSION, "Cosine").unwrap();
        let document = |n: usize| {
            let payload = json!({"title": format!("t{n}"), "written": 0});
            (format!("d{n}"), vector(n), payload)
        };
        let documents: Vec<_> = (0..DOCUMENTS).map(document).collect();
        rig.client.insert("c", &documents).unwrap();
        let payloads = || -> Vec<Value> {
            let mut documents = rig.client.documents("c").unwrap();
            documents.sort_by(|one, other| one.id.cmp(&other.id));
            documents.into_iter().map(|document| document.payload).collect()
        };
        wait_until("all are enriched", PATIENCE, || {
            Ok(payloads().iter().all(|payload| payload["_nexus"].is_object()))
        })
        .unwrap();

        // Each client counts up its own document, in the payload as a whole, as clients do, while new neighbours come in, for which
        // payloads are enriched anew.
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|n| {
                    let (client, is_over) = (&rig.client, &is_over);
                    scope.spawn(move || {
                        let mut written = 0;
                        while !is_over.load(Ordering::Relaxed) {
                            written += 1;
                            let payload = json!({"title": format!("t{n} again"), "written": written});
                            let update =
                                json!({"collection": "c", "updates": [{"id": format!("d{n}"), "payload": payload}]});
                            client.call("POST", "/batch_update", Some(&update)).unwrap();
                            std::thread::sleep(std::time::Duration::from_millis(3));
                        }
                        written
                    })
                })
                .collect();
            for n in DOCUMENTS..DOCUMENTS + 40 {
                rig.client.insert("c", &[document(n)]).unwrap();
            }
            std::thread::sleep(std::time::Duration::from_secs(3));
            is_over.store(true, Ordering::Relaxed);
            let written: Vec<i32> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
            rig.client.settle(PATIENCE).unwrap();
            let found = rig.client.documents("c").unwrap();
            for (n, written) in written.iter().enumerate() {
                let document = found
                    .iter()
                    .find(|document| document.id == format!("d{n}"))
                    .unwrap();
                assert_eq!(
                    document.payload["written"], *written,
                    "{origin:?}: a write was lost"
                );
            }
        });
        wait_until("all are enriched again", PATIENCE, || {
            Ok(payloads().iter().all(|payload| payload["_nexus"].is_object()))
        })
        .unwrap();
    }
}
