//! What stands before every service: its breaker, how many requests may be out and may wait, and the deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::breaker::{Breaker, Ticket};
use super::clock::Clock;
use super::error::{ServiceError, Trouble};
use super::events::Events;
use crate::config::model;

/// See the module.
#[derive(Debug)]
pub(super) struct Gate {
    deadline: Duration,
    /// Requests that are out.
    permits: Arc<Semaphore>,
    /// Requests that are out or wait for one of those to end.
    places: Arc<Semaphore>,
    breaker: Arc<Breaker>,
    /// Made once: refusing must cost nanoseconds.
    open: ServiceError,
    busy: ServiceError,
}

/// The leave to send one request, now or as soon as another has ended.
#[derive(Debug)]
pub(super) struct Admission {
    ticket: Ticket,
    permits: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

impl Gate {
    /// `config` has been checked: there is at least one permit.
    pub(super) fn new(name: &str, config: &model::Service, clock: Clock, events: Events) -> Self {
        let deadline = config.deadline.get();
        let places = config.max_concurrent.saturating_add(config.max_queued).min(Semaphore::MAX_PERMITS);
        let refusal =
            |trouble, why: &str| ServiceError::Unavailable(trouble, format!("service `{name}`: {why}").into());
        let busy = format!("{} requests at once and {} waiting already", config.max_concurrent, config.max_queued);
        Self {
            deadline,
            permits: Arc::new(Semaphore::new(config.max_concurrent.clamp(1, Semaphore::MAX_PERMITS))),
            places: Arc::new(Semaphore::new(places)),
            breaker: Arc::new(Breaker::new(name.into(), &config.breaker, deadline, clock, events)),
            open: refusal(Trouble::Breaker, "breaker open"),
            busy: refusal(Trouble::Busy, &busy),
        }
    }

    /// The leave to send a request; never waits.
    pub(super) fn admit(&self) -> Result<Admission, ServiceError> {
        // The breaker first: refusing by it must not need a place. A ticket that is then dropped gives a probe back.
        let ticket = self.breaker.admit().ok_or_else(|| self.open.clone())?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| self.busy.clone())?;
        Ok(Admission { ticket, permits: Arc::clone(&self.permits), _place: place })
    }

    /// As [`Gate::pass_within`], within the service's own deadline.
    pub(super) async fn pass<T>(
        &self,
        admission: Admission,
        work: impl Future<Output = Result<(bool, T), ServiceError>>,
    ) -> Result<T, ServiceError> {
        self.pass_within(Instant::now(), self.deadline, admission, work).await
    }

    /// Does `work` when its turn has come; what went before since `began`, the waiting and the work together end at the
    /// deadline. The turn comes while half of it is left, or not at all: what is sent then has the other half, and that it
    /// was cut says something of the service, unless what went before had taken half. The work's result says whether the
    /// answer speaks for the service; the breaker learns by it. Runs on the back office.
    pub(super) async fn pass_within<T>(
        &self,
        began: Instant,
        deadline: Duration,
        admission: Admission,
        work: impl Future<Output = Result<(bool, T), ServiceError>>,
    ) -> Result<T, ServiceError> {
        let Admission { ticket, permits, _place } = admission;
        let before = began.elapsed();
        // One that waited in vain says nothing of the service: its ticket is dropped.
        let turn = tokio::time::timeout((deadline / 2).saturating_sub(before), permits.acquire_owned()).await;
        let Ok(Ok(_permit)) = turn else { return Err(self.busy.clone()) };
        let sent = Instant::now();
        match tokio::time::timeout(deadline.saturating_sub(sent - began), work).await {
            Ok(Ok((well, answer))) => {
                ticket.ended(well, sent.elapsed());
                Ok(answer)
            }
            Ok(Err(error)) => {
                ticket.ended(false, sent.elapsed());
                Err(error)
            }
            Err(_) => {
                if before < deadline / 2 {
                    // As slow as one that did not wait for its turn and was cut.
                    ticket.ended(false, deadline);
                }
                Err(ServiceError::Deadline)
            }
        }
    }

    /// How long a request may take, where a table says nothing else.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_is_not_blamed_for_what_was_cut_since_something_before_it_took_half_of_the_time() {
        const DEADLINE: Duration = Duration::from_millis(40);
        let config: model::Service =
            toml::from_str("url = 'http://lrn.test'\ndeadline = '40ms'\nbreaker = { failures = 1 }")
                .expect("a service");
        let gate = Gate::new("lrn", &config, Clock::new(), Events::default());
        for (before, opens) in [(DEADLINE / 2, false), (DEADLINE / 4, true)] {
            let admission = gate.admit().expect("it is closed");
            let began = Instant::now().checked_sub(before).expect("a machine that runs for a while");
            let never = std::future::pending::<Result<(bool, ()), ServiceError>>();
            let cut = gate.pass_within(began, DEADLINE, admission, never).await;
            assert!(matches!(cut, Err(ServiceError::Deadline)), "{cut:?}");
            assert_eq!(gate.breaker().is_open(), opens, "{before:?} were over");
        }
    }
}
