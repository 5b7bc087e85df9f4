//! The client against hosts that answer what they should not.

use serde_json::json;

use super::*;
use crate::stand_in::{Reply, StandIn, client};

async fn asked(reply: Reply) -> Result<Value, Error> {
    let host = StandIn::start(move |_| reply.clone());
    host.client().get(&Route::sync("status")).await
}

#[tokio::test]
async fn an_object_comes_back_as_it_is() {
    assert_eq!(
        asked(Reply::Json(200, json!({"a": 1}))).await.unwrap(),
        json!({"a": 1})
    );
}

#[tokio::test]
async fn what_is_no_complete_answer_is_no_answer() {
    for reply in [
        Reply::Half,
        Reply::Raw(Vec::new()),
        Reply::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        Reply::Silence(Duration::from_secs(3)),
    ] {
        let error = asked(reply.clone()).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{reply:?}: {error}");
    }
    let nobody = client("http://127.0.0.1:1", None);
    let error = nobody.get(&Route::sync("status")).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn garbage_and_too_much_of_it_are_refused() {
    let page =
        |body: &str| Reply::Raw(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}").into_bytes());
    for reply in [page("<html>"), page("[1, 2]"), page(""), Reply::Endless] {
        let error = asked(reply.clone()).await.unwrap_err();
        assert!(matches!(error, Error::Garbled { .. }), "{reply:?}: {error}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_error_and_the_key_goes_nowhere_else() {
    let other = StandIn::of(&[]);
    let target = other.url.clone();
    let host = StandIn::start(move |_| {
        let head = format!("HTTP/1.1 307 X\r\nLocation: {target}/\r\nContent-Length: 0\r\n\r\n");
        Reply::Raw(head.into_bytes())
    });
    let error = host.client().get(&Route::sync("status")).await.unwrap_err();
    assert!(matches!(error, Error::Answered { status: 307, .. }), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn the_key_is_sent_and_blanked_where_the_host_repeats_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "s3cret").unwrap();
    let output = crate::output::Output::new(crate::output::Format::Human, true);
    let key = ApiKey::find(Some(&path), output).unwrap();
    let host = StandIn::start(|asked| {
        let message = format!("unknown key {}", asked.key.clone().unwrap());
        Reply::Json(401, json!({"message": message}))
    });
    let client = client(&host.url, key);
    let error = client
        .post(&Route::sync("pause"), &json!({}))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown key [redacted]"), "{error}");
    let asked = host.asked();
    assert_eq!(
        (
            asked[0].line.as_str(),
            asked[0].key.as_deref(),
            asked[0].body.as_str()
        ),
        ("POST /api/v1/sync/nexus/pause", Some("s3cret"), "{}")
    );
}

#[test]
fn an_address_holds_no_secret_and_is_not_repeated() {
    for text in [
        "nowhere",
        "ftp://h/",
        "http://",
        "http://user:s3cret@h/",
        "http://h/?key=s3cret",
        "unix:/run/x",
    ] {
        let error = address(text).unwrap_err();
        assert!(
            matches!(error, Error::Usage(_)) && !error.to_string().contains("s3cret"),
            "{error}"
        );
    }
    assert_eq!(client("http://h/proxied/", None).url(), "http://h/proxied");
    for (url, overheard) in [
        ("http://127.0.0.1:1", false),
        ("http://[::1]:1", false),
        ("http://localhost", false),
        ("https://example.org", false),
        ("http://example.org", true),
    ] {
        assert_eq!(client(url, None).is_overheard(), overheard, "{url}");
    }
}
