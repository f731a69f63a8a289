//! The named HTTP services. Plugins and tables can reach no other address.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::runtime::Handle;

use super::clock::Clock;
use super::error::{Problem, ServiceError};
use super::service::{Request, Response, Service, is_healthy};
use crate::config::model::{self, Named};

/// The configured services. A clone is the same services.
#[derive(Debug, Clone)]
pub struct Services {
    named: Arc<HashMap<String, Arc<Service>>>,
    back_office: Handle,
    clock: Clock,
}

/// A snapshot of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceStats {
    /// Whether its breaker refuses requests now.
    pub open: bool,
    /// How often its breaker went from closed to open.
    pub times_opened: u64,
}

impl Services {
    /// Builds the services that can be built, and says what is wrong with the others.
    /// Requests run on the `back_office` runtime, which needs its I/O and time drivers.
    pub fn new(config: &Named<model::Service>, back_office: Handle) -> (Self, Vec<Problem>) {
        Self::with_clock(config, back_office, Clock::new())
    }

    /// The services of another configuration. One whose part has not changed lives on, with its connections and its
    /// breaker.
    pub(super) fn renewed(&self, config: &Named<model::Service>) -> (Self, Vec<Problem>) {
        Self::build(config, self.back_office.clone(), self.clock.clone(), &self.named)
    }

    pub(super) fn with_clock(
        config: &Named<model::Service>,
        back_office: Handle,
        clock: Clock,
    ) -> (Self, Vec<Problem>) {
        Self::build(config, back_office, clock, &HashMap::new())
    }

    fn build(
        config: &Named<model::Service>,
        back_office: Handle,
        clock: Clock,
        before: &HashMap<String, Arc<Service>>,
    ) -> (Self, Vec<Problem>) {
        let (mut named, mut problems) = (HashMap::new(), Vec::new());
        for (name, service) in config {
            if let Some(same) = before.get(name).filter(|before| before.config() == service) {
                named.insert(name.clone(), Arc::clone(same));
                continue;
            }
            match Service::new(name, service, clock.clone()) {
                Ok(service) => drop(named.insert(name.clone(), Arc::new(service))),
                Err(found) => problems.extend(found),
            }
        }
        (Self { named: Arc::new(named), back_office, clock }, problems)
    }

    /// Sends a request to a named service. May be called and awaited on any thread, within any runtime or none.
    ///
    /// Dropping the future ends the waiting; the request itself goes on to its end or its deadline.
    pub fn call(
        &self,
        name: &str,
        request: Request,
    ) -> impl Future<Output = Result<Response, ServiceError>> + Send + 'static + use<> {
        match self.start(name, request) {
            // Only a runtime that shuts down ends a task without an answer.
            Ok(task) => Either::Left(task.map(|ended| {
                ended.unwrap_or_else(|_| Err(ServiceError::Unavailable("the node is shutting down".into())))
            })),
            Err(error) => Either::Right(std::future::ready(Err(error))),
        }
    }

    /// A service's numbers.
    pub fn stats(&self, name: &str) -> Option<ServiceStats> {
        let breaker = self.named.get(name)?.breaker();
        Some(ServiceStats { open: breaker.is_open(), times_opened: breaker.times_opened() })
    }

    /// The configured names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    fn start(
        &self,
        name: &str,
        request: Request,
    ) -> Result<tokio::task::JoinHandle<Result<Response, ServiceError>>, ServiceError> {
        let service = Arc::clone(self.named.get(name).ok_or(ServiceError::UnknownService)?);
        let request = service.prepare(request)?;
        let admission = service.admit()?;
        Ok(self.back_office.spawn(async move {
            service.send(admission, request, |response| (is_healthy(response.status), response)).await
        }))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Service>> {
        self.named.get(name)
    }

    pub(super) fn back_office(&self) -> &Handle {
        &self.back_office
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}
