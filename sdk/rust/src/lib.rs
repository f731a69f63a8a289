//! Write a routing stage of the Trunkline SIP router as one function: [`Plugin::handle`] gets a [`Call`] and the
//! [`Host`] and answers with an [`Outcome`], which the host applies whole when the stage ended well, else not at all.
//!
//! The fields of the plugin are its configuration, read from the `config` of its `[plugins.NAME]`. A useful plugin:
//!
//! ```
//! use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Vip { table: String }
//!
//! impl Plugin for Vip {
//!     fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
//!         let row = host.lookup(&self.table, &call.caller)?;
//!         Ok(if row.is_some() { Outcome::proceed().set_header("X-Vip", "yes") } else { Outcome::proceed() })
//!     }
//! }
//! export!(Vip);
//!
//! // In `cargo test` the same function runs natively, against tables that the test makes up:
//! use trunkline_plugin::{Row, testing::{FakeHost, call, configured}};
//! let host = FakeHost::new().row("vips", "12025550123", Row::new());
//! let vip: Vip = configured(r#"{ "table": "vips" }"#);
//! let outcome = vip.handle(&call("12025550123", "12125550100"), &host).unwrap();
//! assert_eq!(outcome, Outcome::proceed().set_header("X-Vip", "yes"));
//! ```
//!
//! The crate is a `cdylib` for the component and, for native tests, an `rlib`:
//! `[lib] crate-type = ["cdylib", "rlib"]`.
//!
//! # What a plugin can rely on
//!
//! - One instance handles one call at a time. Fields may hold what is worth keeping between calls, but an instance can
//!   be thrown away at any moment and there are many: nothing that matters lives in them.
//! - `Err` is a failure of the stage, as a panic is: the stage's `on-failure` decides whether it is skipped or the
//!   call refused. To refuse a call on purpose, answer [`Outcome::reject`].
//! - The text of a panic is written to the host's log before the instance dies.
//! - Memory is given back and taken again cheaply, in blocks of 16 to 1,024 bytes. A plugin that wants another
//!   `#[global_allocator]` turns off the crate's feature `allocator`.
//! - No WASI: no files, sockets, threads, environment or randomness; time is [`Host::now`].

pub mod config;
pub mod number;
pub mod privacy;
pub mod testing;
pub mod uri;

#[cfg(any(test, all(target_family = "wasm", feature = "allocator")))]
mod allocator;
#[doc(hidden)]
pub mod bindings;
mod call;
mod decimal;
mod error;
#[doc(hidden)]
pub mod guest;
mod host;
mod outcome;
mod plugin;
mod row;

pub use bindings::trunkline::routing::lookups::Query;
pub use bindings::trunkline::routing::services::{Method, Request, Response};
pub use bindings::trunkline::routing::telemetry::Level;
pub use bindings::trunkline::routing::types::{
    Attribute, Call, Digest, Edit, Field, Header, Outcome, Rate, Rejection, Route, Transport, Value, Verdict,
};
pub use decimal::{Decimal, ParseDecimalError};
pub use error::{Error, FieldError, LookupError, LookupFailure, ServiceError, ServiceFailure};
pub use host::Host;
pub use plugin::Plugin;
pub use row::Row;

#[cfg(all(target_family = "wasm", feature = "allocator"))]
#[global_allocator]
static MEMORY: allocator::Blocks = allocator::Blocks::new();

/// The README's examples are doc tests of their own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
