//! `/admin/sync/domains`: which domains there are and what was learned from labelled documents; `.../train`: learn again.

use serde_json::{Value, json};
use vectorizer_plugin_api::Request;

use super::AdminError;
use crate::sync::Context;

const SHOW: &str = "/admin/sync/domains";
const TRAIN: &str = "/admin/sync/domains/train";

pub(super) const ROUTES: [(&str, &str); 2] = [("GET", SHOW), ("POST", TRAIN)];

pub(super) fn respond(context: &Context, request: &Request) -> Option<Result<(u16, Value), AdminError>> {
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("GET", SHOW) => Ok((200, show(context))),
        ("POST", TRAIN) => train(context),
        _ => return None,
    })
}

fn show(context: &Context) -> Value {
    json!({
        "domains": context.deriver.domain_tree(),
        "label_field": context.config.domains.label_field,
        "lesson": context.learning.last(),
    })
}

fn train(context: &Context) -> Result<(u16, Value), AdminError> {
    if !context.config.domains.enabled || context.config.domains.label_field.is_none() {
        return Err(AdminError::Conflict(
            "domains.label_field is not configured, so no document is labelled".to_owned(),
        ));
    }
    context.learning.ask();
    Ok((202, json!({"state": "asked"})))
}
