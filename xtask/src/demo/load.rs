//! Inserting, and watching the graph catch up.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use vectorizer_tests::TestError;
use vectorizer_tests::vectorizer::Vectorizer;

use super::corpus::TextFile;

/// The collection that the demo fills.
pub(crate) const COLLECTION: &str = "library";
const BATCH: usize = 10;

/// Inserts the files; the host cuts them into chunks and embeds them.
pub(crate) fn load(host: &Vectorizer, files: &[TextFile]) -> Result<(), TestError> {
    let bar = bar("inserting", files.len() as u64);
    for batch in files.chunks(BATCH) {
        let texts: Vec<Value> = batch
            .iter()
            .map(|file| json!({"id": file.id, "text": file.text, "metadata": file.metadata}))
            .collect();
        let answer = host.call(
            "POST",
            "/insert_texts",
            Some(&json!({"collection": COLLECTION, "texts": texts})),
        )?;
        if answer["failed"] != 0 {
            return Err(TestError::Process(format!(
                "the host refused documents: {answer}"
            )));
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish();
    Ok(())
}

/// Shows the queue until it is empty.
pub(crate) fn watch(host: &Vectorizer, patience: Duration) -> Result<(), TestError> {
    let end = Instant::now() + patience;
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let mut most = 1;
    let bar = bar("syncing", most);
    loop {
        let status = host.status()?;
        let left = number(&status["queue_depth"]);
        most = most.max(left);
        bar.set_length(most);
        bar.set_position(most - left);
        bar.set_message(format!(
            "{} nodes written, {} documents wait for their edges",
            status["total_synced"], status["queue_depth_edges"]
        ));
        if left == 0 && status["nexus"]["state"] == "ready" {
            break;
        }
        if Instant::now() > end {
            return Err(TestError::Timeout {
                what: format!("the graph has everything: {status}"),
                seconds: patience.as_secs(),
            });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bar.finish();
    host.settle(patience)
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:40}] {pos}/{len} {elapsed} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length)
        .with_style(style.progress_chars("=> "))
        .with_prefix(what)
}
