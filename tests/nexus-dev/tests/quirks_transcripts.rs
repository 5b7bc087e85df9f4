//! With quirks, every recorded statement comes out as the real server answered it, the wrong answers included.
//!
//! Without the recording the test says so and passes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use nexus_dev::{NexusDev, Quirks};
use support::recording::differences;
use support::{server, start};

#[tokio::test]
async fn every_entry_of_the_recording_comes_out_as_recorded() {
    let server = start(NexusDev::builder().quirks(Quirks::V2_5)).await;
    let compared = differences(server.url(), |_| true).await;
    server.shutdown().await.unwrap();
    let Some((entries, differing)) = compared else {
        return;
    };
    assert!(entries >= 100, "the recording holds {entries} entries only");
    assert!(
        differing.is_empty(),
        "{} of {entries} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}

#[tokio::test]
async fn without_quirks_the_recorded_mistakes_are_not_made() {
    let server = server().await;
    let compared = differences(server.url(), |entry| entry.verdict == "wrong").await;
    server.shutdown().await.unwrap();
    let Some((wrong, differing)) = compared else {
        return;
    };
    // Some of the mistakes lie in what the statement did, and only a later read shows them.
    assert!(
        differing.len() * 2 > wrong,
        "only {} of {wrong} recorded mistakes are answered differently",
        differing.len()
    );
}
