//! Names that calls have met: asked for in the back office, each within the deadline of `[dns]`. The answer comes by mail.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::mail::Mail;
use crate::locate::Locator;
use crate::sip::place::Place;

/// Questions of one worker at once: callers choose the names, and must leave the gateways' their turn. What is beyond is asked
/// by a request of half a minute later.
const AT_ONCE: usize = 4;

/// One worker's way to the DNS.
pub(super) struct Finder {
    office: Handle,
    free: Arc<Semaphore>,
    mail: mpsc::Sender<Mail>,
}

impl Finder {
    /// Answers come to this mailbox.
    pub(super) fn new(office: Handle, mail: mpsc::Sender<Mail>) -> Self {
        Self { office, free: Arc::new(Semaphore::new(AT_ONCE)), mail }
    }

    /// Ask where a name leads. False where there is nobody to ask, or too much is asked already.
    pub(super) fn seek(&self, locator: Option<&Arc<Locator>>, place: Place) -> bool {
        let (Some(locator), Ok(permit)) = (locator.cloned(), Arc::clone(&self.free).try_acquire_owned()) else {
            return false;
        };
        let mail = self.mail.clone();
        drop(self.office.spawn(async move {
            let found = locator.locate(&place).await;
            drop(permit);
            let found = found.inspect_err(|error| tracing::debug!(host = place.host, %error, "name not found")).ok();
            let found = found.map(|located| {
                let order = located.targets.order(|most| fastrand::u32(0..=most));
                (order.into_iter().collect(), located.fresh_for)
            });
            // Lost where that worker is overloaded: it asks again.
            let _ = mail.try_send(Mail::Located(place, found));
        }));
        true
    }
}
