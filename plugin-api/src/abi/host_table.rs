//! The table of host callbacks, and both ends of every call through it.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RSlice, RStr, RVec};

use super::values::{
    CollectionInfoC, DocumentC, DoneC, HitC, PageC, ResultC, RouteC, fields_from_wire, fields_to_wire, list,
    payload_from_text, receive, send,
};
use crate::fault::{Fault, FaultCode};
use crate::guard::guarded;
use crate::host::{HostCallbacks, LogLevel};
use crate::http::Route;
use crate::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};

/// The object behind the callbacks: a `&'static T` of the host, whose type only the host's functions know.
#[repr(transparent)]
#[derive(StableAbi, Debug, Clone, Copy)]
pub(crate) struct HostContext(*const ());

// SAFETY: the pointer is a `&'static T` with `T: Sync` (see `HostRef::new`), usable from any thread.
unsafe impl Send for HostContext {}
// SAFETY: as above.
unsafe impl Sync for HostContext {}

/// Grows at its end only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostTableRef)))]
#[sabi(missing_field(panic))]
pub(crate) struct HostTable {
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
    /// 0 gone, 1 merged, 2 differs.
    #[sabi(missing_field(option))]
    merge_payload_if: extern "C" fn(HostContext, RStr<'_>, RStr<'_>, RStr<'_>, RStr<'_>) -> ResultC<u32>,
    #[sabi(missing_field(option))]
    embed: extern "C" fn(HostContext, RStr<'_>, RStr<'_>) -> ResultC<RVec<f32>>,
    /// A level as `log` takes it, 0 for none.
    #[sabi(missing_field(option))]
    log_level: extern "C" fn(HostContext) -> ResultC<u32>,
}

/// A host table with the object it acts on.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub(crate) struct HostRef {
    table: HostTableRef,
    context: HostContext,
}

impl std::fmt::Debug for HostRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostRef").finish_non_exhaustive()
    }
}

/// The plugin's end of each callback.
impl HostRef {
    pub(crate) fn new<T: HostCallbacks>(callbacks: &'static T) -> Self {
        use abi_stable::prefix_type::PrefixTypeTrait;
        let table = HostTable {
            collections: collections::<T>,
            collection: collection::<T>,
            get: get::<T>,
            search: search::<T>,
            scan: scan::<T>,
            count: count::<T>,
            merge_payload: merge_payload::<T>,
            register_route: register_route::<T>,
            log: log::<T>,
            invalidate_cache: invalidate_cache::<T>,
            merge_payload_if: merge_payload_if::<T>,
            embed: embed::<T>,
            log_level: log_level::<T>,
        };
        Self {
            table: table.leak_into_prefix(),
            context: HostContext(std::ptr::from_ref(callbacks).cast()),
        }
    }

    pub(crate) fn collections(&self) -> Result<Vec<CollectionInfo>, Fault> {
        let found = receive(self.table.collections()(self.context))?;
        found.into_iter().map(CollectionInfoC::into_info).collect()
    }

    pub(crate) fn collection(&self, name: &str) -> Result<CollectionInfo, Fault> {
        receive(self.table.collection()(self.context, name.into()))?.into_info()
    }

    pub(crate) fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, Fault> {
        let ids: Vec<RStr<'_>> = ids.iter().map(|id| RStr::from_str(id)).collect();
        let found = receive(self.table.get()(
            self.context,
            collection.into(),
            ids.as_slice().into(),
            fields_to_wire(fields),
        ))?;
        found.into_iter().map(DocumentC::into_document).collect()
    }

    pub(crate) fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, Fault> {
        let hits = receive(self.table.search()(
            self.context,
            collection.into(),
            vector.into(),
            limit as u64,
            fields_to_wire(fields),
        ))?;
        hits.into_iter().map(HitC::into_hit).collect()
    }

    pub(crate) fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, Fault> {
        let cursor = cursor.map(RStr::from_str).into();
        receive(self.table.scan()(
            self.context,
            collection.into(),
            cursor,
            limit as u64,
            fields_to_wire(fields),
        ))?
        .into_page()
    }

    pub(crate) fn count(&self, collection: &str) -> Result<u64, Fault> {
        receive(self.table.count()(self.context, collection.into()))
    }

    pub(crate) fn merge_payload(&self, collection: &str, id: &str, patch: &JsonMap) -> Result<bool, Fault> {
        let patch = super::values::payload_to_text(patch.clone());
        receive(self.table.merge_payload()(
            self.context,
            collection.into(),
            id.into(),
            patch.as_str().into(),
        ))
    }

    pub(crate) fn merge_payload_if(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, Fault> {
        let call = self
            .table
            .merge_payload_if()
            .ok_or_else(|| Fault::new(FaultCode::Unsupported, "this host cannot merge under conditions"))?;
        let [expected, patch] = [expected, patch].map(|map| super::values::payload_to_text(map.clone()));
        let became = receive(call(
            self.context,
            collection.into(),
            id.into(),
            expected.as_str().into(),
            patch.as_str().into(),
        ))?;
        match became {
            0 => Ok(Merge::Gone),
            1 => Ok(Merge::Merged),
            2 => Ok(Merge::Differs),
            other => Err(Fault::new(
                FaultCode::Internal,
                format!("the host answers {other} to a merge"),
            )),
        }
    }

    pub(crate) fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, Fault> {
        let call = self
            .table
            .embed()
            .ok_or_else(|| Fault::new(FaultCode::Unsupported, "this host cannot embed texts"))?;
        receive(call(self.context, collection.into(), text.into())).map(Into::into)
    }

    pub(crate) fn register_route(&self, route: &Route) -> Result<(), Fault> {
        receive(self.table.register_route()(self.context, RouteC::new(route))).map(drop)
    }

    pub(crate) fn log(&self, level: LogLevel, target: &str, message: &str, fields: &str) {
        let level = level.to_wire();
        self.table.log()(self.context, level, target.into(), message.into(), fields.into());
    }

    pub(crate) fn log_level(&self) -> Option<LogLevel> {
        let told = self.table.log_level().map(|call| receive(call(self.context)));
        match told {
            Some(Ok(0)) => None,
            Some(Ok(level)) => Some(LogLevel::from_wire(level)),
            // Lines too many are better than lines that are missed.
            Some(Err(_)) | None => Some(LogLevel::Debug),
        }
    }

    pub(crate) fn invalidate_cache(&self, collection: &str) -> Result<(), Fault> {
        receive(self.table.invalidate_cache()(self.context, collection.into())).map(drop)
    }
}

/// Runs one callback at the host's end.
fn answer<T: HostCallbacks, C>(
    context: HostContext,
    call: impl FnOnce(&'static T) -> Result<C, Fault>,
) -> ResultC<C> {
    // SAFETY: the functions below are put into a table for one `T` only in `HostRef::new`, beside a context made
    // there from a `&'static T`. Table and context travel as one `HostRef`, whose fields are private here.
    let callbacks: &'static T = unsafe { &*context.0.cast::<T>() };
    send(guarded(|| call(callbacks)))
}

extern "C" fn collections<T: HostCallbacks>(context: HostContext) -> ResultC<RVec<CollectionInfoC>> {
    answer(context, |host: &T| host.collections().map(list))
}

extern "C" fn collection<T: HostCallbacks>(context: HostContext, name: RStr<'_>) -> ResultC<CollectionInfoC> {
    answer(context, |host: &T| host.collection(name.as_str()).map(Into::into))
}

extern "C" fn get<'a, T: HostCallbacks>(
    context: HostContext,
    collection: RStr<'a>,
    ids: RSlice<'a, RStr<'a>>,
    fields: u32,
) -> ResultC<RVec<DocumentC>> {
    let ids: Vec<&str> = ids.as_slice().iter().map(|id| id.as_str()).collect();
    answer(context, |host: &T| {
        host.get(collection.as_str(), &ids, fields_from_wire(fields))
            .map(list)
    })
}

extern "C" fn search<T: HostCallbacks>(
    context: HostContext,
    collection: RStr<'_>,
    vector: RSlice<'_, f32>,
    limit: u64,
    fields: u32,
) -> ResultC<RVec<HitC>> {
    answer(context, |host: &T| {
        host.search(
            collection.as_str(),
            vector.as_slice(),
            size(limit),
            fields_from_wire(fields),
        )
        .map(list)
    })
}

extern "C" fn scan<T: HostCallbacks>(
    context: HostContext,
    collection: RStr<'_>,
    cursor: ROption<RStr<'_>>,
    limit: u64,
    fields: u32,
) -> ResultC<PageC> {
    let cursor = cursor.into_option().map(|cursor| cursor.as_str());
    answer(context, |host: &T| {
        host.scan(collection.as_str(), cursor, size(limit), fields_from_wire(fields))
            .map(Into::into)
    })
}

extern "C" fn count<T: HostCallbacks>(context: HostContext, collection: RStr<'_>) -> ResultC<u64> {
    answer(context, |host: &T| host.count(collection.as_str()))
}

extern "C" fn merge_payload<T: HostCallbacks>(
    context: HostContext,
    collection: RStr<'_>,
    id: RStr<'_>,
    patch: RStr<'_>,
) -> ResultC<bool> {
    answer(context, |host: &T| {
        let patch = payload_from_text(patch.as_str())?;
        let became = host.merge_payload_if(collection.as_str(), id.as_str(), &JsonMap::new(), &patch)?;
        Ok(became == Merge::Merged)
    })
}

extern "C" fn merge_payload_if<T: HostCallbacks>(
    context: HostContext,
    collection: RStr<'_>,
    id: RStr<'_>,
    expected: RStr<'_>,
    patch: RStr<'_>,
) -> ResultC<u32> {
    answer(context, |host: &T| {
        let expected = payload_from_text(expected.as_str())?;
        let patch = payload_from_text(patch.as_str())?;
        let became = host.merge_payload_if(collection.as_str(), id.as_str(), &expected, &patch)?;
        Ok(match became {
            Merge::Gone => 0,
            Merge::Merged => 1,
            Merge::Differs => 2,
        })
    })
}

extern "C" fn embed<T: HostCallbacks>(
    context: HostContext,
    collection: RStr<'_>,
    text: RStr<'_>,
) -> ResultC<RVec<f32>> {
    answer(context, |host: &T| {
        host.embed(collection.as_str(), text.as_str()).map(Into::into)
    })
}

extern "C" fn register_route<T: HostCallbacks>(context: HostContext, route: RouteC<'_>) -> ResultC<DoneC> {
    answer(context, |host: &T| {
        host.register_route(route.to_route()).map(Into::into)
    })
}

extern "C" fn log<T: HostCallbacks>(
    context: HostContext,
    level: u32,
    target: RStr<'_>,
    message: RStr<'_>,
    fields: RStr<'_>,
) {
    let level = LogLevel::from_wire(level);
    let _: ResultC<DoneC> = answer(context, |host: &T| {
        host.log(level, target.as_str(), message.as_str(), fields.as_str());
        Ok(().into())
    });
}

extern "C" fn log_level<T: HostCallbacks>(context: HostContext) -> ResultC<u32> {
    answer(context, |host: &T| {
        Ok(host.log_level().map_or(0, LogLevel::to_wire))
    })
}

extern "C" fn invalidate_cache<T: HostCallbacks>(
    context: HostContext,
    collection: RStr<'_>,
) -> ResultC<DoneC> {
    answer(context, |host: &T| {
        host.invalidate_cache(collection.as_str()).map(Into::into)
    })
}

fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "host_table_tests.rs"]
mod tests;
