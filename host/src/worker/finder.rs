//! Names that calls have met: asked for in the back office, each within the deadline of `[dns]`. The answer comes by mail.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::mail::Mail;
use crate::locate::Locator;
use crate::sip::place::Place;

/// Questions of one worker at once for names that callers choose: they must leave the gateways' their turn. What is beyond is
/// asked by the next request that wants it.
const AT_ONCE: usize = 4;
/// The same for names that calls wait for: gateways choose those, and they are few.
const AWAITED_AT_ONCE: usize = 16;

/// One worker's way to the DNS.
pub(super) struct Finder {
    office: Handle,
    free: Arc<Semaphore>,
    free_awaited: Arc<Semaphore>,
    mail: mpsc::Sender<Mail>,
}

impl Finder {
    /// Answers come to this mailbox.
    pub(super) fn new(office: Handle, mail: mpsc::Sender<Mail>) -> Self {
        let [free, free_awaited] = [AT_ONCE, AWAITED_AT_ONCE].map(|most| Arc::new(Semaphore::new(most)));
        Self { office, free, free_awaited, mail }
    }

    /// Ask where a name leads, `awaited` by a call or by none. False where there is nobody to ask, or too much is asked
    /// already.
    pub(super) fn seek(&self, locator: Option<&Arc<Locator>>, place: Place, awaited: bool) -> bool {
        let free = if awaited { &self.free_awaited } else { &self.free };
        let (Some(locator), Ok(permit)) = (locator.cloned(), Arc::clone(free).try_acquire_owned()) else {
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;
    use crate::config::model::{Dns, Listen};

    #[tokio::test]
    async fn names_that_callers_choose_take_no_turn_of_those_that_calls_wait_for() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let dns = Dns { servers: vec![silent.local_addr().expect("its address")], ..Dns::default() };
        let listen: Listen = toml::from_str("udp = ['127.0.0.1:5060']").expect("listeners");
        let locator = Arc::new(Locator::new(&dns, &listen, Arc::default()).expect("a locator"));
        let (mail, _mailbox) = mpsc::channel(1);
        let finder = Finder::new(Handle::current(), mail);
        let seek = |number: usize, awaited| {
            let place = Place { host: format!("n{number}.slow.example"), port: None, transport: None, secure: false };
            finder.seek(Some(&locator), place, awaited)
        };
        assert!((0..AT_ONCE).all(|number| seek(number, false)));
        assert!(!seek(100, false), "that is all of them");
        assert!((200..200 + AWAITED_AT_ONCE).all(|number| seek(number, true)));
        assert!(!seek(300, true), "that is all of them too");
    }
}
