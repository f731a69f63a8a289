//! Tables against real servers: Redis, Memcached, PostgreSQL, SQLite, DNS, and files that change.

mod databases;
mod files;
mod http;
mod names;
mod night;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use trunkline::config::model::Config;
use trunkline::lookup::{self, Answer, Probe, Services, Table, Tables};
use trunkline_tests::until;

/// The tables of a configuration, as a running node has them.
struct Node {
    office: Runtime,
    tables: Tables,
    services: Services,
    folder: TempDir,
}

impl Node {
    fn start(text: &str) -> Result<Self> {
        Self::in_folder(TempDir::new()?, text)
    }

    fn in_folder(folder: TempDir, text: &str) -> Result<Self> {
        let office = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let config: Config = toml::from_str(text)?;
        let built = lookup::build(&config, folder.path(), office.handle(), Arc::default());
        let (tables, services) = built.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        tables.begin(&folder.path().join("state"));
        Ok(Self { office, tables, services, folder })
    }

    fn table(&self, name: &str) -> Result<&Arc<Table>> {
        self.tables.get(name).with_context(|| format!("no table {name}"))
    }

    fn ask(&self, table: &str, key: &str) -> Result<Answer> {
        Ok(match self.table(table)?.probe(key) {
            Probe::Ready(answer) => answer,
            Probe::Pending(load) => self.office.block_on(load),
        })
    }

    /// The row as `name=value` pairs; `none` where there is no such row.
    fn row(&self, table: &str, key: &str) -> Result<String> {
        let found = self.ask(table, key)?.map_err(|error| anyhow::anyhow!("{table}[{key}]: {error}"))?;
        Ok(told(found.as_ref()))
    }

    fn wait_for(&self, table: &str, key: &str, row: &str) -> Result<()> {
        until(&format!("{table}[{key}] to be {row}"), Duration::from_secs(10), || {
            Ok(self.ask(table, key)?.is_ok_and(|found| told(found.as_ref()) == row).then_some(()))
        })
    }
}

fn told(row: Option<&lookup::row::Row>) -> String {
    let Some(row) = row else { return "none".to_owned() };
    let fields = row.fields.iter().map(|field| format!("{}={}", field.name, field.value));
    fields.collect::<Vec<_>>().join(" ")
}
