//! Whoever may use Vectorizer may use what is served beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use serde_json::json;
use vectorizer_host::auth::{Access, Caller, require_admin, require_user};

use crate::front::Front;
use crate::stand_in::{Answer, Asked, StandIn};

/// Two routes that say who asks.
fn beside(access: &Access) -> Router {
    let who = || get(|caller: Caller| async move { format!("{:?} {}", caller.role, caller.name) });
    let admin = Router::new()
        .route("/beside/admin", who())
        .route_layer(from_fn_with_state(access.clone(), require_admin));
    Router::new()
        .route("/beside/user", who())
        .route_layer(from_fn_with_state(access.clone(), require_user))
        .merge(admin)
}

fn ask(front: &Front, path: &str, header: (&str, &str)) -> (u16, String) {
    let mut answer = ureq::get(format!("http://{}{path}", front.address))
        .header(header.0, header.1)
        .config()
        .http_status_as_error(false)
        .build()
        .call()
        .unwrap();
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}

fn vectorizer(asked: &Asked) -> Option<Answer> {
    if !asked.is("GET", "/auth/me") {
        return None;
    }
    let given = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let (name, roles) = match (given("authorization"), given("x-api-key")) {
        (Some("Bearer root"), _) => ("root", json!(["Admin"])),
        (_, Some("key")) => ("reader", json!(["ApiUser"])),
        _ => {
            return Some(Answer::Json(
                401,
                json!({"error": "unauthorized", "message": "who?"}),
            ));
        }
    };
    Some(Answer::Json(
        200,
        json!({"user_id": "1", "username": name, "roles": roles}),
    ))
}

#[test]
fn callers_are_whom_vectorizer_knows_them_as() {
    let server = StandIn::start();
    let front = Front::with(server.address, &json!({}), beside);
    server.answers(vectorizer);
    let root = ("authorization", "Bearer root");
    let reader = ("x-api-key", "key");
    assert_eq!(ask(&front, "/beside/admin", root), (200, "Admin root".to_owned()));
    assert_eq!(
        ask(&front, "/beside/user", reader),
        (200, "User reader".to_owned())
    );
    assert_eq!(ask(&front, "/beside/admin", reader).0, 403);
    for nobody in [
        ("x-api-key", "other"),
        ("cookie", "session=root"),
        ("x-nothing", ""),
    ] {
        assert_eq!(ask(&front, "/beside/user", nobody).0, 401, "{nobody:?}");
    }
}

#[test]
fn a_caller_is_not_asked_about_each_time() {
    let server = StandIn::start();
    let front = Front::with(server.address, &json!({}), beside);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    server.answers(move |asked| {
        let answer = vectorizer(asked)?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    });
    for _ in 0..5 {
        assert_eq!(ask(&front, "/beside/user", ("x-api-key", "key")).0, 200);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn keys_of_its_own_count_first_and_a_vectorizer_without_users_opens_nothing_that_has_keys() {
    let server = StandIn::start();
    let keys = json!({"api_key": "own"});
    let front = Front::unready(server.address, &json!({}), &keys, beside);
    assert_eq!(
        ask(&front, "/beside/admin", ("x-api-key", "own")),
        (200, "Admin admin".to_owned())
    );
    assert_eq!(
        ask(&front, "/beside/user", ("x-api-key", "other")).0,
        401,
        "it has no users"
    );
    let open = Front::unready(server.address, &json!({}), &json!({}), beside);
    assert_eq!(
        ask(&open, "/beside/admin", ("x-api-key", "any")),
        (200, "Admin local".to_owned())
    );
}

#[test]
fn a_vectorizer_that_cannot_be_asked_lets_nobody_in() {
    let server = StandIn::start();
    let front = Front::with(server.address, &json!({}), beside);
    server.answers(|asked| asked.is("GET", "/auth/me").then(|| Answer::Json(500, json!({}))));
    let refused = ask(&front, "/beside/user", ("x-api-key", "key")).0;
    assert_eq!(refused, 502, "nobody is told that good credentials are bad");
}
