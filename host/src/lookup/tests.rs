//! Tables and services against a real HTTP server on loopback that misbehaves as it is told.
//!
//! Ageing and cooling down run on a clock that the tests move; only the services' deadlines are real time.

mod cache;
mod faults;
mod files;
mod policy;
mod reloads;
mod server;
mod services;
mod warm;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::clock::Clock;
use super::row::Value;
use super::services::Services;
use super::tables::Tables;
use super::{Answer, LookupError, Probe, Table, Trouble};
use crate::config::model::{Config, Dns};
use crate::locate::Names;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// A table `lrn` and the service `api` behind it.
struct Rig {
    table: Arc<Table>,
    services: Services,
    clock: Clock,
}

/// The hosts of a test are addresses.
fn names() -> Arc<Names> {
    Names::new(&Dns::default(), Handle::current(), Arc::default())
}

/// `service` and `table` are further lines of their TOML tables.
fn rig(url: &str, service: &str, table: &str) -> Rig {
    let text = format!(
        "[services.api]\nurl = \"{url}\"\n{service}\n\
         [tables.lrn]\nsource = {{ http = {{ service = \"api\", path = \"/lrn/{{key}}\", field = \"lrn\" }} }}\n{table}"
    );
    let config: Config = toml::from_str(&text).unwrap();
    let clock = Clock::new();
    let (services, problems) = Services::with_clock(&config, Path::new("."), names(), Handle::current(), clock.clone());
    assert_eq!(problems, []);
    let (tables, problems) = Tables::new(&config.tables, Path::new("."), &services);
    assert_eq!(problems, []);
    Rig { table: Arc::clone(tables.get("lrn").unwrap()), services, clock }
}

/// For tests that are not about the deadline.
const PATIENT: &str = "deadline = \"30s\"";

impl Rig {
    async fn look(&self, key: &str) -> Answer {
        match self.table.probe(key) {
            Probe::Ready(answer) => answer,
            Probe::Pending(load) => load.await,
        }
    }

    /// The answer from memory; none where the source would have to be asked.
    #[track_caller]
    fn at_once(&self, key: &str) -> Answer {
        match self.table.probe(key) {
            Probe::Ready(answer) => answer,
            Probe::Pending(_) => panic!("`{key}` is not in memory"),
        }
    }
}

/// The LRN in a row.
#[track_caller]
fn lrn(answer: Answer) -> Option<String> {
    let row = answer.expect("an answer")?;
    match row.get("lrn") {
        Some(Value::Text(text)) => Some(text.to_string()),
        other => panic!("no lrn: {other:?}"),
    }
}

#[track_caller]
fn unavailable(answer: Answer) -> String {
    match answer {
        Err(LookupError::Unavailable(_, why)) => why.to_string(),
        other => panic!("not unavailable: {other:?}"),
    }
}
