//! The table of a plugin's functions, and both ends of every call through it.

// A plugin alone has no use for the table's accessors, which the derive makes.
#![cfg_attr(not(feature = "host"), allow(dead_code))]

use std::path::Path;
use std::time::Duration;

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RStr, RString};

use super::host_table::HostRef;
#[cfg(feature = "host")]
use super::values::receive;
use super::values::{ChangeBatchC, CollectionEventC, DoneC, RequestC, ResponderC, ResultC, send};
use crate::change::ChangeBatch;
use crate::fault::{Fault, FaultCode};
use crate::guard::{guarded, guarded_code};
use crate::host::{Host, LogLevel};
use crate::http::Responder;
use crate::plugin::{Plugin, Setup};

/// A plugin's instance: a leaked `Box<P>`, whose type only the plugin's functions know.
#[repr(transparent)]
#[derive(StableAbi, Debug, Clone, Copy)]
pub(crate) struct InstanceC(*const ());

// SAFETY: the pointer is a `&'static P` with `P: Sync` (see `create`), usable from any thread.
unsafe impl Send for InstanceC {}
// SAFETY: as above.
unsafe impl Sync for InstanceC {}

/// Grows at its end only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginTableRef)))]
#[sabi(missing_field(panic))]
pub(crate) struct PluginTable {
    create: extern "C" fn(HostRef, RStr<'_>, RStr<'_>) -> ResultC<InstanceC>,
    start: extern "C" fn(InstanceC) -> ResultC<DoneC>,
    notify: for<'a> extern "C" fn(InstanceC, &'a ChangeBatchC<'a>) -> u32,
    collection_event: for<'a> extern "C" fn(InstanceC, &'a CollectionEventC<'a>) -> u32,
    http: extern "C" fn(InstanceC, RequestC, ResponderC) -> ResultC<DoneC>,
    metrics: extern "C" fn(InstanceC) -> ResultC<RString>,
    health: extern "C" fn(InstanceC) -> ResultC<RString>,
    reload: extern "C" fn(InstanceC, RStr<'_>) -> ResultC<DoneC>,
    stop_intake: extern "C" fn(InstanceC) -> ResultC<DoneC>,
    #[sabi(last_prefix_field)]
    drain: extern "C" fn(InstanceC, u64) -> ResultC<u64>,
}

impl RootModule for PluginTableRef {
    abi_stable::declare_root_module_statics! {PluginTableRef}
    const BASE_NAME: &'static str = "vectorizer_plugin";
    const NAME: &'static str = "vectorizer_plugin";
    const VERSION_STRINGS: VersionStrings = abi_stable::package_version_strings!();
}

/// The table of `P`.
pub(crate) fn table_of<P: Plugin>() -> PluginTableRef {
    PluginTable {
        create: create::<P>,
        start: start::<P>,
        notify: notify::<P>,
        collection_event: collection_event::<P>,
        http: http::<P>,
        metrics: metrics::<P>,
        health: health::<P>,
        reload: reload::<P>,
        stop_intake: stop_intake::<P>,
        drain: drain::<P>,
    }
    .leak_into_prefix()
}

extern "C" fn create<P: Plugin>(host: HostRef, config: RStr<'_>, data_dir: RStr<'_>) -> ResultC<InstanceC> {
    let host = Host::from_raw(host);
    report_panics_to(host);
    send(guarded(|| {
        let setup = Setup {
            config: config.as_str(),
            data_dir: Path::new(data_dir.as_str()),
        };
        let plugin: &'static P = Box::leak(Box::new(P::create(host, setup)?));
        Ok(InstanceC(std::ptr::from_ref(plugin).cast()))
    }))
}

/// Panics of this library's threads go to the host's log. The hook that a library has by default may spend seconds on a
/// backtrace, in the middle of somebody's write.
fn report_panics_to(host: Host) {
    std::panic::set_hook(Box::new(move |panic| {
        host.log(LogLevel::Error, "panic", &panic.to_string(), "");
    }));
}

fn plugin<P: Plugin>(instance: InstanceC) -> &'static P {
    // SAFETY: these functions are put into a table for one `P` only in `table_of`, and the host pairs a table with
    // an instance which that table's `create` made (`InstanceRef`); the instance is leaked there.
    unsafe { &*instance.0.cast::<P>() }
}

extern "C" fn start<P: Plugin>(instance: InstanceC) -> ResultC<DoneC> {
    send(guarded(|| plugin::<P>(instance).start().map(Into::into)))
}

extern "C" fn notify<'a, P: Plugin>(instance: InstanceC, batch: &'a ChangeBatchC<'a>) -> u32 {
    guarded_code(|| plugin::<P>(instance).notify(ChangeBatch::new(batch)))
}

extern "C" fn collection_event<'a, P: Plugin>(instance: InstanceC, event: &'a CollectionEventC<'a>) -> u32 {
    guarded_code(|| plugin::<P>(instance).collection_event(event.to_event()))
}

extern "C" fn http<P: Plugin>(
    instance: InstanceC,
    request: RequestC,
    responder: ResponderC,
) -> ResultC<DoneC> {
    let responder = Responder::from_raw(responder);
    send(guarded(|| {
        plugin::<P>(instance).http(request.into(), responder);
        Ok(().into())
    }))
}

extern "C" fn metrics<P: Plugin>(instance: InstanceC) -> ResultC<RString> {
    send(guarded(|| plugin::<P>(instance).metrics().map(Into::into)))
}

extern "C" fn health<P: Plugin>(instance: InstanceC) -> ResultC<RString> {
    send(guarded(|| {
        serde_json::to_string(&plugin::<P>(instance).health())
            .map(Into::into)
            .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
    }))
}

extern "C" fn reload<P: Plugin>(instance: InstanceC, config: RStr<'_>) -> ResultC<DoneC> {
    send(guarded(|| {
        plugin::<P>(instance).reload(config.as_str()).map(Into::into)
    }))
}

extern "C" fn stop_intake<P: Plugin>(instance: InstanceC) -> ResultC<DoneC> {
    send(guarded(|| {
        plugin::<P>(instance).stop_intake();
        Ok(().into())
    }))
}

extern "C" fn drain<P: Plugin>(instance: InstanceC, deadline_ms: u64) -> ResultC<u64> {
    send(guarded(|| {
        plugin::<P>(instance).drain(Duration::from_millis(deadline_ms))
    }))
}

/// A plugin's table with an instance that it made: the host's end of every call.
#[cfg(feature = "host")]
#[derive(Clone, Copy)]
pub(crate) struct InstanceRef {
    table: PluginTableRef,
    instance: InstanceC,
}

#[cfg(feature = "host")]
impl InstanceRef {
    pub(crate) fn create(table: PluginTableRef, host: Host, setup: Setup<'_>) -> Result<Self, Fault> {
        let data_dir = setup.data_dir.to_str().ok_or_else(|| {
            Fault::new(
                FaultCode::Invalid,
                format!("data directory {:?} is not UTF-8", setup.data_dir),
            )
        })?;
        let instance = receive(table.create()(host.raw(), setup.config.into(), data_dir.into()))?;
        Ok(Self { table, instance })
    }

    pub(crate) fn start(&self) -> Result<(), Fault> {
        receive(self.table.start()(self.instance)).map(drop)
    }

    pub(crate) fn notify(&self, batch: ChangeBatch<'_>) -> Result<(), FaultCode> {
        FaultCode::from_wire(self.table.notify()(self.instance, batch.raw()))
    }

    pub(crate) fn collection_event(
        &self,
        event: &crate::model::CollectionEvent<'_>,
    ) -> Result<(), FaultCode> {
        FaultCode::from_wire(self.table.collection_event()(
            self.instance,
            &CollectionEventC::new(event),
        ))
    }

    pub(crate) fn http(&self, request: crate::http::Request, responder: Responder) -> Result<(), Fault> {
        match responder.into_raw() {
            Some(raw) => receive(self.table.http()(self.instance, request.into(), raw)).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn metrics(&self) -> Result<String, Fault> {
        receive(self.table.metrics()(self.instance)).map(RString::into_string)
    }

    pub(crate) fn health(&self) -> Result<crate::plugin::Health, Fault> {
        let text = receive(self.table.health()(self.instance))?;
        serde_json::from_str(text.as_str())
            .map_err(|error| Fault::new(FaultCode::Internal, format!("unreadable health: {error}")))
    }

    pub(crate) fn reload(&self, config: &str) -> Result<(), Fault> {
        receive(self.table.reload()(self.instance, config.into())).map(drop)
    }

    pub(crate) fn stop_intake(&self) -> Result<(), Fault> {
        receive(self.table.stop_intake()(self.instance)).map(drop)
    }

    pub(crate) fn drain(&self, deadline: Duration) -> Result<u64, Fault> {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        receive(self.table.drain()(self.instance, deadline_ms))
    }
}
