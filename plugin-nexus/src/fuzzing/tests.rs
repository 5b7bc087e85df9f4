//! The properties on every machine, with generated input. Those that tests next to the code hold already are left to them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{config, journal, key, nexus, outbound, record, search};
use crate::graph::RecordShape;
use crate::graph::record::JsonMap;
use crate::journal::{CheckedServer, DocumentId, DocumentState, EdgeState};

/// Pieces of one language in any order: nearer to what a parser takes than arbitrary text.
fn pieces(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(of), 0..24).prop_map(|pieces| pieces.concat())
}

/// A good text, cut or with something else in one place.
fn nearly(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    (
        prop::sample::select(of),
        any::<prop::sample::Index>(),
        0..3_usize,
        ".{0,4}",
    )
        .prop_map(|(text, at, removed, added)| {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, added.chars());
            characters.into_iter().collect()
        })
}

const ANSWERS: &[&str] = &[
    r#"{"columns":["k","n"],"rows":[["a",1],["b",null]],"notifications":[]}"#,
    r#"{"columns":[],"rows":[],"error":"Parse error: x"}"#,
    r#"{"columns":["n"],"rows":[[1]],"error":{"code":"x"}}"#,
    r#"{"version":"2.5.0","uptime_seconds":4}"#,
    r#"{"catalog":{"label_count":1,"node_count":2,"rel_count":3}}"#,
    r#"{"labels":[{"name":"Document","id":0}]}"#,
    r#"[["n"],[[1]],null,null]"#,
    r#"["2.5.0",18446744073709551615]"#,
];

const CONFIGS: &[&str] = &[
    r#"{"nexus_url":"http://h","sync":{"batch_size":5},"collections":[{"name":"c"}]} "#,
    r#"{"nexus_url":"https://h:1/x","connection":{"ca_file":"x"},"similarity":{"threshold":{"dot":0.5}}} "#,
    r#"{"nexus_url":"http://h","sync":{"retry_delay_ms":20000},"verify":{"sample":1.0}} "#,
    r#"{"nexus_url":"http://h","collections":[{"name":"c","similarity":{"threshold":-1,"top_k":3}},{"name":"c"}]} "#,
    r#"{"nexus_url":"http://h","sync":{"batch\nsize":5}} "#,
];

const SEARCHES: &[&str] = &[
    r#"{"text":"a b","collections":["c"],"limit":5,"weights":{"lexical":2,"graph":0}} "#,
    r#"{"vector":[1,-0.5],"collections":["c","d"],"fusion":{"method":"rrf","k":60},"explain":true} "#,
    r#"{"document":{"collection":"c","id":"1"},"graph":{"types":["CITES"],"hops":3,"seeds":50}} "#,
    r#"{"text":"x","collections":["c"],"filter":{"properties":{"a":1},"dates":{"field":"d","from":"2026-01-01T00:00:00Z"}}} "#,
    r#"{"text":"x","domains":["legal"],"domain_weights":{"legal":2},"results":"grouped","min_per_domain":3} "#,
];

const QUERIES: &[&str] = &[
    "types=CITES,USES&hops=3&limit=10&principals=a,b&tenant=t",
    "to_collection=c&to_id=a%2Fb&budget_ms=100&hops=6",
];

const KEYS: &[&str] = &[
    "a",
    "c1",
    "/",
    "%2F",
    "%41",
    "%",
    "~sha256:",
    "0123456789abcdef0123456789abcdef",
    "'",
    "\\",
    "é",
    "~",
    "0000000000000001-000096",
    "-",
    "+1",
];

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
        Just(json!([0.1, [], {"a": -0.0}])),
    ]
}

fn state() -> impl Strategy<Value = DocumentState> {
    let edge = (".{0,8}", any::<u64>(), any::<f32>()).prop_map(|(target, target_born, score)| EdgeState {
        target,
        target_born,
        score,
    });
    let shape = (any::<u32>(), prop::collection::btree_set(".{0,8}", 0..4))
        .prop_map(|(width, names)| RecordShape { width, names });
    let numbers = any::<(Option<u32>, Option<u32>, u64, u64, u128, u64, Option<u64>)>();
    (numbers, shape, prop::collection::vec(edge, 0..4)).prop_map(|(numbers, shape, edges)| {
        let (epoch, edges_epoch, rev, born, fingerprint, copy_rules, vector) = numbers;
        DocumentState {
            access: 0,
            content: 0,
            epoch,
            edges_epoch,
            rev,
            born,
            fingerprint,
            copy_rules,
            vector,
            shape,
            edges,
        }
    })
}

/// A stored key of any kind, sound or not.
fn stored_key() -> impl Strategy<Value = Vec<u8>> {
    const META: &[&str] = &[
        "mformat",
        "mepoch",
        "mclean",
        "minstallation",
        "mserver",
        "mcanary",
        "mretracted",
    ];
    prop_oneof![
        prop::sample::select(META).prop_map(|name| name.as_bytes().to_vec()),
        (prop::sample::select(b"hsr".as_slice()), "[ab]{0,2}", "[ab]{0,2}").prop_map(
            |(kind, collection, id)| {
                [
                    &[kind, 0, collection.len() as u8],
                    collection.as_bytes(),
                    id.as_bytes(),
                ]
                .concat()
            }
        ),
        (prop::sample::select(b"hsrmougn".as_slice()), any::<Vec<u8>>()).prop_map(|(kind, rest)| [
            &[kind],
            rest.as_slice()
        ]
        .concat()),
    ]
}

proptest! {
    #[test]
    fn a_key_names_one_document_and_changes_no_statement(
        names in prop::array::uniform4(prop_oneof![pieces(KEYS), ".{0,200}"]),
    ) {
        let [collection, id, other, other_id] = &names;
        key::documents((collection, id), (other, other_id));
        key::documents((collection, id), (collection, id));
    }

    #[test]
    fn a_text_is_a_key_only_where_it_is_printed_so(text in prop_oneof![pieces(KEYS), "[0-9]{1,20}-[0-9]{1,6}", ".{0,40}"]) {
        key::text(&text);
    }

    #[test]
    fn no_edge_is_stored_in_another_width_than_its_types(
        values in prop::collection::vec(value(), 3),
        active: bool,
    ) {
        for kind in crate::graph::schema::EdgeType::ALL {
            let names = kind.properties().iter().map(|name| (*name).to_owned());
            record::edge(&names.zip(values.clone()).collect::<JsonMap>(), active);
        }
    }

    #[test]
    fn an_answer_is_complete_or_refused(
        text in prop_oneof![nearly(ANSWERS), pieces(&["{", "}", "[", "]", ",", ":", "\"rows\"", "\"columns\"", "\"error\"", "1", "\"a\""])],
        secrets in prop::collection::vec((any::<prop::sample::Index>(), 254_u8..), 0..3),
        cut: usize,
    ) {
        let mut body = text.into_bytes();
        for (at, byte) in secrets {
            body.insert(at.index(body.len() + 1), byte);
        }
        nexus::answer(&body, cut);
    }

    #[test]
    fn each_failure_has_one_class_and_is_told_in_one_line(
        status in prop_oneof![100_u16..600, any::<u16>()],
        retry_after in prop_oneof![any::<u64>().prop_map(|n| n.to_string()), "[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT", ".{0,20}"],
        text in prop_oneof![pieces(&["Execution error: ", "Parse error:", "Storage error:", "{\"error\":\"", "\"}", "\n", "\u{2028}", "x"]), ".{0,400}"],
    ) {
        nexus::status(status, retry_after.as_bytes(), &text);
        nexus::message(&text);
    }

    #[test]
    fn a_configuration_is_in_range_or_refused_by_name(
        text in prop_oneof![nearly(CONFIGS), pieces(&["{", "}", "[", "]", ",", ":", "\"nexus_url\"", "\"http://h\"", "\"sync\"", "0", "\"x\""])],
    ) {
        config::text(&text);
    }

    #[test]
    fn a_configuration_that_is_refused_shows_no_credentials(
        scheme in "https?:|ftp:|[a-z:]{0,4}",
        names in prop::array::uniform2("[a-z@:/%\\[\\]]{0,4}"),
        rest in "[a-z.]{0,3}(:[0-9]{1,6})?|\\[[0-9:]{0,4}\\]?|.{0,8}",
    ) {
        config::credentials(&scheme, &names[0], &names[1], &rest);
    }
}

proptest! {
    #[test]
    fn no_url_leads_to_where_only_the_server_reaches(
        scheme in "https?|ftp|",
        host in "[0-9a-fx.:%\\[\\]]{1,20}|\\[::(ffff:)?[0-9.]{1,12}\\]|localhost|[a-z.]{1,8}",
        rest in "(:[0-9]{1,5})?(/[a-z@#?:]{0,6})?",
        allow_http: bool,
    ) {
        outbound::url(&format!("{scheme}://{host}{rest}"), allow_http);
        outbound::file(host.as_bytes());
    }

    #[test]
    fn any_search_is_bounded_or_refused_by_its_field(body in nearly(SEARCHES), query in nearly(QUERIES), pieces in pieces(SEARCHES)) {
        search::body(body.as_bytes());
        search::body(pieces.as_bytes());
        search::query(&query);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_lies_in_the_journal_is_read_or_found_damaged(
        runs in prop::collection::vec(prop::collection::vec((stored_key(), any::<Vec<u8>>()), 0..8), 1..16),
    ) {
        let scratch = journal::Scratch::default();
        for entries in runs {
            journal::stored(&scratch, entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
        }
    }

    #[test]
    fn what_the_journal_was_given_reads_back(
        names in prop::array::uniform4("[ab\\x00\u{ff}]{0,3}"),
        hint: (u8, u64),
        state in state(),
        server: (String, Option<i64>, u64),
        canary: u64,
    ) {
        let [collection, id, other, other_id] = names;
        let (version, started_millis, unreadable) = server;
        let server = CheckedServer { version, started_millis, unreadable };
        let document = DocumentId::new(collection, id);
        let other = DocumentId::new(other, other_id);
        journal::round_trip(&journal::Scratch::default(), &document, &other, hint, &state, &server, canary);
    }
}
