//! One load at a time for a key, whose answer all who wait for the key share.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::oneshot;

use super::error::{LookupError, Trouble};
use super::row::Row;

/// What a look-up ends with.
pub type Answer = Result<Option<Row>, LookupError>;

/// Waits for a load that is under way, until the table's deadline at the longest. A stage with less time drops it:
/// that ends the waiting, never the load, which may serve the next call.
///
/// May be polled on any thread, within any runtime or none.
#[derive(Debug, Clone)]
#[must_use = "it does nothing unless it is awaited"]
pub struct Load(Shared<oneshot::Receiver<Answer>>);

impl Future for Load {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let received = ready!(self.0.poll_unpin(context));
        // The sender is dropped when its task dies: at shutdown, or by a panic that must not hang a call.
        Poll::Ready(
            received.unwrap_or_else(|_| Err(LookupError::Unavailable(Trouble::Failed, "the load was given up".into()))),
        )
    }
}

/// The loads of one table that are under way. Their number is bounded by the service's `max-concurrent`.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Arc<str>, Load>>);

/// The loads, locked: between "is it under way?" and "then it starts" nobody else can start it.
pub(super) struct Board<'a> {
    flights: &'a Arc<Flights>,
    going: MutexGuard<'a, HashMap<Arc<str>, Load>>,
}

/// The duty to end a load. Dropping it gives the load up.
pub(super) struct Landing {
    flights: Arc<Flights>,
    key: Arc<str>,
    waiters: Option<oneshot::Sender<Answer>>,
}

impl Flights {
    pub(super) fn board(self: &Arc<Self>) -> Board<'_> {
        Board { flights: self, going: self.lock() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Load>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board<'_> {
    /// The load of this key, where one is under way.
    pub(super) fn under_way(&self, key: &str) -> Option<&Load> {
        self.going.get(key)
    }

    /// Starts the load of a key that is not under way.
    pub(super) fn start(mut self, key: &str) -> (Landing, Load) {
        let (sender, receiver) = oneshot::channel();
        let (key, load) = (Arc::from(key), Load(receiver.shared()));
        self.going.insert(Arc::clone(&key), load.clone());
        (Landing { flights: Arc::clone(self.flights), key, waiters: Some(sender) }, load)
    }
}

impl Landing {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Gives all waiters the answer. A row must be in the cache by now, else the next call loads it again.
    pub(super) fn land(mut self, answer: Answer) {
        self.flights.lock().remove(&self.key);
        if let Some(waiters) = self.waiters.take() {
            // Nobody may be waiting any more.
            let _ = waiters.send(answer);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.waiters.is_some() {
            self.flights.lock().remove(&self.key);
        }
    }
}
