//! Writes by every route reach the graph.

use serde_json::{Value, json};

use crate::Rig;
use crate::setup::vector;

fn insert(rig: &Rig, ids: &[&str]) {
    let documents: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| {
            (
                (*id).to_owned(),
                vector(n),
                json!({"title": format!("title of {id}")}),
            )
        })
        .collect();
    rig.client.insert("c", &documents).unwrap();
}

fn call(rig: &Rig, method: &str, path: &str, body: Value) -> Value {
    let body = if body.is_null() { None } else { Some(&body) };
    rig.client.call(method, path, body).unwrap()
}

fn title(rig: &Rig, collection: &str, id: &str) -> Option<String> {
    let nodes = rig.setup.graph().documents().unwrap();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    nodes
        .into_iter()
        .find(|node| {
            text(node.properties.get("collection")) == collection
                && text(node.properties.get("vector_id")) == id
        })
        .map(|node| text(node.properties.get("title")))
}

fn wait_for_title(rig: &Rig, id: &str, wanted: &str) {
    let mut last = None;
    let reached = vectorizer_tests::process::wait_until("the title is there", crate::setup::PATIENCE, || {
        last = title(rig, "c", id);
        Ok(last.as_deref() == Some(wanted))
    });
    assert!(reached.is_ok(), "{id}: {last:?} instead of {wanted:?}");
}

#[test]
fn vectors_and_points_that_come_change_and_go() {
    Rig::each(|rig| {
        rig.client.create("c", crate::setup::DIMENSION, "Cosine").unwrap();
        insert(rig, &["a", "b", "c/ä", "d", "e", "f"]);
        rig.wait_for_nodes("c", &["a", "b", "c/ä", "d", "e", "f"]);

        let point = |id: Value, n: usize, title: &str| json!({"id": id, "vector": vector(n), "payload": {"title": title}});
        let points = json!({"points": [point("q".into(), 7, "Q"), point(7.into(), 8, "seven"), point("b".into(), 9, "new b")]});
        call(rig, "PUT", "/qdrant/collections/c/points", points);
        rig.wait_for_nodes("c", &["7", "a", "b", "c/ä", "d", "e", "f", "q"]);
        wait_for_title(rig, "b", "new b");

        let update = json!({"collection": "c", "updates": [{"id": "a", "payload": {"title": "new a"}}]});
        call(rig, "POST", "/batch_update", update);
        wait_for_title(rig, "a", "new a");

        let filter = json!({"must": [{"type": "match", "key": "title", "match_value": "new a"}]});
        let patch = json!({"filter": filter, "patch": {"title": "patched"}});
        call(rig, "POST", "/collections/c/vectors/bulk_update_metadata", patch);
        wait_for_title(rig, "a", "patched");

        call(
            rig,
            "POST",
            "/batch_delete",
            json!({"collection": "c", "ids": ["d", "never"]}),
        );
        call(rig, "DELETE", "/collections/c/vectors/c%2F%C3%A4", Value::Null);
        call(
            rig,
            "POST",
            "/qdrant/collections/c/points/delete",
            json!({"points": ["e", 7]}),
        );
        let filter = json!({"must": [{"type": "match", "key": "title", "match_value": "patched"}]});
        call(
            rig,
            "POST",
            "/collections/c/vectors/delete_by_filter",
            json!({"filter": filter}),
        );
        rig.wait_for_nodes("c", &["b", "f", "q"]);
        rig.assert_equal_in_the_end(3);
    });
}

#[test]
fn texts_short_long_and_many() {
    Rig::each(|rig| {
        let long: String = (0..120)
            .map(|n| format!("Sentence {n} talks about contracts. "))
            .collect();
        let text = |id: &str, text: &str| json!({"id": id, "text": text, "metadata": {"title": id}});
        let mut one = text("short", "a short text");
        one["collection"] = "texts".into();
        call(rig, "POST", "/insert", one);
        let mut chunked = text("long", &long);
        chunked["collection"] = "texts".into();
        let ids = call(rig, "POST", "/insert", chunked)["vector_ids"].clone();
        let chunks = ids.as_array().unwrap().len();
        assert!(chunks > 1, "{ids}");
        for (path, id) in [("/insert_texts", "x1"), ("/batch_insert", "x2")] {
            let texts =
                json!({"collection": "texts", "texts": [text(id, "one text"), text("bad#id", "two")]});
            call(rig, "POST", path, texts);
        }
        let mut wanted: Vec<String> = ["short", "x1", "x2"].map(str::to_owned).into();
        wanted.extend(
            ids.as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_str().unwrap().to_owned()),
        );
        wanted.sort();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        rig.wait_for_nodes("texts", &wanted);
    });
}

#[test]
fn commands_of_graphql_and_mcp_and_uploads() {
    Rig::each(|rig| {
        if !rig.is_real() {
            return;
        }
        rig.client.create("c", crate::setup::DIMENSION, "Cosine").unwrap();
        insert(rig, &["a", "b"]);
        rig.wait_for_nodes("c", &["a", "b"]);
        let mutation =
            json!({"query": "mutation { deleteVector(collection: \"c\", id: \"b\") { success } }"});
        let answer = call(rig, "POST", "/graphql", mutation);
        assert!(answer.get("errors").is_none(), "{answer}");
        rig.wait_for_nodes("c", &["a"]);

        let boundary = "x-boundary-x";
        let text = "A contract about bees. ".repeat(20);
        let upload = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"collection_name\"\r\n\r\nfiles\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"bees.txt\"\r\n\
             Content-Type: text/plain\r\n\r\n{text}\r\n--{boundary}--\r\n"
        );
        let host = rig.host.as_ref().unwrap();
        let mut answer = ureq::post(format!("{}/files/upload", host.url))
            .header(
                "content-type",
                format!("multipart/form-data; boundary={boundary}"),
            )
            .send(upload.as_bytes())
            .unwrap();
        let answer: Value = answer.body_mut().read_json().unwrap();
        assert_eq!(answer["collection_name"], "files", "{answer}");
        let mut found = 0;
        let reached =
            vectorizer_tests::process::wait_until("the file is there", crate::setup::PATIENCE, || {
                found = rig.nodes("files").len();
                Ok(found as u64 == answer["vectors_created"].as_u64().unwrap_or_default())
            });
        assert!(reached.is_ok() && found > 0, "{found} of {answer}");
    });
}
