//! `nexus-dev`: the HTTP contract of the Nexus graph database on an embedded Cypher engine.
//!
//! # What it is
//!
//! A stand-in for tests, continuous integration and demos: `POST /cypher`, `GET /health` and `GET /stats` behave like
//! Nexus towards a client, with the graph in memory or in a folder. It answers statements *rightly* where Nexus 2.5 is
//! known to answer wrongly, and it can be told to fail: slow, refuse, answer with errors, drop connections before or
//! after executing ([`FaultRule`]).
//!
//! With [`Quirks::V2_5`] it answers the dangerous forms as *wrongly* as Nexus 2.5.0, and loses properties at a start
//! when a record was shortened before. That is for showing, without a real server, that a client avoids these forms:
//! what it sends must have the same effect with and without quirks.
//!
//! # What it is not
//!
//! * **No judge of Cypher semantics.** The engine has mistakes of its own (unknown functions, `1 + 'a'` and integer
//!   overflow give null instead of an error, a chained comparison `1 <= n < 3` matches nothing). What passes here still
//!   has to pass against a real server.
//! * No model of Nexus's speed. A range predicate beside an indexed key, for one, makes this engine scan.
//! * Without quirks, no model of its damage to shortened records or of its limits (64 labels, long UNIONs).
//! * With quirks, no model of every mistake: the module `quirks` lists what is reproduced and what is approximated.
//! * No service for production: one process, the whole graph in memory.
//!
//! # The way of a statement
//!
//! ```text
//! HTTP    server/routes   faults first: delay, refuse, drop; then the pipeline on a blocking thread
//!   |
//! pipeline
//!   1. understand         statement/lexer, shape, index_ddl, guard: pure, nothing has run
//!   2. carry out          statement/rewrite -> graph: the engine, one write at a time
//!                         with quirks: quirks decides what is carried out, row by row
//!   3. answer             answer: columns, rows and errors in Nexus's form
//! ```
//!
//! `pipeline` is the only place that sees all three steps; other behaviours are to be added there.
//!
//! # Differences from the real server
//!
//! With quirks, the first four and what is said about quantified paths and falling counts do not hold.
//!
//! * A statement that fails changes nothing; Nexus keeps the rows before the failing one.
//! * A second statement behind `;` is an error; Nexus drops it silently.
//! * A null sets no property on a relationship; Nexus stores an explicit null. Both read as null.
//! * `-[r:T*1..1]->` also returns a node's edge to itself; Nexus leaves it out.
//! * Integers above `i64::MAX` come back exactly but do not compare with other numbers.
//! * Not carried out, with an error that says so: quantified paths `((x)-[r]->(y)){1,2}`, explicit transactions,
//!   constraints without a name, `CALL db.*`, `FOREACH` in front of other clauses, `ON CREATE SET x += m` without an
//!   equal `ON MATCH SET`.
//! * An index covers its property under every label; declaring is per label, as on Nexus.
//! * `/health` and `/stats` carry the contract's fields, without the component and kernel lists, and `/stats` counts
//!   fall on delete.
//!
//! # Use
//!
//! ```no_run
//! # async fn example() -> Result<(), nexus_dev::NexusDevError> {
//! use nexus_dev::{FaultRule, NexusDev};
//!
//! let server = NexusDev::builder().start().await?;
//! println!("{}", server.url());
//! server.faults().set(vec![FaultRule::drop_after().matching("MERGE").times(1)])?;
//! server.shutdown().await
//! # }
//! ```

mod answer;
mod error;
mod faults;
mod graph;
mod pipeline;
mod quirks;
mod server;
mod statement;

pub use error::NexusDevError;
pub use faults::{FaultCounts, FaultEffect, FaultError, FaultHandle, FaultRule};
pub use graph::Durability;
pub use quirks::Quirks;
pub use server::{NexusDev, NexusDevBuilder};

/// What `/health` reports as `version`.
pub const VERSION: &str = concat!("nexus-dev/", env!("CARGO_PKG_VERSION"));
