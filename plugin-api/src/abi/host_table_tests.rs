//! The level of the log, as hosts of this release and of an earlier one tell it.

#![allow(dead_code, reason = "the earlier table is read as a HostTable")]

use super::*;

/// A host whose log takes lines from this level on. Nothing else of it is asked.
struct Logging(Result<Option<LogLevel>, ()>);

fn unasked<T>() -> Result<T, Fault> {
    Err(FaultCode::Unsupported.into())
}

impl HostCallbacks for Logging {
    fn collections(&self) -> Result<Vec<CollectionInfo>, Fault> {
        unasked()
    }

    fn collection(&self, _: &str) -> Result<CollectionInfo, Fault> {
        unasked()
    }

    fn get(&self, _: &str, _: &[&str], _: Fields) -> Result<Vec<Document>, Fault> {
        unasked()
    }

    fn search(&self, _: &str, _: &[f32], _: usize, _: Fields) -> Result<Vec<Hit>, Fault> {
        unasked()
    }

    fn scan(&self, _: &str, _: Option<&str>, _: usize, _: Fields) -> Result<Page, Fault> {
        unasked()
    }

    fn count(&self, _: &str) -> Result<u64, Fault> {
        unasked()
    }

    fn merge_payload_if(&self, _: &str, _: &str, _: &JsonMap, _: &JsonMap) -> Result<Merge, Fault> {
        unasked()
    }

    fn embed(&self, _: &str, _: &str) -> Result<Vec<f32>, Fault> {
        unasked()
    }

    fn register_route(&self, _: Route) -> Result<(), Fault> {
        unasked()
    }

    fn log(&self, _: LogLevel, _: &str, _: &str, _: &str) {}

    fn log_level(&self) -> Option<LogLevel> {
        self.0.expect("this host panics")
    }

    fn invalidate_cache(&self, _: &str) -> Result<(), Fault> {
        unasked()
    }
}

fn host(level: Result<Option<LogLevel>, ()>) -> HostRef {
    HostRef::new(Box::leak(Box::new(Logging(level))))
}

/// The table as it was before `log_level`.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = EarlierTableRef)))]
#[sabi(missing_field(panic))]
struct EarlierTable {
    collections: extern "C" fn(HostContext) -> ResultC<RVec<CollectionInfoC>>,
    collection: extern "C" fn(HostContext, RStr<'_>) -> ResultC<CollectionInfoC>,
    get: for<'a> extern "C" fn(HostContext, RStr<'a>, RSlice<'a, RStr<'a>>, u32) -> ResultC<RVec<DocumentC>>,
    search: extern "C" fn(HostContext, RStr<'_>, RSlice<'_, f32>, u64, u32) -> ResultC<RVec<HitC>>,
    scan: extern "C" fn(HostContext, RStr<'_>, ROption<RStr<'_>>, u64, u32) -> ResultC<PageC>,
    count: extern "C" fn(HostContext, RStr<'_>) -> ResultC<u64>,
    merge_payload: extern "C" fn(HostContext, RStr<'_>, RStr<'_>, RStr<'_>) -> ResultC<bool>,
    register_route: extern "C" fn(HostContext, RouteC<'_>) -> ResultC<DoneC>,
    log: extern "C" fn(HostContext, u32, RStr<'_>, RStr<'_>, RStr<'_>),
    #[sabi(last_prefix_field)]
    invalidate_cache: extern "C" fn(HostContext, RStr<'_>) -> ResultC<DoneC>,
    #[sabi(missing_field(option))]
    merge_payload_if: extern "C" fn(HostContext, RStr<'_>, RStr<'_>, RStr<'_>, RStr<'_>) -> ResultC<u32>,
    #[sabi(missing_field(option))]
    embed: extern "C" fn(HostContext, RStr<'_>, RStr<'_>) -> ResultC<RVec<f32>>,
}

fn earlier_host() -> HostRef {
    use abi_stable::prefix_type::PrefixTypeTrait;
    let table = EarlierTable {
        collections: collections::<Logging>,
        collection: collection::<Logging>,
        get: get::<Logging>,
        search: search::<Logging>,
        scan: scan::<Logging>,
        count: count::<Logging>,
        merge_payload: merge_payload::<Logging>,
        register_route: register_route::<Logging>,
        log: log::<Logging>,
        invalidate_cache: invalidate_cache::<Logging>,
        merge_payload_if: merge_payload_if::<Logging>,
        embed: embed::<Logging>,
    };
    HostRef {
        // SAFETY: both are a pointer to a prefix table that says which of its fields are there; those that are have the
        // same types in the same order. A plugin of this release gets such a table from a host of the earlier one.
        table: unsafe { std::mem::transmute::<EarlierTableRef, HostTableRef>(table.leak_into_prefix()) },
        context: host(Ok(None)).context,
    }
}

#[test]
fn every_level_crosses_and_so_does_none() {
    for level in [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
    ] {
        assert_eq!(host(Ok(Some(level))).log_level(), Some(level));
    }
    assert_eq!(host(Ok(None)).log_level(), None);
}

#[test]
fn a_host_of_an_earlier_release_counts_as_taking_debug_lines() {
    let host = earlier_host();
    assert_eq!(host.log_level(), Some(LogLevel::Debug));
    assert_eq!(
        host.embed("c", "t").unwrap_err().code,
        FaultCode::Unsupported,
        "what it has it answers"
    );
}

#[test]
fn a_host_that_panics_when_asked_counts_as_taking_debug_lines() {
    assert_eq!(host(Err(())).log_level(), Some(LogLevel::Debug));
}
