//! The pace as those who wait see it, on tokio's stopped clock.

use std::sync::Arc;

use futures_order::finished_in_order;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn limited(statements: u32) -> Arc<Pace> {
    Arc::new(Pace::new(Ceilings {
        statements: Some(statements),
        documents: None,
    }))
}

mod futures_order {
    use super::*;

    /// Lets tasks wait for a statement each, one after the other; answers in which order they were let through.
    pub(super) async fn finished_in_order(pace: &Arc<Pace>, tasks: usize) -> Vec<usize> {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut running = Vec::new();
        for n in 0..tasks {
            let (pace, order) = (Arc::clone(pace), Arc::clone(&order));
            running.push(tokio::spawn(async move {
                pace.statement(PATIENCE).await.unwrap();
                order.lock().push(n);
            }));
            tokio::task::yield_now().await;
        }
        for task in running {
            task.await.unwrap();
        }
        order.lock().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn statements_pass_in_the_order_of_their_coming_at_the_ceilings_rate() {
    let pace = limited(4);
    let start = tokio::time::Instant::now();
    assert_eq!(finished_in_order(&pace, 41).await, (0..41).collect::<Vec<_>>());
    // One at once, then four a second; the timer's ticks are of a millisecond.
    let took = start.elapsed().as_millis();
    assert!((10_000..10_100).contains(&took), "{took}");
    assert_eq!(pace.report().waits.ceiling, 40);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_takes_nothing_and_blocks_nobody() {
    let pace = limited(1);
    pace.statement(PATIENCE).await.unwrap();
    let start = tokio::time::Instant::now();
    for _ in 0..10 {
        let given_up = tokio::time::timeout(Duration::from_millis(50), pace.statement(PATIENCE)).await;
        assert!(given_up.is_err());
    }
    pace.statement(PATIENCE).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(1_010));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_a_time_is_left_alone_until_then() {
    let pace = Pace::new(Ceilings::default());
    let start = tokio::time::Instant::now();
    pace.statement(PATIENCE).await.unwrap();
    pace.overloaded(Some(Duration::from_secs(7)));
    // A shorter time does not shorten it.
    pace.overloaded(Some(Duration::from_secs(1)));
    pace.overloaded(None);
    assert!(pace.is_limited());
    assert_eq!(pace.report().paused_for, Some(Duration::from_secs(7)));
    // Who has no patience is told how long.
    assert_eq!(
        pace.statement(Duration::from_secs(6)).await,
        Err(Duration::from_secs(7))
    );
    pace.statement(PATIENCE).await.unwrap();
    let took = start.elapsed().as_secs_f64();
    assert!((7.0..8.1).contains(&took), "{took}");
    let report = pace.report();
    assert_eq!((report.paused_for, report.waits.retry_after), (None, 2));
}

#[tokio::test(start_paused = true)]
async fn no_server_is_left_alone_for_ever() {
    let pace = Pace::new(Ceilings::default());
    pace.overloaded(Some(Duration::MAX));
    assert_eq!(pace.report().paused_for, Some(LONGEST_PAUSE));
}

#[tokio::test(start_paused = true)]
async fn batches_of_documents_keep_their_ceiling() {
    let pace = Pace::new(Ceilings {
        statements: None,
        documents: Some(50),
    });
    assert_eq!(pace.most_documents(200), 50);
    assert_eq!(pace.most_documents(16), 16);
    let start = tokio::time::Instant::now();
    let mut sum = 0;
    while sum < 1_000 {
        let batch = pace.most_documents(200);
        pace.documents(batch).await;
        sum += batch;
    }
    let took = start.elapsed().as_secs_f64();
    assert!((19.0..19.1).contains(&took), "{took}");
    // Statements have none.
    for _ in 0..10_000 {
        pace.statement(Duration::ZERO).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_overload_lowers_both_rates_and_both_recover() {
    let pace = Pace::new(Ceilings {
        statements: Some(100),
        documents: None,
    });
    for _ in 0..500 {
        pace.statement(PATIENCE).await.unwrap();
        pace.documents(10).await;
    }
    pace.overloaded(None);
    let report = pace.report();
    let (statements, documents) = (
        report.statements_per_second.unwrap(),
        report.documents_per_second.unwrap(),
    );
    assert!((40.0..=50.0).contains(&statements), "{statements}");
    assert!((400.0..=520.0).contains(&documents), "{documents}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let report = pace.report();
    assert_eq!(
        (report.statements_per_second, report.documents_per_second),
        (Some(100.0), None)
    );
}

#[test]
fn passing_costs_next_to_nothing_where_nothing_is_limited() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let pace = Pace::new(Ceilings::default());
    let start = Instant::now();
    runtime.block_on(async {
        for _ in 0..100_000 {
            pace.statement(Duration::ZERO).await.unwrap();
        }
    });
    let each = start.elapsed() / 100_000;
    println!("{each:?} for one passing");
    assert!(each < Duration::from_micros(20), "{each:?}");
}
