//! The named services. Plugins and tables can reach no other address.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::runtime::Handle;

use super::breaker::Hold;
use super::client::{Request, Response};
use super::clock::Clock;
use super::error::{Problem, ServiceError, Trouble};
use super::events::Events;
use super::service::{Means, Service};
use crate::config::model;
use crate::locate::Names;

/// The configured services. A clone is the same services.
#[derive(Debug, Clone)]
pub struct Services {
    named: Arc<Named>,
    back_office: Handle,
    names: Arc<Names>,
    clock: Clock,
    events: Events,
    current: Current,
}

/// By their names in the configuration.
pub(super) type Named = HashMap<String, Arc<Service>>;

/// Those in use now, of all that came of one another by reloads.
type Current = Arc<ArcSwapOption<Named>>;

/// A snapshot of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceStats {
    /// Whether its breaker refuses requests now.
    pub open: bool,
    /// Whether it would try one request now, and refuses the others.
    pub half_open: bool,
    /// How often its breaker went from closed to open by itself.
    pub times_opened: u64,
    /// Who decides over its breaker.
    pub hold: Hold,
}

impl Services {
    /// Builds the services that can be built, and says what is wrong with the others.
    /// Relative paths count from `folder`; `names` know where hosts are. Requests run on the `back_office` runtime, which
    /// needs its I/O and time drivers.
    pub fn new(config: &model::Config, folder: &Path, names: Arc<Names>, back_office: Handle) -> (Self, Vec<Problem>) {
        Self::with_clock(config, folder, names, back_office, Clock::new())
    }

    /// The services of another configuration. One whose part has not changed lives on, with its connections and its
    /// breaker.
    pub(super) fn renewed(&self, config: &model::Config, folder: &Path) -> (Self, Vec<Problem>) {
        let names = self.names.renewed(&config.dns);
        let empty = Self { named: Arc::default(), names, ..self.clone() };
        empty.filled(&patient(config), folder, &self.named)
    }

    pub(super) fn with_clock(
        config: &model::Config,
        folder: &Path,
        names: Arc<Names>,
        back_office: Handle,
        clock: Clock,
    ) -> (Self, Vec<Problem>) {
        let (events, current) = (Events::default(), Current::default());
        let empty = Self { named: Arc::default(), back_office, names, clock, events, current };
        empty.filled(&patient(config), folder, &HashMap::new())
    }

    fn filled(mut self, config: &model::Named<model::Service>, folder: &Path, before: &Named) -> (Self, Vec<Problem>) {
        let (mut named, mut problems) = (HashMap::new(), Vec::new());
        let means = Means { folder, office: &self.back_office, names: &self.names };
        for (name, service) in config {
            if let Some(same) = before.get(name).filter(|before| before.still_holds(service, &self.names)) {
                named.insert(name.clone(), Arc::clone(same));
                continue;
            }
            match Service::new(name, service, &means, self.clock.clone(), self.events.clone()) {
                Ok(service) => drop(named.insert(name.clone(), Arc::new(service))),
                Err(found) => problems.extend(found),
            }
        }
        self.named = Arc::new(named);
        (self, problems)
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
                ended.unwrap_or_else(|_| {
                    Err(ServiceError::Unavailable(Trouble::Failed, "the node is shutting down".into()))
                })
            })),
            Err(error) => Either::Right(std::future::ready(Err(error))),
        }
    }

    /// A service's numbers.
    pub fn stats(&self, name: &str) -> Option<ServiceStats> {
        let breaker = self.named.get(name)?.gate().breaker();
        Some(ServiceStats {
            open: breaker.is_open(),
            half_open: breaker.is_half_open(),
            times_opened: breaker.times_opened(),
            hold: breaker.hold(),
        })
    }

    /// An operator decides over a service's breaker; false where there is no such service.
    pub fn set_breaker(&self, name: &str, hold: Hold) -> bool {
        let service = self.named.get(name);
        if let Some(service) = service {
            service.gate().breaker().set_hold(hold);
        }
        service.is_some()
    }

    /// Where breakers tell that they have opened or closed.
    pub fn events(&self) -> &Events {
        &self.events
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
        let admission = service.gate().admit()?;
        Ok(self.back_office.spawn(async move { service.call(admission, request).await }))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Service>> {
        self.named.get(name)
    }

    pub(super) fn named(&self) -> Arc<Named> {
        Arc::clone(&self.named)
    }

    pub(super) fn current(&self) -> &Current {
        &self.current
    }

    pub(super) fn back_office(&self) -> &Handle {
        &self.back_office
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// The services, each as patient as the most patient table that asks it: what cuts a request is its table's deadline, and
/// nothing within a client before it.
fn patient(config: &model::Config) -> model::Named<model::Service> {
    let mut services = config.services.clone();
    for table in config.tables.values() {
        let asked = table.source.service().and_then(|name| services.get_mut(name));
        if let (Some(service), Some(deadline)) = (asked, table.deadline)
            && deadline > service.deadline
        {
            service.longest = Some(service.longest.map_or(deadline, |longest| longest.max(deadline)));
        }
    }
    services
}
