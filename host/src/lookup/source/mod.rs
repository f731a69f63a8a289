//! Where a cached table's rows come from, key by key.

mod dns;
mod enumservice;
mod http;
mod memcached;
mod redis;
pub(super) mod sql;
mod template;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::dns::DnsRows;
use self::http::HttpRows;
use self::memcached::MemcachedRows;
use self::redis::RedisRows;
use self::sql::SqlRows;
use super::error::{LookupError, Problem, ServiceError, Trouble};
use super::gate::Admission;
use super::row::Row;
use super::service::Service;
use super::services::Services;
use crate::config::model;

/// What a source gives for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// `None`: it has no such row.
    pub(super) row: Option<Row>,
    /// How long the source itself says that this holds, where it does.
    pub(super) ttl: Option<Duration>,
}

impl From<Option<Row>> for Given {
    fn from(row: Option<Row>) -> Self {
        Self { row, ttl: None }
    }
}

/// What came of asking: whether it speaks for the service, and the row or what is wrong with the answer.
type Asked = Result<(bool, Result<Given, (Trouble, String)>), ServiceError>;

/// A source that is asked for one key at a time.
#[derive(Debug)]
pub(super) enum Source {
    Http(HttpRows),
    Redis(RedisRows),
    Memcached(MemcachedRows),
    Sql(SqlRows),
    Dns(DnsRows),
}

impl Source {
    /// `name` is the table's. `None` where its source is one that is held whole.
    pub(super) fn new(name: &str, config: &model::Source, services: &Services) -> Option<Result<Self, Vec<Problem>>> {
        let place = |kind: &str| format!("tables.{name}.source.{kind}");
        Some(match config {
            model::Source::Csv(_) | model::Source::Json(_) => return None,
            model::Source::Http(it) => HttpRows::new(it, services, &place("http")).map(Self::Http),
            model::Source::Redis(it) => RedisRows::new(it, services, &place("redis")).map(Self::Redis),
            model::Source::Memcached(it) => MemcachedRows::new(it, services, &place("memcached")).map(Self::Memcached),
            model::Source::Sql(it) => SqlRows::new(it, services, &place("sql")).map(Self::Sql),
            model::Source::Enum(it) => DnsRows::of_enum(it, services, &place("enum")).map(Self::Dns),
            model::Source::Dns(it) => DnsRows::of_dns(it, services, &place("dns")).map(Self::Dns),
        })
    }

    /// Behind whose gate it stands.
    pub(super) fn service(&self) -> &Arc<Service> {
        match self {
            Self::Http(rows) => rows.service(),
            Self::Redis(rows) => rows.service(),
            Self::Memcached(rows) => rows.service(),
            Self::Sql(rows) => rows.service(),
            Self::Dns(rows) => rows.service(),
        }
    }

    /// Refuses what cannot be a key of this source, before it costs anything.
    pub(super) fn check(&self, key: &str) -> Result<(), LookupError> {
        match self {
            Self::Http(_) => HttpRows::check(key),
            Self::Memcached(rows) => rows.check(key),
            Self::Dns(rows) => rows.check(key),
            Self::Redis(_) | Self::Sql(_) => Ok(()),
        }
    }

    /// The row under a key, what went before since `began` and its wait for a turn included in the deadline. Runs on the
    /// back office.
    pub(super) async fn load(
        &self,
        admission: Admission,
        began: Instant,
        deadline: Duration,
        key: &str,
    ) -> Result<Given, LookupError> {
        let service = self.service();
        match service.gate().pass_within(began, deadline, admission, self.ask(key)).await {
            Ok(Ok(given)) => Ok(given),
            Ok(Err((trouble, why))) => Err(service.unavailable(trouble, &why).into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn ask(&self, key: &str) -> Asked {
        match self {
            Self::Http(rows) => rows.load(key).await,
            Self::Redis(rows) => rows.load(key).await,
            Self::Memcached(rows) => rows.load(key).await,
            Self::Sql(rows) => rows.load(key).await,
            Self::Dns(rows) => rows.load(key).await,
        }
    }
}

/// The service of this name; `place` is the source's key in the configuration.
fn service_of(name: &str, services: &Services, place: &str) -> Result<Arc<Service>, Problem> {
    services.get(name).cloned().ok_or_else(|| {
        let mut names: Vec<_> = services.names().map(|name| format!("`{name}`")).collect();
        names.sort();
        let known = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
        let message = format!("`{name}` is not a usable service of `[services]`; usable: {known}");
        Problem::new(format!("{place}.service"), message)
    })
}
