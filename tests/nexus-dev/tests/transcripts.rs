//! Replays the recorded statements of the real server and compares the answers.
//!
//! Without the recording the test says so and passes. Only `correct` and `slow` entries bind.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use support::recording::differences;
use support::server;

#[tokio::test]
async fn every_binding_entry_of_the_recording_matches() {
    let server = server().await;
    let binds = |entry: &support::recording::Entry| matches!(entry.verdict.as_str(), "correct" | "slow");
    let compared = differences(server.url(), binds).await;
    server.shutdown().await.unwrap();
    let Some((binding, differing)) = compared else {
        return;
    };
    assert!(binding > 0, "the recording binds nothing");
    assert!(
        differing.is_empty(),
        "{} of {binding} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}
