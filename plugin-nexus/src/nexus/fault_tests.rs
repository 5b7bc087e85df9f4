//! The table, entry by entry.

use super::*;
use crate::nexus::exchange;

fn class_of(message: &str) -> FaultClass {
    of_message(message, "s").class()
}

#[test]
fn each_recorded_message_has_its_class() {
    let recorded = [
        (
            FaultClass::NotUnderstood,
            &[
                "Parse error: Cypher syntax error: SHOW must be followed by DATABASES, USERS, USER, FUNCTIONS, CONSTRAINTS, QUERIES, or API KEYS at line 1, column 6",
                "Parse error: Storage error: SET clause: expected property assignment or label",
                "Parse error: Executor error: Cypher: _id must be a string literal or parameter",
                "Parse error: Cypher syntax error: Expected identifier at line 1, column 30",
                "Parse error: Cypher syntax error: Expected SET or DELETE in FOREACH, found: DETACH at line 1, column 70",
                "Parse error: Cypher syntax error: Expected ')' at line 1, column 11",
                "Cypher syntax error: Query must contain at least one clause",
                "Cypher execution error: Unsupported clause in write query",
                "Execution error: Cypher execution error: Unsupported clause in write query",
                "Execution error: Executor error: no such procedure",
                "Execution error: Cypher execution error: Parameter `$rows` was not provided",
                "Cypher execution error: ERR_MISSING_PARAMETER: parameter $k not provided",
                "Execution error: Cypher execution error: Index on :Document(key) already exists",
            ][..],
        ),
        (
            FaultClass::MissingEndpoint,
            &[
                "Execution error: Cypher execution error: Unknown variable 'r' in SET clause",
                "Cypher execution error: Unknown variable 'r' in SET clause",
            ],
        ),
        (
            FaultClass::ServerFault,
            &[
                "Execution error: Transaction error: Session default already has an active transaction",
                "Execution error: Storage error: no space",
                "I/O error: disk full",
                "Task execution error: task 12 panicked",
            ],
        ),
        (
            FaultClass::StatementRejected,
            &[
                "Execution error: Cypher execution error: Cannot merge node using null property value for key",
                "Execution error: Cypher execution error: ERR_SET_NON_MAP: SET d += <rhs> requires a MAP or NULL (got LIST)",
                "Cypher execution error: ERR_INVALID_KEY: property key must be STRING (got INTEGER)",
                "Cypher execution error: Unknown variable 'r' in REMOVE clause",
                "Execution error: Cypher execution error: Unknown variable 'd' in SET clause",
                "Type mismatch: expected number, got string",
                "Constraint violation: UNIQUE constraint violated: property 'key' value already exists on another node with label 'Uq'",
                "Invalid input: too long",
                "Node not found",
                "something new",
                "",
            ],
        ),
    ];
    for (class, messages) in recorded {
        for message in messages {
            assert_eq!(class_of(message), class, "{message}");
        }
    }
}

#[test]
fn a_text_means_the_same_with_and_without_the_servers_wrapper() {
    for (beginning, _) in TEXTS {
        let (bare, wrapped) = (
            format!("{beginning} x"),
            format!("Execution error: {beginning} x"),
        );
        assert_eq!(Meaning::of(&bare), Meaning::of(&wrapped), "{beginning}");
    }
}

#[test]
fn no_entry_of_the_table_is_hidden_by_an_earlier_one() {
    for (index, (beginning, meaning)) in TEXTS.iter().enumerate() {
        let first = TEXTS
            .iter()
            .position(|(earlier, _)| beginning.starts_with(earlier));
        assert_eq!(first, Some(index), "{beginning}");
        assert_eq!(Meaning::of(beginning), *meaning);
    }
}

#[test]
fn each_status_has_its_class() {
    let overloaded = FaultClass::Overloaded {
        retry_after: Some(Duration::from_secs(7)),
    };
    for status in 100..=599 {
        let expected = match status {
            200 => None,
            400 | 422 => Some(FaultClass::StatementRejected),
            401 | 403 | 407 => Some(FaultClass::Unauthorised),
            408 | 502 | 504 => Some(FaultClass::Unanswered),
            413 => Some(FaultClass::TooLarge),
            425 | 429 | 503 => Some(overloaded),
            100..=499 => Some(FaultClass::BadAnswer),
            _ => Some(FaultClass::ServerFault),
        };
        let retry_after = Some(Duration::from_secs(7));
        let error = of_status(status, retry_after, "Parse-free text", "s");
        assert_eq!(error.map(|error| error.class()), expected, "{status}");
    }
}

#[test]
fn a_refused_request_is_read_by_its_text() {
    for (body, class) in [
        (
            "Parse error: Cypher syntax error: x at line 1, column 2",
            FaultClass::NotUnderstood,
        ),
        (
            r#"{"error":"Cypher execution error: Unsupported clause in write query"}"#,
            FaultClass::NotUnderstood,
        ),
        (
            r#"{"code":"X","message":"Executor error: x"}"#,
            FaultClass::NotUnderstood,
        ),
        (
            "Failed to deserialize the JSON body into the target type: missing field `query` at line 1 column 13",
            FaultClass::NotUnderstood,
        ),
        (
            "Failed to parse the request body as JSON: recursion limit exceeded",
            FaultClass::StatementRejected,
        ),
        (
            r#"{"error":"Type mismatch: expected number, got string"}"#,
            FaultClass::StatementRejected,
        ),
        ("", FaultClass::StatementRejected),
    ] {
        for status in [400, 422] {
            let error = of_status(status, None, body, "s").unwrap();
            assert_eq!(error.class(), class, "{status} {body}");
        }
    }
}

#[test]
fn each_class_has_its_blame() {
    for (blame, classes) in [
        (
            Blame::Passing,
            vec![
                FaultClass::Unreachable,
                FaultClass::Unanswered,
                FaultClass::Overloaded { retry_after: None },
                FaultClass::ServerFault,
            ],
        ),
        (
            Blame::Server,
            vec![
                FaultClass::Unauthorised,
                FaultClass::BadAnswer,
                FaultClass::NotUnderstood,
            ],
        ),
        (
            Blame::Row,
            vec![
                FaultClass::StatementRejected,
                FaultClass::MissingEndpoint,
                FaultClass::TooLarge,
            ],
        ),
    ] {
        for class in classes {
            assert_eq!(class.blame(), blame, "{class:?}");
        }
    }
}

#[tokio::test]
async fn each_kind_of_transport_error_has_its_meaning() {
    use tokio::io::AsyncWriteExt;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}/", listener.local_addr().unwrap());
    let gone = {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", closed.local_addr().unwrap())
    };
    tokio::spawn(async move {
        let mut kept = Vec::new();
        for n in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            match n {
                // Broken: closed, then no HTTP.
                0 => drop(stream),
                1 => stream.write_all(b"SSH-2.0-x\r\n\r\n").await.unwrap(),
                _ => kept.push(stream),
            }
        }
    });
    let http = exchange::test_client(Duration::from_millis(200));
    let limit = Duration::from_millis(200);
    let fail = async |url: &str| http.get(url).send().await.unwrap_err();
    for (url, kind, class) in [
        (here.as_str(), Transport::Broken, FaultClass::Unanswered),
        (&here, Transport::Broken, FaultClass::Unanswered),
        (&here, Transport::NoAnswerInTime, FaultClass::Unanswered),
        (&gone, Transport::NoConnection, FaultClass::Unreachable),
        ("http://", Transport::Unusable, FaultClass::BadAnswer),
    ] {
        let error = fail(url).await;
        assert_eq!(Transport::of(&error), kind, "{error:?}");
        assert_eq!(of_transport(error, "s", limit).class(), class);
    }
}
