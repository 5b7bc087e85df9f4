use std::thread;

use vectorizer_plugin_api::model::{CollectionEvent, Op};

use super::*;

/// What was told, in a line each.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl MutationObserver for Told {
    fn changed(&self, collection: &str, op: Op, ids: &[&str]) {
        self.0
            .lock()
            .push(format!("{op:?} {collection} {}", ids.join(",")));
    }

    fn collection(&self, event: CollectionEvent<'_>) {
        self.0.lock().push(format!("{event:?}"));
    }
}

const SETTLE: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(30);

struct Bench {
    catalogue: Arc<Catalogue>,
    told: Arc<Told>,
    begin: Instant,
}

impl Bench {
    /// Settled with these collections.
    fn with(names: &[&str]) -> Self {
        let bench = Self::unsettled();
        bench.list(0, listing(names));
        assert_eq!(bench.list(5, listing(names)), Outcome::Settled);
        assert_eq!(bench.told(), [""; 0], "what is there at first is nothing new");
        bench
    }

    fn unsettled() -> Self {
        let told = Arc::new(Told::default());
        let observer: Arc<dyn MutationObserver> = Arc::clone(&told) as _;
        Self {
            catalogue: Arc::new(Catalogue::new(observer, SETTLE)),
            told,
            begin: Instant::now(),
        }
    }

    /// A listing of its own, after so many seconds.
    fn list(&self, seconds: u64, listing: Listing) -> Outcome {
        let look = self.catalogue.look(Duration::ZERO).unwrap();
        self.catalogue
            .listed(look.began, listing, self.begin + Duration::from_secs(seconds))
    }

    /// When a list began that comes later.
    fn begun(&self) -> u64 {
        self.catalogue.state.lock().tick()
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.0.lock())
    }

    fn begin(&self, scope: Scope) -> Write {
        self.catalogue.begin(scope)
    }

    fn refusal(&self, name: &str) -> &'static str {
        match self.catalogue.visit(name) {
            Ok(_) => "",
            Err(StoreError::CollectionNotFound(_)) => "not found",
            Err(StoreError::Unavailable(_)) => "unavailable",
            Err(StoreError::Invalid(_)) => "invalid",
        }
    }
}

fn version(count: u64, written: u32) -> Version {
    Version {
        count,
        created_at: "then".to_owned(),
        updated_at: written.to_string(),
    }
}

fn listed(name: &str, version: Version) -> Listed {
    Listed {
        name: name.to_owned(),
        dimension: 4,
        metric: Metric::Cosine,
        version,
    }
}

fn listing(names: &[&str]) -> Listing {
    Listing {
        collections: names.iter().map(|name| listed(name, version(3, 0))).collect(),
        aliases: HashMap::new(),
    }
}

fn documents(collection: &str, op: Op, ids: &[&str]) -> Effect {
    Effect::Documents {
        collection: collection.to_owned(),
        op,
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn whole(name: &str) -> Scope {
    Scope::Whole(name.to_owned())
}

fn within(name: &str) -> Scope {
    Scope::Collections(vec![name.to_owned()])
}

#[test]
fn nothing_is_asked_of_a_vectorizer_that_may_still_be_loading() {
    let bench = Bench::unsettled();
    assert_eq!(bench.refusal("c"), "unavailable");
    assert_eq!(bench.list(0, listing(&["c"])), Outcome::Settling);
    assert_eq!(bench.list(4, listing(&["c"])), Outcome::Settling);
    assert_eq!(
        bench.list(6, listing(&["c", "d"])),
        Outcome::Settling,
        "another one was loaded"
    );
    assert_eq!(bench.list(10, listing(&["c", "d"])), Outcome::Settling);
    assert_eq!(
        (bench.refusal("c"), bench.refusal("x")),
        ("unavailable", "unavailable")
    );
    assert_eq!(bench.list(11, listing(&["c", "d"])), Outcome::Settled);
    assert_eq!((bench.refusal("c"), bench.refusal("x")), ("", "not found"));
    bench.catalogue.unreached("connection refused".to_owned());
    assert_eq!(
        (bench.refusal("c"), bench.refusal("x")),
        ("unavailable", "unavailable")
    );
}

#[test]
fn one_that_clients_write_to_all_the_time_is_settled_in_the_end() {
    let bench = Bench::unsettled();
    let written = |n: u32| Listing {
        collections: vec![listed("c", version(u64::from(n), n))],
        aliases: HashMap::new(),
    };
    let settled = (0..60).find(|n| bench.list(u64::from(*n), written(*n)) == Outcome::Settled);
    assert_eq!(settled, Some(34), "six times as long, and once more");
}

#[test]
fn a_collection_that_is_dropped_is_not_asked_for() {
    let bench = Bench::with(&["c", "d"]);
    let visit = bench.catalogue.visit("c").unwrap();
    let write = bench.begin(whole("c"));
    assert_eq!((bench.refusal("c"), bench.refusal("d")), ("unavailable", ""));
    assert!(!write.may_go_on() && !write.wait(SHORT), "a call is under way");
    let waiting = thread::spawn(move || {
        assert!(write.wait(Duration::from_secs(30)));
        write
    });
    thread::sleep(SHORT);
    assert!(!waiting.is_finished());
    drop(visit);
    let write = waiting.join().unwrap();
    let stale = bench.begun();
    write.done(vec![Effect::Dropped("c".to_owned())]);
    assert_eq!(bench.told(), ["Deleted(\"c\")"]);
    assert_eq!(bench.refusal("c"), "not found");
    bench.catalogue.listed(stale, listing(&["c", "d"]), bench.begin);
    assert_eq!(bench.refusal("c"), "not found", "that listing is from before");
    bench.list(7, listing(&["c", "d"]));
    assert_eq!(bench.refusal("c"), "", "somebody made it anew");
    assert_eq!(bench.told(), ["Created(\"c\")", "Reset(\"c\")"]);
}

#[test]
fn a_write_that_began_before_the_drop_does_not_bring_it_back() {
    let bench = Bench::with(&["c"]);
    let slow = bench.begin(Scope::Anywhere);
    let late_insert = bench.begin(within("c"));
    bench
        .begin(whole("c"))
        .done(vec![Effect::Dropped("c".to_owned())]);
    slow.done(vec![Effect::Created("c".to_owned())]);
    late_insert.done(vec![documents("c", Op::Upsert, &["a"])]);
    assert_eq!(bench.refusal("c"), "not found");
    assert_eq!(bench.told(), ["Deleted(\"c\")"]);
    bench
        .begin(Scope::Anywhere)
        .done(vec![Effect::Created("c".to_owned())]);
    assert_eq!(bench.refusal("c"), "");
}

#[test]
fn a_drop_that_is_refused_changes_nothing_and_one_of_unknown_outcome_is_found_out() {
    let bench = Bench::with(&["c"]);
    bench.begin(whole("c")).refused();
    assert_eq!(bench.refusal("c"), "");
    bench.begin(whole("c")).done(vec![Effect::Anything]);
    assert_eq!(bench.refusal("c"), "unavailable");
    bench.list(6, listing(&["c"]));
    assert_eq!(bench.refusal("c"), "", "it is still there");
    drop(bench.begin(whole("c")));
    assert_eq!(bench.refusal("c"), "unavailable");
    assert_eq!(bench.told(), [""; 0]);
    let now = bench.begin.elapsed().as_secs();
    bench.list(now + 1, listing(&[]));
    bench.list(now + 9, listing(&[]));
    assert_eq!(bench.told(), [""; 0], "it may still be loading");
    bench.list(now + 32, listing(&[]));
    assert_eq!(bench.told(), ["Deleted(\"c\")"]);
}

#[test]
fn where_anything_may_be_dropped_nothing_is_asked_for_until_all_are_listed() {
    let bench = Bench::with(&["c"]);
    let visit = bench.catalogue.visit("c").unwrap();
    let write = bench.begin(Scope::Everything);
    assert!(!write.may_go_on());
    drop(visit);
    assert!(write.may_go_on());
    assert_eq!(bench.refusal("c"), "unavailable");
    let stale = bench.begun();
    write.done(vec![Effect::Anything]);
    bench.catalogue.listed(stale, listing(&["c"]), bench.begin);
    assert_eq!(bench.refusal("c"), "unavailable", "that listing is from before");
    bench.list(6, listing(&["c"]));
    assert_eq!(bench.refusal("c"), "");
}

#[test]
fn documents_are_told_of_by_the_canonical_name() {
    let bench = Bench::with(&["c"]);
    let aliased = Listing {
        aliases: [("other".to_owned(), "c".to_owned())].into(),
        ..listing(&["c"])
    };
    bench.list(6, aliased);
    bench
        .begin(within("other"))
        .done(vec![documents("other", Op::Upsert, &["a", "b"])]);
    assert_eq!(bench.told(), ["Upsert c a,b"]);
    assert_eq!(bench.catalogue.visit("other").unwrap().name, "c");
}

#[test]
fn documents_of_a_collection_that_is_not_known_yet_are_told_of_when_it_is() {
    let bench = Bench::with(&[]);
    let insert = |name: &str| {
        bench
            .begin(within(name))
            .done(vec![documents(name, Op::Upsert, &["a"])]);
    };
    insert("new");
    insert("never");
    assert_eq!(bench.told(), [""; 0]);
    bench.list(6, listing(&["new"]));
    assert_eq!(
        bench.told(),
        ["Created(\"new\")", "Upsert new a", "Reset(\"new\")"]
    );
}

#[test]
fn a_rename_keeps_what_is_known_and_the_old_name_is_another_name() {
    let bench = Bench::with(&["c"]);
    let stale = bench.begun();
    bench.begin(whole("c")).done(vec![Effect::Renamed {
        from: "c".to_owned(),
        to: "d".to_owned(),
    }]);
    bench.catalogue.listed(stale, listing(&["c"]), bench.begin);
    assert_eq!(bench.catalogue.visit("c").unwrap().name, "d");
    let renamed = Listing {
        aliases: [("c".to_owned(), "d".to_owned())].into(),
        ..listing(&["d"])
    };
    bench.list(7, renamed);
    assert_eq!(bench.told(), ["Renamed { from: \"c\", to: \"d\" }"]);
}

#[test]
fn what_came_by_another_way_is_compared() {
    let bench = Bench::with(&["c"]);
    let at = |count, written| Listing {
        collections: vec![listed("c", version(count, written))],
        aliases: HashMap::new(),
    };
    bench
        .begin(within("c"))
        .done(vec![documents("c", Op::Upsert, &["a"])]);
    bench.list(6, at(4, 1));
    assert_eq!(bench.told(), ["Upsert c a"]);
    bench.list(8, at(4, 2));
    assert_eq!(bench.told(), ["Reset(\"c\")"]);
    let under_way = bench.begin(within("c"));
    bench.list(30, at(5, 3));
    assert_eq!(bench.told(), [""; 0], "it may be this one's");
    under_way.refused();
    bench.list(32, at(5, 3));
    assert_eq!(bench.told(), ["Reset(\"c\")"]);
    bench.catalogue.begin_own("c").done_silently();
    bench.list(60, at(5, 4));
    assert_eq!(bench.told(), [""; 0], "this server wrote it");
}

#[test]
fn what_is_said_to_have_changed_as_a_whole_is_compared() {
    let bench = Bench::with(&["c"]);
    bench
        .begin(Scope::Anywhere)
        .done(vec![Effect::Collection("c".to_owned())]);
    bench.list(6, listing(&["c"]));
    assert_eq!(bench.told(), ["Reset(\"c\")"]);
}

#[test]
fn a_vectorizer_that_came_back_with_less_is_believed_when_it_is_settled() {
    let bench = Bench::with(&["c", "d"]);
    bench.catalogue.unreached("connection refused".to_owned());
    let reloaded = |names: &[(&str, u64)]| Listing {
        collections: names
            .iter()
            .map(|(name, count)| {
                let mut version = version(*count, 9);
                version.created_at = "now".to_owned();
                listed(name, version)
            })
            .collect(),
        aliases: HashMap::new(),
    };
    bench.list(10, reloaded(&[]));
    bench.list(12, reloaded(&[("c", 2)]));
    assert_eq!(bench.told(), [""; 0], "it is still loading");
    assert_eq!(
        bench.list(17, reloaded(&[("c", 2)])),
        Outcome::Settling,
        "d is missing"
    );
    assert_eq!(bench.list(42, reloaded(&[("c", 2)])), Outcome::Settled);
    assert_eq!(bench.told(), ["Deleted(\"d\")", "Reset(\"c\")"]);
}

#[test]
fn a_vectorizer_that_was_started_anew_between_two_looks_is_waited_for() {
    let bench = Bench::with(&["c"]);
    let mut again = listing(&["c"]);
    again.collections[0].version.created_at = "now".to_owned();
    assert_eq!(bench.list(6, again.clone()), Outcome::Settling);
    assert_eq!(bench.refusal("c"), "unavailable");
    assert_eq!(bench.list(11, again), Outcome::Settled);
    assert_eq!(bench.told(), ["Reset(\"c\")"]);
}

#[test]
fn one_that_is_not_listed_for_a_moment_is_neither_asked_for_nor_given_up() {
    let bench = Bench::with(&["c", "d"]);
    bench.list(6, listing(&["d"]));
    assert_eq!(bench.refusal("c"), "unavailable");
    bench.list(8, listing(&["c", "d"]));
    assert_eq!((bench.refusal("c"), bench.told().len()), ("", 0));
    bench.list(10, listing(&["d"]));
    bench.list(15, listing(&["d"]));
    assert_eq!(
        (bench.refusal("c"), bench.told()),
        ("not found", vec!["Deleted(\"c\")".to_owned()])
    );
}

#[test]
fn one_that_lists_nothing_any_more_may_be_loading_and_nothing_is_deleted_for_it() {
    let bench = Bench::with(&["c", "d"]);
    for seconds in [6, 12, 30] {
        assert_eq!(bench.list(seconds, listing(&[])), Outcome::Settling);
    }
    assert_eq!((bench.refusal("c"), bench.told().len()), ("unavailable", 0));
    assert_eq!(
        bench.list(33, listing(&["c", "d"])),
        Outcome::Settled,
        "it was away for a moment"
    );
    assert_eq!((bench.refusal("c"), bench.told().len()), ("", 0));
}

#[test]
fn a_moment_without_an_answer_costs_no_more_than_that_moment() {
    let bench = Bench::with(&["c"]);
    bench.catalogue.unreached("a broken connection".to_owned());
    let written = Listing {
        collections: vec![listed("c", version(9, 9))],
        aliases: HashMap::new(),
    };
    assert_eq!(
        bench.list(6, written),
        Outcome::Settled,
        "it is the same as before, but for what is in it"
    );
    assert_eq!(bench.told(), ["Reset(\"c\")"]);
}

#[test]
fn a_drop_waits_for_the_list_of_all_and_the_list_for_the_drop() {
    let bench = Bench::with(&["c"]);
    let look = bench.catalogue.look(SHORT).unwrap();
    let write = bench.begin(whole("c"));
    assert!(!write.may_go_on(), "the list names it");
    drop(look);
    assert!(write.may_go_on());
    assert!(bench.catalogue.look(SHORT).is_none(), "it would name it");
    write.refused();
    assert!(bench.catalogue.look(SHORT).is_some());
}

#[test]
fn writes_are_counted_where_they_began_whatever_the_name_is_meanwhile() {
    let bench = Bench::with(&["c"]);
    let renamed = |from: &str, to: &str| {
        vec![Effect::Renamed {
            from: from.to_owned(),
            to: to.to_owned(),
        }]
    };
    let (insert, rename, loser) = (
        bench.begin(within("c")),
        bench.begin(whole("c")),
        bench.begin(whole("c")),
    );
    rename.done(renamed("c", "d"));
    loser.refused();
    insert.done(vec![documents("c", Op::Upsert, &["a"])]);
    assert_eq!(bench.refusal("d"), "");
    assert_eq!(bench.told(), ["Renamed { from: \"c\", to: \"d\" }", "Upsert d a"]);
    bench.begin(whole("d")).done(renamed("d", "e"));
    assert_eq!(
        bench.catalogue.visit("c").unwrap().name,
        "e",
        "by its oldest name"
    );
    assert_eq!(bench.told().len(), 1);
    let aliased = Listing {
        aliases: [("c".to_owned(), "e".to_owned())].into(),
        collections: vec![listed("e", version(4, 1))],
    };
    bench.list(6, aliased.clone());
    let mut written = aliased;
    written.collections[0].version = version(5, 2);
    bench.list(8, written);
    assert_eq!(bench.told(), ["Reset(\"e\")"], "it is still looked at");
}

#[test]
fn a_request_that_is_refused_shuts_nothing() {
    let bench = Bench::with(&["c"]);
    bench.begin(Scope::Everything).refused();
    assert_eq!(bench.refusal("c"), "");
    bench.begin(whole("nobody")).refused();
    assert_eq!(bench.refusal("c"), "");
    bench
        .begin(whole("nobody"))
        .done(vec![Effect::Dropped("nobody".to_owned())]);
    assert_eq!(
        bench.refusal("c"),
        "unavailable",
        "it may have been another name for it"
    );
}

#[test]
fn doubt_outlives_the_list_that_was_being_made() {
    let bench = Bench::with(&["c"]);
    let stale = bench.begun();
    bench.begin(Scope::Anywhere).done(vec![Effect::Anything]);
    bench.catalogue.listed(stale, listing(&["c"]), bench.begin);
    bench
        .begin(within("c"))
        .done(vec![documents("c", Op::Update, &["a"])]);
    let changed = Listing {
        collections: vec![listed("c", version(3, 7))],
        aliases: HashMap::new(),
    };
    bench.list(6, changed);
    assert_eq!(bench.told(), ["Update c a", "Reset(\"c\")"]);
}

#[test]
fn what_was_heard_of_before_it_died_may_be_lost() {
    let bench = Bench::with(&["c"]);
    bench
        .begin(within("c"))
        .done(vec![documents("c", Op::Upsert, &["a"])]);
    bench.catalogue.unreached("connection refused".to_owned());
    assert_eq!(bench.list(6, listing(&["c"])), Outcome::Settled);
    assert_eq!(bench.told(), ["Upsert c a", "Reset(\"c\")"]);
}
