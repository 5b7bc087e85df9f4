//! Which documents a search may show: those that its reader may see, and that pass its filter.
//!
//! Invariant: a document that is not to be seen has no part in an answer whatever: it is no seed, no hit, no step of a path, and is in
//! no count.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::request::{Dates, Filter, Reader};
use crate::access::Access;
use crate::config::Config;
use crate::payload::{field, is_encrypted};

/// What decides for one search.
#[derive(Debug, Clone)]
pub(super) struct Visibility<'a> {
    pub(super) config: Arc<Config>,
    pub(super) reader: &'a Reader,
    /// `None`: any document will do.
    pub(super) filter: Option<&'a Filter>,
}

impl Visibility<'_> {
    /// Whether the reader may see a document with this payload.
    pub(super) fn shows_to_reader(&self, collection: &str, payload: Option<&JsonMap>) -> bool {
        self.is_visible(&Access::of(&self.config.permissions, collection, payload))
    }

    /// Whether a document with this payload is shown; its domains are the caller's to judge.
    pub(super) fn shows(&self, collection: &str, payload: Option<&JsonMap>) -> bool {
        self.shows_to_reader(collection, payload) && self.filter.is_none_or(|filter| passes(filter, payload))
    }

    /// Whether the reader may know of a collection at all.
    pub(super) fn shows_collection(&self, collection: &str) -> bool {
        self.is_visible(&Access::of(&self.config.permissions, collection, None))
    }

    fn is_visible(&self, access: &Access) -> bool {
        let of_tenant = access.tenant.is_none() || access.tenant == self.reader.tenant;
        let listed = access
            .principals
            .as_ref()
            .is_none_or(|listed| !listed.is_disjoint(&self.reader.principals));
        of_tenant && listed
    }
}

fn passes(filter: &Filter, payload: Option<&JsonMap>) -> bool {
    let asks = !(filter.doc_types.is_empty() && filter.properties.is_empty() && filter.dates.is_none());
    if !asks {
        return true;
    }
    // What cannot be read passes no question.
    let Some(payload) = payload.filter(|payload| !is_encrypted(payload)) else {
        return false;
    };
    let is_type = |value: &Value| value.as_str().is_some_and(|kind| filter.doc_types.contains(kind));
    let of_type = filter.doc_types.is_empty() || field(payload, "doc_type").is_some_and(is_type);
    of_type
        && filter
            .properties
            .iter()
            .all(|(name, wanted)| field(payload, name).is_some_and(|value| holds(value, wanted)))
        && filter
            .dates
            .as_ref()
            .is_none_or(|dates| field(payload, &dates.field).is_some_and(|value| is_within(dates, value)))
}

/// A list holds what one of its items is.
fn holds(value: &Value, wanted: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| holds(item, wanted)),
        Value::Number(_) => value.as_f64().is_some() && value.as_f64() == wanted.as_f64(),
        value => value == wanted,
    }
}

fn is_within(dates: &Dates, value: &Value) -> bool {
    let Some(at) = value.as_str().and_then(moment) else {
        return false;
    };
    dates.from.is_none_or(|from| from <= at) && dates.to.is_none_or(|to| at <= to)
}

/// A time, or the beginning of a day, in UTC where no zone is said.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let local: DateTime = text
        .parse()
        .or_else(|_| text.parse::<Date>().map(DateTime::from))
        .ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::request::Search;
    use super::*;
    use crate::config::PermissionsMode;

    fn shows(mode: PermissionsMode, search: &Value, collection: &str, payload: &Value) -> bool {
        let mut body = json!({"text": "x", "collections": ["c"]});
        for (name, value) in search.as_object().unwrap() {
            body[name] = value.clone();
        }
        let search = Search::parse(body.to_string().as_bytes(), true).unwrap();
        let section =
            json!({"nexus_url": "http://h", "permissions": {"tenants": ["user_{tenant}:"], "mode": mode}});
        let visibility = Visibility {
            config: Arc::new(Config::from_section(section).unwrap()),
            reader: &search.reader,
            filter: Some(&search.filter),
        };
        visibility.shows(collection, payload.as_object())
    }

    #[test]
    fn a_restricted_document_is_shown_to_those_it_names_only() {
        let hr = json!({"acl": ["hr", "board"]});
        for mode in [PermissionsMode::Filter, PermissionsMode::Isolate] {
            assert!(!shows(mode, &json!({}), "c", &hr));
            assert!(!shows(mode, &json!({"principals": ["sales"]}), "c", &hr));
            assert!(shows(mode, &json!({"principals": ["sales", "hr"]}), "c", &hr));
            assert!(shows(mode, &json!({}), "c", &json!({})));
            assert!(!shows(
                mode,
                &json!({"principals": ["hr"]}),
                "c",
                &json!({"acl": []})
            ));
            assert!(!shows(mode, &json!({}), "user_ann:notes", &json!({})));
            assert!(!shows(
                mode,
                &json!({"tenant": "bob"}),
                "user_ann:notes",
                &json!({})
            ));
            assert!(shows(
                mode,
                &json!({"tenant": "ann"}),
                "user_ann:notes",
                &json!({})
            ));
        }
        assert!(shows(PermissionsMode::Ignore, &json!({}), "c", &hr));
    }

    #[test]
    fn filters_ask_for_types_properties_and_dates() {
        let payload = json!({"doc_type": "lease", "tags": ["a", 7], "metadata": {"signed": "2026-03-01"}});
        let passes =
            |filter: Value| shows(PermissionsMode::Ignore, &json!({"filter": filter}), "c", &payload);
        for filter in [
            json!({}),
            json!({"doc_types": ["lease", "note"]}),
            json!({"properties": {"tags": "a"}}),
            json!({"properties": {"tags": 7.0, "doc_type": "lease"}}),
            json!({"dates": {"field": "signed", "from": "2026-03-01T00:00:00Z"}}),
            json!({"dates": {"field": "signed", "to": "2026-03-01T00:00:00Z"}}),
        ] {
            assert!(passes(filter.clone()), "{filter}");
        }
        for filter in [
            json!({"doc_types": ["note"]}),
            json!({"properties": {"tags": "b"}}),
            json!({"properties": {"missing": true}}),
            json!({"dates": {"field": "signed", "from": "2026-03-01T00:00:01Z"}}),
            json!({"dates": {"field": "doc_type"}}),
        ] {
            assert!(!passes(filter.clone()), "{filter}");
        }
    }

    #[test]
    fn an_encrypted_document_passes_no_question_about_its_content() {
        let sealed = json!({"nonce": "a", "tag": "b", "encrypted_data": "c", "ephemeral_public_key": "d", "doc_type": "lease"});
        let shown = |filter: Value| shows(PermissionsMode::Ignore, &json!({"filter": filter}), "c", &sealed);
        assert!(shown(json!({})));
        assert!(!shown(json!({"doc_types": ["lease"]})));
    }

    #[test]
    fn moments_are_read_as_writers_put_them() {
        for text in [
            "2026-03-01",
            "2026-03-01T00:00:00",
            "2026-03-01T00:00:00Z",
            " 2026-03-01T01:00:00+01:00 ",
        ] {
            assert_eq!(
                moment(text).unwrap().to_string(),
                "2026-03-01T00:00:00Z",
                "{text}"
            );
        }
        assert_eq!(moment("soon"), None);
    }
}
