//! One named service: a client by the scheme of its URL, and the gate before it.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::client::{DnsClient, HttpClient, MemcachedClient, RedisClient, Request, Response, SqlClient, is_healthy};
use super::clock::Clock;
use super::error::{Problem, ServiceError, Trouble};
use super::events::Events;
use super::gate::{Admission, Gate};
use crate::config::model;
use crate::locate::Names;

/// A named service.
#[derive(Debug)]
pub(super) struct Service {
    name: Arc<str>,
    config: model::Service,
    gate: Gate,
    client: Client,
}

/// What all services of a configuration share.
pub(super) struct Means<'a> {
    /// Where relative paths count from.
    pub(super) folder: &'a Path,
    pub(super) office: &'a Handle,
    pub(super) names: &'a Arc<Names>,
}

/// By what it is spoken to.
#[derive(Debug)]
pub(super) enum Client {
    Http(HttpClient),
    Redis(RedisClient),
    Memcached(MemcachedClient),
    Sql(SqlClient),
    Dns(DnsClient),
}

impl Client {
    /// By the scheme of the URL.
    fn new(name: &str, config: &model::Service, means: &Means<'_>) -> Result<Self, Vec<Problem>> {
        let Means { folder, office, names } = *means;
        match config.url.split_once(':').map_or("", |(scheme, _)| scheme) {
            "redis" | "rediss" => RedisClient::new(name, config, folder, office).map(Self::Redis),
            "memcached" => MemcachedClient::new(name, config).map(Self::Memcached),
            "postgres" | "postgresql" | "sqlite" => SqlClient::new(name, config, folder, office).map(Self::Sql),
            "dns" => DnsClient::new(name, config).map(Self::Dns),
            _ => HttpClient::new(name, config, names).map(Self::Http),
        }
    }

    /// The problem of a table at `place` whose source needs another kind of service than `service` is.
    pub(super) fn is_not(&self, wanted: &str, service: &str, place: &str) -> Problem {
        let own = match self {
            Self::Http(_) => "HTTP",
            Self::Redis(_) => "Redis",
            Self::Memcached(_) => "Memcached",
            Self::Sql(_) => "a database",
            Self::Dns(_) => "DNS",
        };
        Problem::new(format!("{place}.service"), format!("`{service}` is {own} by its URL; this source needs {wanted}"))
    }
}

impl Service {
    pub(super) fn new(
        name: &str,
        config: &model::Service,
        means: &Means<'_>,
        clock: Clock,
        events: Events,
    ) -> Result<Self, Vec<Problem>> {
        let place = |key: &str| format!("services.{name}.{key}");
        let mut problems = Vec::new();
        let mut check = |fine: bool, key: &str, message: &str| {
            if !fine {
                problems.push(Problem::new(place(key), message));
            }
        };
        check(!config.deadline.get().is_zero(), "deadline", "must be longer than 0, such as `50ms`");
        let concurrent = 1..=Semaphore::MAX_PERMITS;
        check(concurrent.contains(&config.max_concurrent), "max-concurrent", "must be at least 1, such as `256`");
        let failures = 1..=10_000;
        check(failures.contains(&config.breaker.failures), "breaker.failures", "must be 1 to 10,000, such as `5`");
        let client = Client::new(name, config, means).map_err(|found| problems.extend(found));
        let (Ok(client), true) = (client, problems.is_empty()) else { return Err(problems) };
        Ok(Self { name: name.into(), config: config.clone(), gate: Gate::new(name, config, clock, events), client })
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether it is what this configuration asks for, and finds its host by these names.
    pub(super) fn still_holds(&self, config: &model::Service, names: &Arc<Names>) -> bool {
        let finds = match &self.client {
            Client::Http(http) => http.goes_by(names),
            _ => true,
        };
        finds && self.config == *config
    }

    /// What it was made from.
    pub(super) fn config(&self) -> &model::Service {
        &self.config
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a plugin's request. Runs on the back office.
    pub(super) async fn call(&self, admission: Admission, request: reqwest::Request) -> Result<Response, ServiceError> {
        let http = self.http()?;
        let work = async {
            let response = http.exchange(request).await.map_err(|why| self.failed(&why))?;
            Ok((is_healthy(response.status), response))
        };
        self.gate.pass(admission, work).await
    }

    /// The request that [`Service::call`] sends.
    pub(super) fn prepare(&self, request: Request) -> Result<reqwest::Request, ServiceError> {
        self.http()?.prepare(request)
    }

    fn http(&self) -> Result<&HttpClient, ServiceError> {
        match &self.client {
            Client::Http(http) => Ok(http),
            _ => Err(ServiceError::BadRequest(format!("service `{}` is not asked by HTTP", self.name).into())),
        }
    }

    /// `why` is the rest of a sentence.
    pub(super) fn failed(&self, why: &str) -> ServiceError {
        self.unavailable(Trouble::Failed, why)
    }

    pub(super) fn unavailable(&self, trouble: Trouble, why: &str) -> ServiceError {
        ServiceError::Unavailable(trouble, format!("service `{}`: {why}", self.name).into())
    }
}
