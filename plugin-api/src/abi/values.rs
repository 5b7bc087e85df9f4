//! The values that travel.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RResult, RSlice, RStr, RString, RVec, Tuple2};

use crate::fault::{Fault, FaultCode};
use crate::http::{Access, Caller, Request, Response, Role, Route};
use crate::model::{CollectionEvent, CollectionInfo, Document, Fields, Hit, JsonMap, Metric, Page};

/// See [`crate::ChangeBatch`]. `op`: 1 upsert, 2 update, 3 delete.
#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct ChangeBatchC<'a> {
    pub(crate) collection: RStr<'a>,
    pub(crate) ids: RSlice<'a, RStr<'a>>,
    pub(crate) op: u32,
    pub(crate) at_unix_micros: u64,
}

/// See [`CollectionEvent`]. `kind`: 1 created, 2 deleted, 3 renamed (to `other`), 4 reset.
#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct CollectionEventC<'a> {
    pub(crate) kind: u32,
    pub(crate) name: RStr<'a>,
    pub(crate) other: RStr<'a>,
}

impl<'a> CollectionEventC<'a> {
    #[cfg(feature = "host")]
    pub(crate) fn new(event: &CollectionEvent<'a>) -> Self {
        let (kind, name, other) = match *event {
            CollectionEvent::Created(name) => (1, name, ""),
            CollectionEvent::Deleted(name) => (2, name, ""),
            CollectionEvent::Renamed { from, to } => (3, from, to),
            CollectionEvent::Reset(name) => (4, name, ""),
        };
        Self {
            kind,
            name: name.into(),
            other: other.into(),
        }
    }

    /// An event that this release does not know makes the reader compare the collection afresh.
    pub(crate) fn to_event(&self) -> CollectionEvent<'a> {
        let name = self.name.as_str();
        match self.kind {
            1 => CollectionEvent::Created(name),
            2 => CollectionEvent::Deleted(name),
            3 => CollectionEvent::Renamed {
                from: name,
                to: self.other.as_str(),
            },
            _ => CollectionEvent::Reset(name),
        }
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct FaultC {
    code: u32,
    message: RString,
}

impl From<Fault> for FaultC {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code.to_wire(),
            message: fault.message.into(),
        }
    }
}

impl From<FaultC> for Fault {
    fn from(raw: FaultC) -> Self {
        let code = FaultCode::from_wire(raw.code)
            .err()
            .unwrap_or(FaultCode::Internal);
        Self {
            code,
            message: raw.message.into_string(),
        }
    }
}

pub(crate) type ResultC<T> = RResult<T, FaultC>;

/// Sends a result over.
pub(crate) fn send<T>(result: Result<T, Fault>) -> ResultC<T> {
    result.map_err(FaultC::from).into()
}

/// Takes a result that came over.
pub(crate) fn receive<T>(result: ResultC<T>) -> Result<T, Fault> {
    result.into_result().map_err(Fault::from)
}

/// Stands for `()`, which has no layout constant.
#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct DoneC(u8);

impl From<()> for DoneC {
    fn from((): ()) -> Self {
        Self(0)
    }
}

pub(crate) const fn fields_to_wire(fields: Fields) -> u32 {
    fields.vector as u32 | (fields.payload as u32) << 1
}

pub(crate) const fn fields_from_wire(wire: u32) -> Fields {
    Fields {
        vector: wire & 1 != 0,
        payload: wire & 2 != 0,
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct CollectionInfoC {
    name: RString,
    dimension: u32,
    metric: u32,
    count: u64,
    exact_vectors: bool,
}

impl From<CollectionInfo> for CollectionInfoC {
    fn from(info: CollectionInfo) -> Self {
        Self {
            name: info.name.into(),
            dimension: info.dimension,
            metric: match info.metric {
                Metric::Cosine => 1,
                Metric::Euclidean => 2,
                Metric::Dot => 3,
            },
            count: info.count,
            exact_vectors: info.exact_vectors,
        }
    }
}

impl CollectionInfoC {
    pub(crate) fn into_info(self) -> Result<CollectionInfo, Fault> {
        let metric = match self.metric {
            1 => Metric::Cosine,
            2 => Metric::Euclidean,
            3 => Metric::Dot,
            other => {
                return Err(Fault::new(
                    FaultCode::Unsupported,
                    format!("collection '{}' has the unknown metric {other}", self.name),
                ));
            }
        };
        Ok(CollectionInfo {
            name: self.name.into_string(),
            dimension: self.dimension,
            metric,
            count: self.count,
            exact_vectors: self.exact_vectors,
        })
    }
}

/// A document; `payload` is JSON text, empty where there is none.
#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct DocumentC {
    id: RString,
    vector: RVec<f32>,
    payload: RString,
}

impl From<Document> for DocumentC {
    fn from(document: Document) -> Self {
        let payload = document.payload.map(payload_to_text).unwrap_or_default();
        Self {
            id: document.id.into(),
            vector: document.vector.into(),
            payload: payload.into(),
        }
    }
}

impl DocumentC {
    pub(crate) fn into_document(self) -> Result<Document, Fault> {
        let payload = match self.payload.as_str() {
            "" => None,
            text => Some(payload_from_text(text)?),
        };
        Ok(Document {
            id: self.id.into_string(),
            vector: self.vector.into_vec(),
            payload,
        })
    }
}

pub(crate) fn payload_to_text(payload: JsonMap) -> String {
    serde_json::Value::Object(payload).to_string()
}

pub(crate) fn payload_from_text(text: &str) -> Result<JsonMap, Fault> {
    serde_json::from_str(text).map_err(|error| {
        Fault::new(
            FaultCode::Invalid,
            format!("a payload is not a JSON object: {error}"),
        )
    })
}

#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct HitC {
    document: DocumentC,
    score: f32,
}

impl From<Hit> for HitC {
    fn from(hit: Hit) -> Self {
        Self {
            document: hit.document.into(),
            score: hit.score,
        }
    }
}

impl HitC {
    pub(crate) fn into_hit(self) -> Result<Hit, Fault> {
        Ok(Hit {
            document: self.document.into_document()?,
            score: self.score,
        })
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct PageC {
    documents: RVec<DocumentC>,
    next: ROption<RString>,
}

impl From<Page> for PageC {
    fn from(page: Page) -> Self {
        Self {
            documents: list(page.documents),
            next: page.next.map(RString::from).into(),
        }
    }
}

impl PageC {
    pub(crate) fn into_page(self) -> Result<Page, Fault> {
        let documents = self
            .documents
            .into_iter()
            .map(DocumentC::into_document)
            .collect::<Result<_, _>>()?;
        Ok(Page {
            documents,
            next: self.next.into_option().map(RString::into_string),
        })
    }
}

/// A list in its travelling form.
pub(crate) fn list<T, C: From<T>>(values: Vec<T>) -> RVec<C> {
    values.into_iter().map(C::from).collect()
}

const fn access_to_wire(access: Access) -> u32 {
    match access {
        Access::Public => 1,
        Access::User => 2,
        Access::Admin => 3,
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct RouteC<'a> {
    method: RStr<'a>,
    path: RStr<'a>,
    access: u32,
}

impl<'a> RouteC<'a> {
    pub(crate) fn new(route: &'a Route) -> Self {
        Self {
            method: route.method.as_str().into(),
            path: route.path.as_str().into(),
            access: access_to_wire(route.access),
        }
    }

    /// An access level that this release does not know is the strictest one.
    pub(crate) fn to_route(&self) -> Route {
        let access = match self.access {
            1 => Access::Public,
            2 => Access::User,
            _ => Access::Admin,
        };
        Route::new(self.method.as_str(), self.path.as_str(), access)
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct RequestC {
    method: RString,
    path: RString,
    query: RString,
    headers: RVec<Tuple2<RString, RVec<u8>>>,
    body: RVec<u8>,
    role: u32,
    caller: RString,
}

impl From<Request> for RequestC {
    fn from(request: Request) -> Self {
        Self {
            method: request.method.into(),
            path: request.path.into(),
            query: request.query.into(),
            headers: request
                .headers
                .into_iter()
                .map(|(name, value)| Tuple2(name.into(), value.into()))
                .collect(),
            body: request.body.into(),
            role: match request.caller.role {
                Role::Anonymous => 1,
                Role::User => 2,
                Role::Admin => 3,
            },
            caller: request.caller.name.into(),
        }
    }
}

impl From<RequestC> for Request {
    /// A role that this release does not know is the weakest one.
    fn from(raw: RequestC) -> Self {
        let role = match raw.role {
            2 => Role::User,
            3 => Role::Admin,
            _ => Role::Anonymous,
        };
        Self {
            method: raw.method.into_string(),
            path: raw.path.into_string(),
            query: raw.query.into_string(),
            headers: raw
                .headers
                .into_iter()
                .map(|Tuple2(name, value)| (name.into_string(), value.into_vec()))
                .collect(),
            body: raw.body.into_vec(),
            caller: Caller {
                role,
                name: raw.caller.into_string(),
            },
        }
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub(crate) struct ResponseC {
    status: u16,
    headers: RVec<Tuple2<RString, RString>>,
    body: RVec<u8>,
}

impl From<Response> for ResponseC {
    fn from(response: Response) -> Self {
        Self {
            status: response.status,
            headers: response
                .headers
                .into_iter()
                .map(|(name, value)| Tuple2(name.into(), value.into()))
                .collect(),
            body: response.body.into(),
        }
    }
}

impl From<ResponseC> for Response {
    fn from(raw: ResponseC) -> Self {
        Self {
            status: raw.status,
            headers: raw
                .headers
                .into_iter()
                .map(|Tuple2(name, value)| (name.into_string(), value.into_string()))
                .collect(),
            body: raw.body.into_vec(),
        }
    }
}

type Deliver = Box<dyn FnOnce(Response) + Send>;

/// A callback that takes one answer. Whoever holds it calls it once; `Responder` sees to that.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub(crate) struct ResponderC {
    /// A `Box<Deliver>` of the side that made this value.
    context: *mut (),
    complete: extern "C" fn(*mut (), ResponseC),
}

// SAFETY: `context` owns a `Deliver`, which is `Send`; nothing else points to it.
unsafe impl Send for ResponderC {}

impl ResponderC {
    pub(crate) fn new(deliver: Deliver) -> Self {
        extern "C" fn complete(context: *mut (), response: ResponseC) {
            let _ = crate::guard::guarded(|| {
                // SAFETY: `context` came from `Box::into_raw` below, of the same type; `ResponderC::complete`
                // consumes the value, so it is taken back only once.
                let deliver = unsafe { Box::from_raw(context.cast::<Deliver>()) };
                deliver(response.into());
                Ok(())
            });
        }
        Self {
            context: Box::into_raw(Box::new(deliver)).cast(),
            complete,
        }
    }

    pub(crate) fn complete(self, response: Response) {
        (self.complete)(self.context, response.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_numbers_fall_to_the_safe_side() {
        let request = RequestC {
            role: 99,
            ..RequestC::from(request())
        };
        assert_eq!(Request::from(request).caller.role, Role::Anonymous);
        let route = RouteC {
            method: "GET".into(),
            path: "/".into(),
            access: 99,
        };
        assert_eq!(route.to_route().access, Access::Admin);
        let event = CollectionEventC {
            kind: 99,
            name: "c".into(),
            other: "".into(),
        };
        assert_eq!(event.to_event(), CollectionEvent::Reset("c"));
    }

    #[test]
    fn a_payload_that_is_no_object_is_refused() {
        let raw = DocumentC {
            id: "a".into(),
            vector: RVec::new(),
            payload: "[1]".into(),
        };
        assert_eq!(raw.into_document().unwrap_err().code, FaultCode::Invalid);
    }

    fn request() -> Request {
        Request {
            method: "GET".into(),
            path: "/x".into(),
            query: String::new(),
            headers: vec![("a".into(), b"b".to_vec())],
            body: vec![1],
            caller: Caller {
                role: Role::Admin,
                name: "root".into(),
            },
        }
    }
}
