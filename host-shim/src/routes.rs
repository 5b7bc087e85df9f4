//! The routes that plugins registered, and which of them a request is for.

use parking_lot::RwLock;
use vectorizer_plugin_api::{Access, Route};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Why a route cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    #[error("route {0}: the method must be one of GET, POST, PUT, PATCH, DELETE")]
    Method(String),
    #[error(
        "route {0}: the path must begin with '/', hold no empty segment but a last one, and name each {{parameter}}"
    )]
    Path(String),
    #[error("route {0} is taken by the plugin '{1}'")]
    Taken(String, String),
}

/// What the route table says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteMatch {
    /// No plugin has this path.
    NotFound,
    /// The path exists, with these methods.
    MethodNotAllowed(Vec<String>),
    /// This plugin answers.
    Found {
        /// The plugin's name.
        plugin: String,
        /// Who may call.
        access: Access,
    },
}

#[derive(Debug)]
struct Entry {
    plugin: String,
    route: Route,
}

/// All plugins' routes.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    entries: RwLock<Vec<Entry>>,
}

impl RouteTable {
    pub(crate) fn register(&self, plugin: &str, route: Route) -> Result<(), RouteError> {
        let shown = format!("{} {}", route.method, route.path);
        if !METHODS.contains(&route.method.as_str()) {
            return Err(RouteError::Method(shown));
        }
        if !is_path(&route.path) {
            return Err(RouteError::Path(shown));
        }
        let mut entries = self.entries.write();
        let same =
            |entry: &&Entry| entry.route.method == route.method && overlap(&entry.route.path, &route.path);
        if let Some(entry) = entries.iter().find(same) {
            return Err(RouteError::Taken(shown, entry.plugin.clone()));
        }
        entries.push(Entry {
            plugin: plugin.to_owned(),
            route,
        });
        Ok(())
    }

    /// Forgets the routes of a plugin that could not be created.
    pub(crate) fn withdraw(&self, plugin: &str) {
        self.entries.write().retain(|entry| entry.plugin != plugin);
    }

    pub(crate) fn find(&self, method: &str, path: &str) -> RouteMatch {
        let entries = self.entries.read();
        let mut methods = Vec::new();
        for entry in entries.iter().filter(|entry| matches(&entry.route.path, path)) {
            if entry.route.method == method {
                return RouteMatch::Found {
                    plugin: entry.plugin.clone(),
                    access: entry.route.access,
                };
            }
            methods.push(entry.route.method.clone());
        }
        match methods.is_empty() {
            true => RouteMatch::NotFound,
            false => RouteMatch::MethodNotAllowed(methods),
        }
    }

    pub(crate) fn all(&self) -> Vec<(String, Route)> {
        self.entries
            .read()
            .iter()
            .map(|entry| (entry.plugin.clone(), entry.route.clone()))
            .collect()
    }
}

fn is_parameter(segment: &str) -> bool {
    segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

/// Whether it can be registered. One slash at the end is allowed: `/a/` is another path than `/a`.
fn is_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.strip_suffix('/').unwrap_or(rest).split('/').all(|segment| {
            is_parameter(segment) || !segment.is_empty() && !segment.contains(['{', '}', '?', '#', '*', ' '])
        })
    })
}

/// Whether a registered path covers a request's path.
fn matches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || is_parameter(wanted) && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// Whether some request's path is covered by both.
fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(a), Some(b))
                if a == b || is_parameter(a) && !b.is_empty() || is_parameter(b) && !a.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RouteTable {
        let table = RouteTable::default();
        table
            .register("a", Route::new("GET", "/api/{id}/x", Access::User))
            .unwrap();
        table
            .register("a", Route::new("POST", "/api/{id}/x", Access::Admin))
            .unwrap();
        table
    }

    #[test]
    fn a_request_finds_its_route_by_method_and_segments() {
        let table = table();
        let found = |access| RouteMatch::Found {
            plugin: "a".into(),
            access,
        };
        assert_eq!(table.find("GET", "/api/7/x"), found(Access::User));
        assert_eq!(table.find("POST", "/api/7/x"), found(Access::Admin));
        let methods = ["GET", "POST"].map(str::to_owned).to_vec();
        assert_eq!(
            table.find("DELETE", "/api/7/x"),
            RouteMatch::MethodNotAllowed(methods)
        );
        for path in ["/api//x", "/api/7/x/", "/api/7", "/api/7/8/x", "", "/"] {
            assert_eq!(table.find("GET", path), RouteMatch::NotFound, "{path}");
        }
    }

    #[test]
    fn malformed_and_overlapping_routes_are_refused() {
        let table = table();
        let register = |method, path| table.register("b", Route::new(method, path, Access::Public));
        assert!(matches!(register("get", "/a"), Err(RouteError::Method(_))));
        for path in ["a", "/a//b", "/a/{}", "/a/{b", "/a/*", "/a?b", "/", "//", "/a//"] {
            assert!(
                matches!(register("GET", path), Err(RouteError::Path(_))),
                "{path}"
            );
        }
        assert!(matches!(register("GET", "/api/7/x"), Err(RouteError::Taken(_, plugin)) if plugin == "a"));
        register("DELETE", "/api/{id}/x").unwrap();
        table.withdraw("b");
        assert!(matches!(
            table.find("DELETE", "/api/1/x"),
            RouteMatch::MethodNotAllowed(_)
        ));
    }

    #[test]
    fn a_slash_at_the_end_makes_another_path() {
        let table = RouteTable::default();
        let register = |path| table.register("a", Route::new("GET", path, Access::Public));
        for path in ["/page", "/page/", "/page/{file}", "/page/{file}/"] {
            register(path).unwrap();
        }
        for path in ["/page", "/page/", "/page/x", "/page/x/"] {
            assert!(
                matches!(table.find("GET", path), RouteMatch::Found { .. }),
                "{path}"
            );
        }
        for path in ["/page//", "/page/x//", "/page//x"] {
            assert_eq!(table.find("GET", path), RouteMatch::NotFound, "{path}");
        }
        assert!(matches!(register("/page/"), Err(RouteError::Taken(..))));
        assert!(matches!(register("/page/app.js"), Err(RouteError::Taken(..))));
    }
}
