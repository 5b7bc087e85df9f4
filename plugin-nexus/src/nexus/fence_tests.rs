//! The fence: no statement reaches another process than its session's.

use std::sync::Arc;
use std::time::Duration;

use crate::graph::catalogue;
use crate::graph::schema::NodeLabel;
use crate::nexus::faulty_server::{Reply, Server, session};
use crate::nexus::{FaultClass, NexusClient, NexusError, Rows, Session};

const ROWS: &str = r#"{"columns":["n"],"rows":[[3]],"execution_time_ms":1}"#;

async fn run(session: &Session) -> Result<Rows, NexusError> {
    session
        .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
        .await
}

async fn keeping() -> Server {
    Server::keeping(|_| Reply::Json(200, ROWS)).await
}

/// What is done on a closed connection may be noticed a moment later.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// No statement in the log is for a later process.
fn assert_only_the_first_process_was_written_to(server: &Server, statements: usize) {
    let requests = server.requests();
    assert_eq!(requests.len(), statements);
    assert!(requests.iter().all(|request| request.era == 0));
}

#[tokio::test]
async fn a_restarted_server_gets_no_statement_of_the_old_session() {
    for uptime in [0, 1, 2, 100, 3_500, 4_000, 100_000] {
        let server = keeping().await;
        let session = server.session().await;
        run(&session).await.unwrap();
        server.restart(uptime);
        a_moment().await;
        let error = run(&session).await.unwrap_err();
        assert_eq!(error, NexusError::SessionEnded, "{uptime}");
        assert_eq!(
            (error.class(), error.may_have_been_applied()),
            (FaultClass::Unreachable, false)
        );
        assert!(session.is_ended());
        assert_eq!(run(&session).await, Err(NexusError::SessionEnded));
        assert_only_the_first_process_was_written_to(&server, 1);
    }
}

#[tokio::test]
async fn a_restart_that_the_pool_did_not_notice_yet_gets_no_statement_either() {
    for _ in 0..20 {
        let server = keeping().await;
        let session = server.session().await;
        run(&session).await.unwrap();
        server.restart(0);
        // The pooled connection is closed, and the client may or may not know.
        assert!(run(&session).await.is_err());
        assert!(run(&session).await.is_err());
        assert!(session.is_ended());
        assert_only_the_first_process_was_written_to(&server, 1);
    }
}

#[tokio::test]
async fn an_old_process_that_still_answers_over_its_connections_does_not_vouch_for_its_successor() {
    let server = keeping().await;
    let session = server.session().await;
    server.hand_over(0);
    assert_eq!(run(&session).await, Err(NexusError::SessionEnded));
    assert_only_the_first_process_was_written_to(&server, 0);
}

#[tokio::test]
async fn a_connection_to_the_old_process_is_used_as_long_as_it_lives() {
    let server = keeping().await;
    let session = server.session().await;
    run(&session).await.unwrap();
    server.hand_over(0);
    run(&session).await.unwrap();
    assert_only_the_first_process_was_written_to(&server, 2);
}

#[tokio::test]
async fn many_statements_at_the_moment_of_a_restart_reach_the_old_process_or_none() {
    let server = Arc::new(keeping().await);
    let session = server.session().await;
    let runs: Vec<_> = (0..200)
        .map(|n| {
            let (server, session) = (Arc::clone(&server), Arc::clone(&session));
            tokio::spawn(async move {
                if n == 60 {
                    server.restart(0);
                }
                run(&session).await.is_ok()
            })
        })
        .collect();
    let mut done = 0;
    for task in runs {
        done += usize::from(task.await.unwrap());
    }
    let _ = run(&session).await;
    assert!(session.is_ended());
    assert!(server.requests().iter().all(|request| request.era == 0));
    assert!(done < 200 && server.seen() >= done);
}

#[tokio::test]
async fn a_process_whose_connections_are_dropped_gets_statements_again() {
    let server = keeping().await;
    let session = server.session().await;
    run(&session).await.unwrap();
    for _ in 0..3 {
        server.close_connections();
        a_moment().await;
        run(&session).await.unwrap();
    }
    assert_eq!(server.seen(), 4);
    assert!(!session.is_ended());
    let connections: std::collections::HashSet<_> = server
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections.len(), 4);
}

#[tokio::test]
async fn a_connection_is_checked_once_and_used_again() {
    let server = keeping().await;
    let session = server.session().await;
    for _ in 0..5 {
        run(&session).await.unwrap();
    }
    assert_eq!(
        server.looks(),
        2,
        "one to open the session, one for its connection"
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_refuses_the_connection_and_ends_nothing() {
    for silence in [
        Reply::Stall,
        Reply::Drop,
        Reply::Json(503, ""),
        Reply::Json(200, "{}"),
    ] {
        let server = keeping().await;
        let mut config = server.config();
        config.connect_timeout = Duration::from_millis(150);
        let client = Arc::new(NexusClient::new(config).unwrap());
        let session = session(&client).await;
        server.set_health(Some(silence));
        let error = run(&session).await.unwrap_err();
        assert!(matches!(error, NexusError::Unreachable { .. }), "{error:?}");
        assert!(!session.is_ended() && server.seen() == 0);
        server.set_health(None);
        run(&session).await.unwrap();
    }
}

#[tokio::test]
async fn two_sessions_share_no_connection() {
    let server = keeping().await;
    let client = server.client();
    let (one, two) = (session(&client).await, session(&client).await);
    for session in [&one, &two, &one, &two] {
        run(session).await.unwrap();
    }
    let over: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!((over[0], over[1]), (over[2], over[3]));
    assert_ne!(over[0], over[1]);
    one.end();
    assert_eq!(run(&one).await, Err(NexusError::SessionEnded));
    run(&two).await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_ended_sends_nothing_more() {
    let server = Server::keeping(|_| Reply::Json(503, "")).await;
    let mut config = server.config();
    config.retry.base_delay = Duration::from_millis(200);
    let client = Arc::new(NexusClient::new(config).unwrap());
    let session = session(&client).await;
    let waiting = {
        let session = Arc::clone(&session);
        tokio::spawn(async move { run(&session).await })
    };
    a_moment().await;
    session.end();
    assert_eq!(waiting.await.unwrap(), Err(NexusError::SessionEnded));
    assert_eq!(server.seen(), 1);
}

#[tokio::test]
async fn a_look_from_outside_ends_the_session_or_makes_it_more_certain() {
    let server = keeping().await;
    let client = server.client();
    let session = session(&client).await;
    assert!(session.observe(&client.look().await.unwrap()));
    assert_ne!(session.process(), client.look().await.unwrap());
    server.restart(0);
    assert!(!session.observe(&client.look().await.unwrap()));
    assert!(session.is_ended());
    assert_eq!(run(&session).await, Err(NexusError::SessionEnded));
    assert_eq!(server.seen(), 0);
}

#[tokio::test]
async fn no_session_is_opened_with_a_process_that_started_just_now() {
    let server = keeping().await;
    for (uptime, opened) in [(0, false), (1, false), (4, true)] {
        server.restart(uptime);
        let client = server.client();
        let session = client.session(client.look().await.unwrap());
        assert_eq!(session.is_ok(), opened, "{uptime}");
        if let Err(error) = session {
            assert_eq!(error, NexusError::Unsettled);
        }
    }
}
