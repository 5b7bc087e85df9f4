//! Records: nothing that a document or an edge may hold makes a stored record shorter.

use serde_json::Value;

use crate::graph::record::{
    ACTIVE, EDGE_PAD, EdgeRecord, JsonMap, KEY, NODE_STEP, NodeRecord, PAD, RecordShape, width_of,
};
use crate::graph::schema::EdgeType;

/// The key of the node whose history is told.
const NODE: &str = "c/1";

/// One node through its life. Each step is what the node shall hold, and whether its shape has been forgotten and is read
/// back first. A step that is refused changes nothing. Answers how many were not.
pub fn history<'a>(steps: impl IntoIterator<Item = (&'a JsonMap, bool)>) -> usize {
    let mut written = 0;
    let mut server = JsonMap::new();
    let mut shape: Option<RecordShape> = None;
    for (desired, forgotten) in steps {
        if forgotten && shape.is_some() {
            shape = Some(RecordShape::of_stored(&server, |_| true).unwrap());
        }
        let Ok(record) = NodeRecord::build(NODE, desired, shape.as_ref()) else {
            continue;
        };
        let before = printed(&server);
        server.insert(KEY.to_owned(), NODE.into());
        merge(&mut server, record.props());
        let now = printed(&server);
        assert!(now >= before || before == 2, "{before} bytes became {now}");
        assert_eq!(now % NODE_STEP as usize, 0);
        assert_eq!(now, record.shape().width as usize);
        assert_eq!(width_of(&server), now as u64);
        // The server reads and prints the whole record on every update.
        let reread: JsonMap = serde_json::from_slice(&serde_json::to_vec(&server).unwrap()).unwrap();
        assert_eq!(printed(&reread), now);
        let wanted = desired.iter().filter(|(_, value)| !value.is_null());
        let mut wanted: Vec<_> = wanted.map(|(name, _)| name.as_str()).chain([KEY, PAD]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut held: Vec<_> = server.keys().map(String::as_str).collect();
        held.sort_unstable();
        assert_eq!(held, wanted);
        shape = Some(record.shape().clone());
        written += 1;
    }
    written
}

/// Whatever an edge holds, its stored record has the width of its type, or is refused.
pub fn edge(values: &JsonMap, active: bool) {
    for kind in EdgeType::ALL {
        let Ok(record) = EdgeRecord::build(kind, values, active) else {
            continue;
        };
        let mut server = JsonMap::new();
        merge(&mut server, record.props());
        assert_eq!(printed(&server), kind.width() as usize, "{}", kind.name());
        assert_eq!(server.len(), kind.properties().len() + 2);
        assert!(server.get(ACTIVE) == Some(&u8::from(active).into()) && server.contains_key(EDGE_PAD));
        let reread: JsonMap = serde_json::from_slice(&serde_json::to_vec(&server).unwrap()).unwrap();
        assert_eq!(printed(&reread), kind.width() as usize, "{}", kind.name());
    }
}

/// What the server does to a record: it keeps no nulls.
fn merge(server: &mut JsonMap, props: &JsonMap) {
    for (name, value) in props {
        if value.is_null() {
            server.remove(name);
        } else {
            server.insert(name.clone(), Value::clone(value));
        }
    }
}

fn printed(server: &JsonMap) -> usize {
    serde_json::to_vec(server).unwrap().len()
}
