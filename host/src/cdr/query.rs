//! Reading records back: from a SQLite store or straight from a journal. What `trunkline cdr` prints comes from here.

mod filter;
mod journal;
mod sqlite;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::bail;

pub use self::filter::Filter;
pub use self::journal::Tail;
use super::record::{CallRecord, RecordKey};
use crate::config::model;

/// Where records are read from. Reading takes no lock: the router may run beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The file of a `sql` store.
    Sqlite(PathBuf),
    /// The journal's folder: what every store has is gone from here after a while.
    Journal(PathBuf),
}

impl Source {
    /// The store of this name, or else the first SQL store, or else the journal. Relative paths count from `base`.
    pub fn of(config: &model::Cdr, base: &Path, store: Option<&str>) -> anyhow::Result<Self> {
        let sqlite = |store: &model::SqlStore| super::shippers::sqlite_path(&store.url, base).map(Self::Sqlite);
        match store {
            Some("journal") => Ok(Self::Journal(base.join(&config.journal))),
            Some(name) => match config.stores.get(name) {
                Some(model::Store::Sql(store)) => sqlite(store),
                Some(model::Store::Files(_)) => {
                    bail!("`cdr.stores.{name}` is a store of files: read them as they are, or ask for `journal`")
                }
                None => {
                    let known: Vec<&str> = config.stores.keys().map(String::as_str).collect();
                    bail!("there is no store `{name}`: the configuration has {}, and `journal`", known.join(", "))
                }
            },
            None => config
                .stores
                .values()
                .find_map(|store| match store {
                    model::Store::Sql(store) => Some(sqlite(store)),
                    model::Store::Files(_) => None,
                })
                .unwrap_or_else(|| Ok(Self::Journal(base.join(&config.journal)))),
        }
    }

    /// The newest records that pass, at most `limit`, oldest first.
    pub async fn list(&self, filter: &Filter, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
        match self {
            Self::Sqlite(path) => sqlite::list(path, filter, limit).await,
            Self::Journal(folder) => {
                let (folder, filter) = (folder.clone(), filter.clone());
                tokio::task::spawn_blocking(move || journal::list(&folder, &filter, limit)).await?
            }
        }
    }

    /// All records of one call: by Call-ID, or by `NODE/EPOCH/SEQUENCE`.
    pub async fn show(&self, call: &str) -> anyhow::Result<Vec<CallRecord>> {
        let by_key = match parse_key(call) {
            Some(key) => self.list(&Filter { key: Some(key), ..Filter::default() }, 1).await?,
            None => Vec::new(),
        };
        if by_key.is_empty() {
            return self.list(&Filter { call_id: Some(call.to_owned()), ..Filter::default() }, 1_000).await;
        }
        Ok(by_key)
    }
}

/// A key as a message id writes it: `NODE/EPOCH/SEQUENCE`.
fn parse_key(text: &str) -> Option<RecordKey> {
    let (rest, sequence) = text.rsplit_once('/')?;
    let (node, epoch) = rest.rsplit_once('/')?;
    Some(RecordKey { node: node.into(), epoch: epoch.parse().ok()?, sequence: sequence.parse().ok()? })
}
