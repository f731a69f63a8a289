//! PostgreSQL and SQLite: a few connections, and rows of texts.
//!
//! Every column is cast to text by the database itself, which writes numbers exactly; what type a text becomes is the
//! table's to say, as with a CSV file. So both databases and all their types need one way.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ColumnIndex, Database, Decode, Type};
use tokio::runtime::Handle;

use crate::config::model;
use crate::lookup::error::Problem;

/// Connections to one database. Requests beyond that wait within their deadline.
const MOST_CONNECTIONS: u32 = 16;

/// The client of one service.
#[derive(Debug)]
pub(in crate::lookup) enum SqlClient {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// The texts of one row; `None` for NULL.
pub(in crate::lookup) type Texts = Vec<Option<String>>;

impl SqlClient {
    /// Connects with the first request. A relative path of SQLite counts from `folder`.
    pub(in crate::lookup) fn new(
        name: &str,
        config: &model::Service,
        folder: &Path,
        office: &Handle,
    ) -> Result<Self, Vec<Problem>> {
        let problem = |error: sqlx::Error| {
            // Not the value: it may hold a password.
            let message =
                format!("no URL of a database: {error}; such as `postgres://user@host/name` or `sqlite:file.db`");
            vec![Problem::new(format!("services.{name}.url"), message)]
        };
        let most = u32::try_from(config.max_concurrent).unwrap_or(u32::MAX).clamp(1, MOST_CONNECTIONS);
        let deadline = config.patience();
        let _runtime = office.enter();
        if let Some(path) = config.url.strip_prefix("sqlite:") {
            let path = folder.join(path.strip_prefix("//").unwrap_or(path));
            // Read only: a plugin's look-up changes nobody's data.
            let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(deadline);
            let pool = SqlitePoolOptions::new().max_connections(most).acquire_timeout(deadline);
            return Ok(Self::Sqlite(pool.connect_lazy_with(options)));
        }
        let options = PgConnectOptions::from_str(&config.url).map_err(problem)?;
        let options = options.application_name("trunkline");
        let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(deadline);
        Ok(Self::Postgres(pool.connect_lazy_with(options)))
    }

    /// The first row of a query with one parameter. The error is the rest of a sentence that names the service.
    pub(in crate::lookup) async fn first(&self, query: &Arc<str>, key: &str) -> Result<Option<Texts>, String> {
        let sql = AssertSqlSafe(Arc::clone(query));
        match self {
            Self::Postgres(pool) => {
                let row = sqlx::query(sql).bind(key).fetch_optional(pool).await.map_err(told)?;
                row.map(|row| texts(&row)).transpose()
            }
            Self::Sqlite(pool) => {
                let row = sqlx::query(sql).bind(key).fetch_optional(pool).await.map_err(told)?;
                row.map(|row| texts(&row)).transpose()
            }
        }
    }

    /// Every row of a query without parameters, one after the other. `each` may refuse one, and with it all.
    pub(in crate::lookup) async fn every(
        &self,
        query: &Arc<str>,
        mut each: impl FnMut(Texts) -> Result<(), String>,
    ) -> Result<(), String> {
        let sql = AssertSqlSafe(Arc::clone(query));
        match self {
            Self::Postgres(pool) => {
                let mut rows = sqlx::query(sql).fetch(pool);
                while let Some(row) = rows.try_next().await.map_err(told)? {
                    each(texts(&row)?)?;
                }
            }
            Self::Sqlite(pool) => {
                let mut rows = sqlx::query(sql).fetch(pool);
                while let Some(row) = rows.try_next().await.map_err(told)? {
                    each(texts(&row)?)?;
                }
            }
        }
        Ok(())
    }

    /// Hears what is notified on a channel of PostgreSQL: `on_note` for each notification, and once at the beginning,
    /// since some may have been missed before. Ends with an error when the connection breaks.
    pub(in crate::lookup) async fn listen(&self, channel: &str, mut on_note: impl FnMut()) -> Result<(), String> {
        let Self::Postgres(pool) = self else { return Err("only PostgreSQL notifies".to_owned()) };
        let mut listener = PgListener::connect_with(pool).await.map_err(told)?;
        listener.ignore_pool_close_event(true);
        listener.listen(channel).await.map_err(told)?;
        on_note();
        // A connection that was lost is made anew by the next call; what was notified meanwhile is lost.
        loop {
            listener.try_recv().await.map_err(told)?;
            on_note();
        }
    }
}

fn texts<R>(row: &R) -> Result<Texts, String>
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    (0..row.len()).map(|at| row.try_get::<Option<String>, _>(at).map_err(told)).collect()
}

/// Of a database's error its message: the rest may tell the query's parameter, a number.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: sqlx::Error) -> String {
    match &error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        other => other.to_string(),
    }
}
