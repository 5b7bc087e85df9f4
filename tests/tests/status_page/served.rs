//! What is served, to whom, and that it refers to nothing else.

use std::process::Command;

use serde_json::json;
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::vectorizer::Vectorizer;

use crate::PAGE;
use crate::setup::{Setup, change_config};

/// An answer: its status, its headers by name, its body.
struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn get(url: &str, path: &str) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into();
    let answer = agent.get(format!("{url}{path}")).call().unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.into_body().read_to_string().unwrap(),
    }
}

/// What stands behind a mark, up to a quotation mark.
fn named<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    let parts = text.split(mark).skip(1);
    parts.filter_map(|rest| rest.split('"').next()).collect()
}

/// The page and all files that it leads to: name, type, text.
fn files(url: &str) -> Vec<(String, String, String)> {
    let mut wanted = vec![String::new()];
    let mut files: Vec<(String, String, String)> = Vec::new();
    while let Some(name) = wanted.pop() {
        if files.iter().any(|(known, ..)| *known == name) {
            continue;
        }
        let answer = get(url, &format!("{PAGE}{name}"));
        assert_eq!(answer.status, 200, "{name}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-cache"),
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.header(header), value, "{name}");
        }
        let marks = ["src=\"", "href=\"", "from \"./"];
        let leads_to = marks.iter().flat_map(|mark| named(&answer.body, mark));
        wanted.extend(leads_to.filter(|name| !name.starts_with('#')).map(str::to_owned));
        files.push((name, answer.header("content-type").to_owned(), answer.body));
    }
    files
}

#[test]
fn the_page_is_there_for_everybody_refers_to_nobody_else_and_makes_no_markup_of_texts() {
    let setup = Setup::new(Kind::Dev);
    change_config(&setup, |config| {
        config["server"]["api_key"] = json!("the-admin-key")
    });
    let (server, client) = setup.host();
    let moved = get(&server.url, "/admin/nexus");
    assert_eq!((moved.status, moved.header("location")), (308, "nexus/"));
    for path in ["/admin/nexus/nothing.js", "/admin/nexus/mod.rs", "/admin/nexus//"] {
        assert_eq!(get(&server.url, path).status, 404, "{path}");
    }
    assert_eq!(client.send("POST", PAGE, None).unwrap().0, 405);
    // It holds nothing; what it would ask for is not for everybody.
    assert_eq!(get(&server.url, "/api/v1/sync/nexus/status").status, 401);

    let files = files(&server.url);
    assert!(files.len() > 15, "{}", files.len());
    let node = Command::new("node").arg("--version").output().is_ok();
    if !node {
        eprintln!("notice: there is no node, so that scripts were not parsed");
    }
    for (name, kind, text) in &files {
        let wanted = match name.rsplit_once('.') {
            None => "text/html; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            Some(_) => panic!("{name} is of no known type"),
        };
        assert_eq!(kind, wanted, "{name}");
        // The name of drawings is the only thing that looks like an address.
        let rest = text.replace("\"http://www.w3.org/2000/svg\"", "");
        for mark in ["://", "\"//", "'//", "`//", "(//", "=//", "@import"] {
            assert!(!rest.contains(mark), "{name} has {mark}");
        }
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "localStorage",
            "document.cookie",
            " style=",
            " onclick=",
            "<script>",
            "<style",
        ] {
            assert!(!text.contains(word), "{name} has {word}");
        }
        if node && name.ends_with(".js") {
            let file = setup.folder.path().join("parsed.mjs");
            std::fs::write(&file, text).unwrap();
            let parsed = Command::new("node").arg("--check").arg(&file).output().unwrap();
            assert!(
                parsed.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&parsed.stderr)
            );
        }
    }
    // It is for people, so it is no part of the API.
    let client = Vectorizer::with_key(&server.url, "the-admin-key");
    let api = client
        .call("GET", "/api/v1/sync/nexus/openapi.json", None)
        .unwrap();
    assert!(
        api["paths"]
            .as_object()
            .unwrap()
            .keys()
            .all(|path| !path.starts_with("/admin/nexus"))
    );
    assert!(server.stop().unwrap().success());
}
