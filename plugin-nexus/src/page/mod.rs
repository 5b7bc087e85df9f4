//! The status page at `/admin/nexus/`: what the operator sees in a browser.
//!
//! Invariants:
//! - the page holds neither data nor secrets, so anybody may load it; what it shows it asks the API for, with the key that its
//!   visitor enters;
//! - it is built into the plugin and refers to no other host, and its policy lets a browser run nothing else and ask nobody else;
//! - it is served as it stands in this folder: no build makes it, and any file of it can be read as it is.

use vectorizer_plugin_api::Response;

use crate::api::Endpoint;

/// Where the page is. Its other files are beside it.
const PAGE: &str = "/admin/nexus/";
/// The page without the slash, from which its other files would not be found.
const WITHOUT_SLASH: &str = "/admin/nexus";
/// From there to the page. It is relative, so that it is right behind a proxy that adds to the path, too.
const TO_PAGE: &str = "nexus/";

/// What a browser may do with the page: run and show what is beside it, and ask the server that it came from.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! file {
    ($name:literal, $kind:ident) => {
        ($name, $kind, include_str!($name))
    };
}

/// The files beside the page: name, type, text.
const FILES: &[(&str, &str, &str)] = &[
    file!("style.css", CSS),
    file!("icon.svg", SVG),
    file!("app.js", JS),
    file!("api.js", JS),
    file!("access.js", JS),
    file!("actions.js", JS),
    file!("capabilities.js", JS),
    file!("chart.js", JS),
    file!("collections.js", JS),
    file!("dead_letters.js", JS),
    file!("dialog.js", JS),
    file!("dom.js", JS),
    file!("explorer.js", JS),
    file!("format.js", JS),
    file!("graph.js", JS),
    file!("jobs.js", JS),
    file!("notices.js", JS),
    file!("overview.js", JS),
    file!("series.js", JS),
    file!("settings.js", JS),
];

/// The page, its files, and the way to it.
pub(crate) fn endpoints() -> impl Iterator<Item = Endpoint> {
    let page = Endpoint::file(PAGE, answer(200, HTML, include_str!("index.html")));
    let beside = FILES
        .iter()
        .map(|(name, kind, text)| Endpoint::file(&format!("{PAGE}{name}"), answer(200, kind, text)));
    [moved(), page].into_iter().chain(beside)
}

fn moved() -> Endpoint {
    let mut response = answer(308, "text/plain; charset=utf-8", "The page is at nexus/\n");
    response.headers.push(("location".to_owned(), TO_PAGE.to_owned()));
    Endpoint::file(WITHOUT_SLASH, response)
}

fn answer(status: u16, kind: &str, text: &str) -> Response {
    let headers = [
        ("content-type", kind),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        // Another version of the plugin has another page.
        ("cache-control", "no-cache"),
    ];
    Response {
        status,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: text.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served_and_what_the_files_name_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page");
        let served: BTreeSet<String> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "mod.rs" && name != "index.html")
            .collect();
        assert_eq!(served, there);
        for (file, _, text) in FILES {
            let named = text
                .split("from \"./")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            for name in named {
                assert!(served.contains(name), "{file} imports {name}");
            }
        }
        let page = include_str!("index.html");
        for mark in ["src=\"", "href=\""] {
            let named = page.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
            for name in named.filter(|name| !name.starts_with('#')) {
                assert!(served.contains(name), "the page refers to {name}");
            }
        }
    }
}
