//! Who may ask for what, how often, and what is written down of those who may not.

use serde_json::{Value, json};
use vectorizer_plugin_nexus::audit_log;
use vectorizer_tests::nexus::Kind;

use crate::BASE;
use crate::setup::{Setup, change_config};

/// A request with or without credentials; the status, the error's type and whether it says when to come again.
fn ask(url: &str, method: &str, path: &str, key: Option<&str>) -> (u16, Value, bool) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}{path}"));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let answer = agent.run(request.body(String::new()).unwrap()).unwrap();
    let again = answer.headers().contains_key("retry-after");
    let (status, mut body) = (answer.status().as_u16(), answer.into_body());
    let body = serde_json::from_str(&body.read_to_string().unwrap()).unwrap_or_default();
    (status, body, again)
}

#[test]
fn every_route_answers_to_no_wrong_and_insufficient_credentials_as_it_should() {
    let setup = Setup::new(Kind::Dev);
    change_config(&setup, |config| {
        config["server"]["api_key"] = json!("the-admin-key");
        config["server"]["user_api_keys"] = json!(["the-user-key"]);
        config["nexus_integration"]["admin"] = json!({"reads_per_second": 0, "changes_per_second": 0});
    });
    let server = setup.host.start().unwrap();
    let (status, api, _) = ask(
        &server.url,
        "GET",
        &format!("{BASE}/openapi.json"),
        Some("the-user-key"),
    );
    assert_eq!(status, 200);
    assert_eq!(api["openapi"], "3.1.0");
    let mut seen = 0;
    for (path, operations) in api["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let path = path.replace("{collection}", "c").replace("{id}", "1");
            let asked = |key| {
                let (status, body, _) = ask(&server.url, &method, &path, key);
                (status, body["error_type"].as_str().unwrap_or_default().to_owned())
            };
            seen += 1;
            if operation["security"] == json!([]) {
                assert!(path.starts_with("/webhooks/"), "{path} is open to everybody");
                continue;
            }
            for key in [None, Some("a-wrong-key")] {
                assert_eq!(
                    asked(key),
                    (401, "unauthorized".to_owned()),
                    "{method} {path} {key:?}"
                );
            }
            let (status, error_type) = asked(Some("the-user-key"));
            let is_admins = operation["description"] == "For administrators.";
            assert!(
                is_admins || method == "GET" || path.starts_with("/api/v1/search/"),
                "{method} {path}"
            );
            if is_admins {
                assert_eq!(
                    (status, error_type.as_str()),
                    (403, "forbidden"),
                    "{method} {path}"
                );
            } else {
                assert!(![401, 403].contains(&status), "{method} {path}: {status}");
            }
        }
    }
    assert!(seen > 60, "{seen}");
    let (status, body, _) = ask(
        &server.url,
        "DELETE",
        &format!("{BASE}/status"),
        Some("the-admin-key"),
    );
    assert_eq!((status, &body["error_type"]), (405, &json!("method_not_allowed")));
    assert!(server.stop().unwrap().success());
}

#[test]
fn who_steers_too_often_is_told_when_to_come_again_and_others_are_not() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({"admin": {"reads_per_second": 5, "changes_per_second": 0}}),
    );
    change_config(&setup, |config| {
        config["server"]["api_key"] = json!("the-admin-key");
        config["server"]["user_api_keys"] = json!(["one-user-key", "other-user-key"]);
    });
    let server = setup.host.start().unwrap();
    let status = |key| ask(&server.url, "GET", &format!("{BASE}/status"), Some(key));
    let answers: Vec<_> = (0..30).map(|_| status("one-user-key")).collect();
    let (refused, body, again) = answers.iter().find(|(status, ..)| *status == 429).unwrap();
    assert_eq!(
        (*refused, &body["error_type"], *again),
        (429, &json!("rate_limited"), true),
        "{body}"
    );
    assert!(answers.iter().filter(|(status, ..)| *status == 200).count() >= 10);
    assert_eq!(status("other-user-key").0, 200);
    assert_eq!(status("the-admin-key").0, 200);
    assert!(server.stop().unwrap().success());
}

#[test]
fn denied_calls_refused_plugins_and_reloads_are_in_the_servers_audit_log() {
    let setup = Setup::new(Kind::Dev);
    change_config(&setup, |config| {
        config["server"]["api_key"] = json!("the-admin-key");
        config["server"]["user_api_keys"] = json!(["the-user-key"]);
    });
    std::fs::write(setup.host.plugin(), "no plugin").unwrap();
    let server = setup.host.start().unwrap();
    for key in [None, Some("a-wrong-key"), Some("the-user-key")] {
        assert!([401, 403].contains(&ask(&server.url, "GET", "/api/v1/plugins", key).0));
    }
    assert_eq!(
        ask(
            &server.url,
            "POST",
            "/api/v1/plugins/reload",
            Some("the-admin-key")
        )
        .0,
        200
    );
    assert!(server.stop().unwrap().success());
    let folder = setup.folder.path().join("data");
    audit_log::verify(&folder).unwrap();
    let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let told: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |action: &str| -> Vec<&Value> { told.iter().filter(|line| line["action"] == action).collect() };
    assert!(
        of("plugin.refused")[0]["details"]["reason"]
            .as_str()
            .unwrap()
            .contains("not a shared library")
    );
    let denied = of("call.denied");
    assert_eq!(denied.len(), 2, "{denied:?}");
    assert_eq!(
        (&denied[0]["actor"], &denied[0]["details"]["reason"]),
        (&json!("anonymous"), &json!("no known key"))
    );
    assert!(denied[1]["actor"].as_str().unwrap().starts_with("user-"));
    assert_eq!(denied[1]["details"]["last"]["path"], "/api/v1/plugins");
    assert_eq!(of("config.reloaded")[0]["actor"], "admin");
    assert_eq!((of("server.started").len(), of("server.stopped").len()), (1, 1));
    assert!(!text.contains("-key"), "{text}");
}
