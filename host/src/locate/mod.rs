//! Where a SIP host is (RFC 3263): NAPTR, SRV, A and AAAA; and where HTTP services are. Runs in the back office: no call
//! waits for it.
//!
//! [`Locator::locate`] takes a [`Place`], what a URI says, and gives [`Targets`], from which each call takes an order of
//! its own (RFC 2782). Answers are kept for their time to live and served beyond it while the servers do not answer.
//!
//! | file | what |
//! |---|---|
//! | `steps` | which questions RFC 3263 asks in which order |
//! | `dns` | one question: asked, remembered, or answered from memory |
//! | `targets` | priorities and weights |
//! | `names` | addresses of the hosts of HTTP services, which go by no RFC 3263 |

mod dns;
mod names;
mod steps;
mod targets;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use self::dns::Dns;
use self::steps::Steps;
use crate::config::model::{self, Listen};
use crate::sip::flow::Transport;

pub use self::names::{Found, Names};
pub use self::targets::{Order, Ranked, Targets};
pub use crate::sip::place::Place;

/// Where a place is.
#[derive(Debug, Clone)]
pub struct Located {
    /// Never empty.
    pub targets: Targets,
    /// How long this holds: then ask again.
    pub fresh_for: Duration,
}

/// Why a place was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// The servers say that there is nothing.
    #[error("the name leads to no address that a listener of this node can reach")]
    Nowhere,
    /// No server answered in time, and nothing was known from before.
    #[error("no DNS server answered within {0:?}")]
    Timeout(Duration),
    /// A server answered with an error, or could not be asked.
    #[error("DNS: {0}")]
    Failed(String),
}

/// What was asked and what became of it, for as long as the node runs.
#[derive(Debug, Default)]
pub struct DnsCounts {
    /// Questions sent.
    pub queries: AtomicU64,
    /// Of these, without an answer in time.
    pub timeouts: AtomicU64,
    /// Of these, answered with an error.
    pub errors: AtomicU64,
    /// Answers served from memory past their time, because no server answered.
    pub stale: AtomicU64,
}

impl DnsCounts {
    /// By result: `asked`, `timeout`, `error`, `stale`.
    pub fn sample(&self) -> [(&'static str, u64); 4] {
        let read = |count: &AtomicU64| count.load(Relaxed);
        [
            ("asked", read(&self.queries)),
            ("timeout", read(&self.timeouts)),
            ("error", read(&self.errors)),
            ("stale", read(&self.stale)),
        ]
    }
}

/// Finds places. One for each configuration.
#[derive(Debug)]
pub struct Locator {
    dns: Dns,
    reach: Reach,
    deadline: Duration,
}

/// What the node has listeners for: an address of another family or transport leads nowhere.
#[derive(Debug, Clone, Default)]
struct Reach(Vec<(Transport, bool)>);

impl Reach {
    fn of(listen: &Listen) -> Self {
        let entry = |transport, address: &SocketAddr| (transport, address.is_ipv4());
        let udp = listen.udp.iter().map(|address| entry(Transport::Udp, address));
        let tcp = listen.tcp.iter().map(|address| entry(Transport::Tcp, address));
        let tls = listen.tls.iter().map(|listener| entry(Transport::Tls, &listener.bind));
        Self(udp.chain(tcp).chain(tls).collect())
    }

    fn has(&self, transport: Transport) -> bool {
        self.0.iter().any(|(known, _)| *known == transport)
    }

    /// Whether IPv4, and whether IPv6.
    fn families(&self, transport: Transport) -> (bool, bool) {
        (self.0.contains(&(transport, true)), self.0.contains(&(transport, false)))
    }
}

impl Locator {
    /// Asks the servers of `[dns]`, or those of the system. Within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The system's configuration cannot be read.
    pub fn new(dns: &model::Dns, listen: &Listen, counts: Arc<DnsCounts>) -> Result<Self, String> {
        let deadline = dns.deadline.get();
        Ok(Self { dns: Dns::new(dns, counts)?, reach: Reach::of(listen), deadline })
    }

    /// Where a place is, within the deadline.
    pub async fn locate(&self, place: &Place) -> Result<Located, LocateError> {
        let mut steps = Steps::new(&self.dns, &self.reach, Instant::now() + self.deadline);
        match steps.walk(place).await {
            Ok(ranked) if ranked.is_empty() => Err(LocateError::Nowhere),
            Ok(ranked) => Ok(Located { targets: Targets::new(ranked), fresh_for: steps.fresh_for() }),
            Err(dns::Failure::Timeout) => Err(LocateError::Timeout(self.deadline)),
            Err(dns::Failure::Error(why)) => Err(LocateError::Failed(why)),
        }
    }
}
