//! Connections to PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::timeout;

/// Resolving, connecting and logging in, all together.
const CONNECT: Duration = Duration::from_secs(10);
/// One statement, and one wait for a lock.
pub const STATEMENT: Duration = Duration::from_mins(1);

/// A database on a server.
#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    /// `host:port/database`: without credentials.
    place: String,
}

impl Database {
    /// Of a URL `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    ///
    /// It is none. The URL is not repeated: it may hold a password.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| anyhow!("is not a PostgreSQL URL: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"))?;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        let place = format!("{}:{}/{database}", options.get_host(), options.get_port());
        Ok(Self { options: options.disable_statement_logging(), place })
    }

    /// `host:port/database`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Opens a connection that is known to the server as `name`, at most 63 bytes.
    ///
    /// `idle` is how long a transaction may wait for its client: one that stops half-way, because its process is
    /// stopped or its machine gone, loses its locks after that.
    ///
    /// # Errors
    ///
    /// No answer within 10 s, or the server refuses.
    pub async fn connect(&self, name: &str, idle: Duration) -> anyhow::Result<PgConnection> {
        let options = self.options.clone().application_name(name).options([
            ("statement_timeout", STATEMENT.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", idle.as_millis().to_string()),
            ("lock_timeout", STATEMENT.as_millis().to_string()),
        ]);
        let opened = timeout(CONNECT, options.connect()).await;
        let opened = opened.map_err(|_| anyhow!("no answer within {CONNECT:?}")).and_then(|opened| Ok(opened?));
        opened.with_context(|| format!("cannot connect to {}", self.place))
    }
}
