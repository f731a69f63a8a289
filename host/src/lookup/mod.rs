//! Cached lookups: tables that answer from memory, and load what they lack without holding any other call.
//!
//! [`Tables`] are probed on the worker threads and answer at once or with a [`Load`] to wait for; the loads and the
//! calls to [`Services`] run on the back-office runtime. The way of a miss:
//!
//! ```text
//! worker:       Table::probe ─ key ─ cache ─ flight under way? ─ breaker ─ permit ─┐        ┌─► Load wakes the stage
//! back office:                                                                     └► source ┴─► cache
//! ```

mod board;
mod breaker;
mod cached;
mod cell;
mod client;
mod clock;
mod csv;
mod dictionary;
mod digits;
mod error;
mod events;
mod exact;
mod flight;
mod gate;
mod json;
mod key;
mod origin;
mod packed;
mod prefix;
mod projection;
pub mod row;
mod rows;
mod service;
mod services;
mod shared;
mod source;
mod stats;
mod table;
mod tables;
mod webhook;
mod whole;

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;

pub use board::{Board, Written};
pub use breaker::Hold;
pub use cached::Via;
pub use client::{Method, Request, Response};
pub(crate) use client::{http_client, is_healthy};
pub use error::{LookupError, Problem, ServiceError, Trouble};
pub use events::{BreakerEvent, Events};
pub use flight::{Answer, Load};
pub use origin::{Origin, age_in_words};
pub use services::{ServiceStats, Services};
pub use shared::Purge;
pub use stats::Stats;
pub use table::{Probe, Table};
pub use tables::Tables;

use crate::config::model::Config;
use crate::locate::{DnsCounts, Names};

/// Builds the services and the tables of a configuration, or says everything that is wrong with them and their files.
/// Relative paths count from `folder`. `back_office` is the runtime that talks to the outside; `dns` counts what is asked
/// to find the services' hosts.
pub fn build(
    config: &Config,
    folder: &Path,
    back_office: &Handle,
    dns: Arc<DnsCounts>,
) -> Result<(Tables, Services), Vec<Problem>> {
    let names = Names::new(&config.dns, back_office.clone(), dns);
    let (services, mut problems) = Services::new(config, folder, names, back_office.clone());
    let (tables, found) = Tables::new(&config.tables, folder, &services);
    problems.extend(found);
    if problems.is_empty() { Ok((tables, services)) } else { Err(problems) }
}

/// Builds them anew beside `before`, which stay as they are: what has not changed in the configuration lives on in
/// both, with its cache, its connections and its breaker; files are read again.
pub fn rebuild(
    config: &Config,
    folder: &Path,
    before: (&Tables, &Services),
) -> Result<(Tables, Services), Vec<Problem>> {
    let (services, mut problems) = before.1.renewed(config, folder);
    let (tables, found) = before.0.renewed(&config.tables, folder, &services);
    problems.extend(found);
    if problems.is_empty() { Ok((tables, services)) } else { Err(problems) }
}

#[cfg(test)]
mod tests;
