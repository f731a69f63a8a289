//! Where a gateway is: at the address in its URI, or where its name leads, asked for in the background.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::locate::{LocateError, Locator, Order, Place, Targets};
use crate::sip::decision::Destination;
use crate::sip::flow::Transport;
use crate::sip::uri::{Scheme, Uri};

/// How long after a failure a name is asked for again.
const RETRY: Duration = Duration::from_secs(5);

/// Read by every call, written by whoever resolves.
#[derive(Debug)]
pub(super) struct Whereabouts {
    /// What is to be asked for; none where the URI holds an address.
    place: Option<Place>,
    known: ArcSwapOption<Targets>,
    /// When to ask again; none: at once.
    due: Mutex<Option<Instant>>,
    /// The last question failed: told once, not every five seconds.
    failing: AtomicBool,
}

/// The whereabouts, the protocol as far as the URI says it, and host with port as written. RFC 3261 section 19.1.2 has
/// the default ports.
pub(super) fn read(text: &str) -> Result<(Whereabouts, Transport, String), String> {
    let wrong = |why: &str| format!("`{text}` {why}; write `sip:HOST[:PORT][;transport=udp]`");
    let uri = Uri::parse(text.as_bytes()).map_err(|error| wrong(&format!("is no URI: {error}")))?;
    if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
        return Err(wrong("is no SIP URI"));
    }
    let named = transport(&uri).ok_or_else(|| wrong("names a transport other than udp, tcp and tls"))?;
    let secure = uri.scheme == Scheme::Sips;
    let transport = named.unwrap_or(if secure { Transport::Tls } else { Transport::Udp });
    let whereabouts = if let Some(ip) = uri.ip_addr() {
        let address = (ip, uri.port.unwrap_or(transport.default_port())).into();
        Whereabouts::new(None, Some(Targets::one(Destination { transport, address })))
    } else {
        let host = String::from_utf8_lossy(uri.host()).into_owned();
        Whereabouts::new(Some(Place { host, port: uri.port, transport: named, secure }), None)
    };
    let host_port = String::from_utf8_lossy(uri.host_port.of(text.as_bytes())).into_owned();
    Ok((whereabouts, transport, host_port))
}

/// The transport that a URI asks for; `Some(None)` where it asks for none.
#[allow(clippy::option_option, reason = "a parameter is absent, right, or wrong")]
fn transport(uri: &Uri<'_>) -> Option<Option<Transport>> {
    let Some(name) = uri.param("transport").flatten() else {
        // RFC 3263 section 4.1: `sips` leaves the choice to NAPTR only in that there is none but TLS.
        return Some((uri.scheme == Scheme::Sips).then_some(Transport::Tls));
    };
    let found = [Transport::Udp, Transport::Tcp, Transport::Tls]
        .into_iter()
        .find(|transport| name.eq_ignore_ascii_case(transport.param().as_bytes()))?;
    // `sips` over a stream is TLS over that stream (RFC 3261 section 26.2.2).
    Some(Some(if uri.scheme == Scheme::Sips { Transport::Tls } else { found }))
}

impl Whereabouts {
    fn new(place: Option<Place>, known: Option<Targets>) -> Self {
        let known = ArcSwapOption::new(known.map(Arc::new));
        Self { place, known, due: Mutex::new(None), failing: AtomicBool::new(false) }
    }

    /// The name that is asked for.
    pub(super) fn host_name(&self) -> Option<&str> {
        Some(&self.place.as_ref()?.host)
    }

    /// The addresses for one call, in the order in which it tries them; none where none is known.
    pub(super) fn order(&self) -> Order {
        self.known.load().as_ref().map(|known| known.order(|most| fastrand::u32(0..=most))).unwrap_or_default()
    }

    /// Every address that is known.
    pub(super) fn all(&self) -> Vec<Destination> {
        self.known.load().as_ref().map(|known| known.all().collect()).unwrap_or_default()
    }

    /// Takes over what is known there and not here.
    pub(super) fn remember(&self, before: &Self) {
        if self.known.load().is_none() {
            self.known.store(before.known.load_full());
        }
    }

    /// Asks again where it is time; what is known stays where there is no answer.
    pub(super) async fn refresh(&self, gateway: &str, locator: &Locator) {
        let Some(place) = self.place.as_ref().filter(|_| self.is_due()) else { return };
        let next = match locator.locate(place).await {
            Ok(located) => {
                self.failing.store(false, Relaxed);
                let before = self.known.swap(Some(Arc::new(located.targets.clone())));
                if before.as_deref() != Some(&located.targets) {
                    tracing::info!(gateway, addresses = ?self.all(), "gateway resolved");
                }
                located.fresh_for
            }
            Err(error) => {
                self.tell(gateway, &error);
                RETRY
            }
        };
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + next);
    }

    fn is_due(&self) -> bool {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|due| due <= Instant::now())
    }

    fn tell(&self, gateway: &str, error: &LocateError) {
        if !self.failing.swap(true, Relaxed) {
            let host = self.host_name().unwrap_or_default();
            tracing::warn!(gateway, host, known = ?self.all(), "gateway not resolved: {error}");
        }
    }

    #[cfg(test)]
    pub(super) fn know(&self, destination: Destination) {
        self.known.store(Some(Arc::new(Targets::one(destination))));
    }
}
