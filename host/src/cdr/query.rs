//! Reading records back: from a database, from files, or straight from a journal. What `trunkline cdr` prints comes
//! from here.

mod filter;
mod journal;
mod postgres;
mod scan;
mod sqlite;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};

pub use self::filter::Filter;
use self::filter::VERDICTS;
pub use self::journal::Tail;
pub use self::scan::{Journal, PAGE, Scan};
use super::record::{CallRecord, RecordKey};
use crate::config::model;
use crate::postgres::Database;

/// Where records are read from. Reading takes no lock: the router may run beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The file of a `sql` store.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL database that a router ships to, or of a ledger's.
    Postgres(String),
    /// The journal's folder: what every store has is gone from here after a while.
    Journal(PathBuf),
    /// The folder of a `files` store: JSON lines.
    Files(PathBuf),
}

impl Source {
    /// The store of this name, or else the first SQL store, or else the journal. Relative paths count from `base`.
    pub fn of(config: &model::Cdr, base: &Path, store: Option<&str>) -> anyhow::Result<Self> {
        let sql = |store: &model::SqlStore| match store.url.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(store.url.clone())),
            _ => super::shippers::sqlite_path(&store.url, base).map(Self::Sqlite),
        };
        match store {
            Some("journal") => Ok(Self::Journal(base.join(&config.journal))),
            Some(name) => match config.stores.get(name) {
                Some(model::Store::Sql(store)) => sql(store),
                Some(model::Store::Files(store)) => Ok(Self::Files(base.join(&store.folder))),
                Some(model::Store::Http(_)) => bail!("`{name}` is a webhook: what it was sent cannot be read back"),
                None => {
                    let known: Vec<&str> = config.stores.keys().map(String::as_str).collect();
                    bail!("there is no store `{name}`: the configuration has {}, and `journal`", known.join(", "))
                }
            },
            None => config
                .stores
                .values()
                .find_map(|store| match store {
                    model::Store::Sql(store) => Some(sql(store)),
                    model::Store::Files(_) | model::Store::Http(_) => None,
                })
                .unwrap_or_else(|| Ok(Self::Journal(base.join(&config.journal)))),
        }
    }

    /// Whether it is a database that a ledger writes: its calls are rated.
    ///
    /// # Errors
    ///
    /// The database does not answer.
    pub(super) async fn is_ledger(&self) -> anyhow::Result<bool> {
        let Self::Postgres(url) = self else { return Ok(false) };
        Ok(postgres::open(url).await?.1 == postgres::Calls::Ledger)
    }

    /// The newest records that pass, at most `limit`, oldest first.
    pub async fn list(&self, filter: &Filter, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
        match self {
            Self::Sqlite(path) => sqlite::list(path, filter, limit).await,
            Self::Postgres(url) => postgres::list(url, filter, limit).await,
            Self::Files(folder) => scan::list_files(folder, filter, limit),
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

impl FromStr for Source {
    type Err = anyhow::Error;

    /// `postgres://…`, `sqlite:PATH`, `journal:FOLDER` or `files:FOLDER`; relative paths count from here.
    fn from_str(url: &str) -> anyhow::Result<Self> {
        const KINDS: &str = "write `postgres://…`, `sqlite:PATH`, `journal:FOLDER` or `files:FOLDER`";
        let (scheme, rest) = url.split_once(':').context(KINDS)?;
        match scheme {
            "postgres" | "postgresql" => {
                Database::new(url)?;
                Ok(Self::Postgres(url.to_owned()))
            }
            "sqlite" => super::shippers::sqlite_path(url, Path::new("")).map(Self::Sqlite),
            "journal" => Ok(Self::Journal(rest.into())),
            "files" => Ok(Self::Files(rest.into())),
            _ => bail!(KINDS),
        }
    }
}

impl fmt::Display for Source {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "SQLite {}", path.display()),
            Self::Postgres(url) => {
                let database = Database::new(url);
                write!(f, "PostgreSQL {}", database.as_ref().map_or("?", Database::place))
            }
            Self::Journal(folder) => write!(f, "the journal {}", folder.display()),
            Self::Files(folder) => write!(f, "the files in {}", folder.display()),
        }
    }
}

/// A key as a message id writes it: `NODE/EPOCH/SEQUENCE`.
fn parse_key(text: &str) -> Option<RecordKey> {
    let (rest, sequence) = text.rsplit_once('/')?;
    let (node, epoch) = rest.rsplit_once('/')?;
    Some(RecordKey { node: node.into(), epoch: epoch.parse().ok()?, sequence: sequence.parse().ok()? })
}
