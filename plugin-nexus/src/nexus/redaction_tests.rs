//! No error, and nothing that prints, shows the API key or credentials of an address.

use std::sync::Arc;
use std::time::Duration;

use crate::graph::catalogue;
use crate::graph::schema::NodeLabel;
use crate::nexus::faulty_server::{Reply, Server, session};
use crate::nexus::{ApiKey, Auth, NexusClient, NexusConfig, NexusError};

const SECRETS: [&str; 3] = ["topsecret", "dbuser", "dbpassword"];

fn assert_clean(printed: &str) {
    for secret in SECRETS {
        assert!(!printed.contains(secret), "{printed}");
    }
}

fn assert_clean_error(error: &NexusError) {
    assert_clean(&format!("{error} {error:?} {error:#?}"));
}

/// Which variant it is; a new one fails to compile until it is driven below.
fn variant(error: &NexusError) -> usize {
    match error {
        NexusError::Setup { .. } => 0,
        NexusError::Unreachable { .. } => 1,
        NexusError::SessionEnded => 2,
        NexusError::Unsettled => 3,
        NexusError::TimedOut { .. } => 4,
        NexusError::Interrupted { .. } => 5,
        NexusError::Overloaded { .. } => 6,
        NexusError::Server { .. } => 7,
        NexusError::Unauthorised { .. } => 8,
        NexusError::NotUnderstood { .. } => 9,
        NexusError::Rejected { .. } => 10,
        NexusError::MissingEndpoint { .. } => 11,
        NexusError::BadAnswer { .. } => 12,
        NexusError::AnswerTooLarge { .. } => 13,
        NexusError::RequestTooLarge { .. } => 14,
        NexusError::Paused { .. } => 15,
    }
}

fn with_credentials(config: &NexusConfig) -> NexusConfig {
    let mut config = config.clone();
    config.url.set_username("dbuser").unwrap();
    config.url.set_password(Some("dbpassword")).unwrap();
    config
}

#[tokio::test]
async fn every_error_is_driven_and_shows_no_secret() {
    let echo = "key nx_topsecret and Bearer nx_topsecret";
    let answer = |error: &'static str| Reply::Json(200, error);
    let replies = [
        Reply::Stall,
        Reply::Drop,
        Reply::Cut,
        Reply::Endless,
        Reply::Json(503, echo),
        Reply::Json(500, echo),
        Reply::Json(401, echo),
        Reply::Json(404, echo),
        Reply::Json(400, echo),
        Reply::Json(413, echo),
        Reply::With(
            307,
            "location: http://dbuser:dbpassword@127.0.0.1:1/\r\n".to_owned(),
            echo,
        ),
        Reply::With(503, "retry-after: 9\r\n".to_owned(), echo),
        Reply::With(503, "retry-after: nx_topsecret\r\n".to_owned(), echo),
        answer(r#"{"error":"Parse error: nx_topsecret"}"#),
        answer(r#"{"error":"Type mismatch: nx_topsecret"}"#),
        answer(r#"{"error":{"key":"nx_topsecret"}}"#),
        answer(r#"{"error":"Storage error: nx_topsecret"}"#),
        answer(r#"{"error":"Cypher execution error: Unknown variable 'r' in SET clause nx_topsecret"}"#),
        answer(r#"{"columns":"nx_topsecret"}"#),
        answer("nx_topsecret"),
    ];
    let mut driven = [false; 16];
    let mut see = |error: NexusError| {
        assert_clean_error(&error);
        driven[variant(&error)] = true;
    };
    for auth in [Auth::Bearer, Auth::XApiKey] {
        for reply in &replies {
            let served = reply.clone();
            let server = Server::start(move |_| served.clone()).await;
            let mut config = server.config();
            config.auth = auth;
            config.retry.max_attempts = 1;
            let client = Arc::new(NexusClient::new(config.clone()).unwrap());
            let session = session(&client).await;
            assert_clean(&format!("{config:?} {client:?} {session:?} {:#?}", session));
            see(session
                .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
                .await
                .unwrap_err());
            server.set_health(Some(reply.clone()));
            see(client.look().await.unwrap_err());
            see(session
                .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
                .await
                .unwrap_err());
            session.end();
            see(session
                .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
                .await
                .unwrap_err());
            server.set_health(None);
            server.restart(0);
            see(client.session(client.look().await.unwrap()).unwrap_err());
            see(NexusClient::new(with_credentials(&config)).unwrap_err());
        }
    }
    assert_eq!(driven, [true; 16]);
}

#[tokio::test]
async fn a_configuration_and_a_key_print_without_secrets() {
    let mut config = with_credentials(&NexusConfig::new("http://127.0.0.1:1/".parse().unwrap()));
    config.api_key = Some(ApiKey::new("nx_topsecret"));
    config.request_timeout = Duration::from_secs(1);
    assert_clean(&format!(
        "{config:?} {config:#?} {} {:?}",
        ApiKey::new("topsecret"),
        ApiKey::new("topsecret")
    ));
}

#[tokio::test]
async fn the_key_goes_into_the_header_that_is_asked_for_and_into_no_other() {
    let server = Server::start(|_| Reply::Json(200, r#"{"columns":[],"rows":[]}"#)).await;
    for (auth, header) in [
        (Auth::Bearer, "authorization: Bearer nx_topsecret\r\n"),
        (Auth::XApiKey, "x-api-key: nx_topsecret\r\n"),
    ] {
        let mut config = server.config();
        config.auth = auth;
        let client = Arc::new(NexusClient::new(config).unwrap());
        let session = session(&client).await;
        session
            .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
            .await
            .unwrap();
        let requests = server.requests();
        let text = &requests[requests.len() - 1].text;
        assert!(text.contains(header), "{text}");
        assert_eq!(text.matches("topsecret").count(), 1);
    }
}
