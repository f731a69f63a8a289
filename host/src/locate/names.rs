//! Addresses of the hosts of services that are asked by HTTP. Beyond the first time nobody waits for them: past its time
//! an answer serves on while it is asked for anew in the background, and for as long as no server gives another.
//!
//! A name goes the way that it goes on this machine: `/etc/hosts`, the system's search list, then A and AAAA.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::net::{DnsError, NetError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::DnsCounts;
use super::dns::resolver;
use crate::config::model;

/// Bounds on how long an answer is fresh, whatever its time to live says. It may come from a file that changes.
const FRESH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long the last answer serves before the servers that gave none are asked again.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a name that was never found is not asked for again.
const UNKNOWN: Duration = Duration::from_millis(500);

/// What is known of each name. The names are those of the configuration: nobody else can have one looked up.
#[derive(Debug)]
pub struct Names {
    config: model::Dns,
    office: Handle,
    counts: Arc<DnsCounts>,
    known: Mutex<HashMap<String, Known>>,
}

/// Addresses, never none; or the rest of a sentence.
pub type Found = Result<Arc<[IpAddr]>, Arc<str>>;

/// An answer that is on its way, for all who wait for it.
type Asking = Shared<oneshot::Receiver<Found>>;

#[derive(Debug)]
struct Known {
    last: Found,
    fresh_until: Instant,
    asking: Option<Asking>,
}

impl Names {
    /// Asks the servers of `[dns]`, or those of the system, on the runtime of the back office.
    pub fn new(config: &model::Dns, office: Handle, counts: Arc<DnsCounts>) -> Arc<Self> {
        Arc::new(Self { config: config.clone(), office, counts, known: Mutex::default() })
    }

    /// These, where `[dns]` says the same; else others, which know nothing yet.
    pub fn renewed(self: &Arc<Self>, config: &model::Dns) -> Arc<Self> {
        if self.config == *config {
            return Arc::clone(self);
        }
        Self::new(config, self.office.clone(), Arc::clone(&self.counts))
    }

    /// The addresses of a host, at once where they were ever known; else within the deadline of `[dns]`. Who stops
    /// waiting stops the question not.
    pub async fn addresses(self: &Arc<Self>, host: &str) -> Found {
        let asking = match self.at_once(host) {
            Ok(found) => return found,
            Err(asking) => asking,
        };
        asking.await.unwrap_or_else(|_| Err("the node is shutting down".into()))
    }

    fn at_once(self: &Arc<Self>, host: &str) -> Result<Found, Asking> {
        let mut known = self.lock();
        let now = Instant::now();
        if let Some(known) = known.get_mut(host) {
            if now >= known.fresh_until && known.asking.is_none() {
                known.asking = Some(self.ask(host));
            }
            match (&known.last, &known.asking) {
                (Err(_), Some(asking)) => return Err(asking.clone()),
                (last, _) => return Ok(last.clone()),
            }
        }
        let asking = self.ask(host);
        let last = Err("not asked yet".into());
        known.insert(host.to_owned(), Known { last, fresh_until: now, asking: Some(asking.clone()) });
        Err(asking)
    }

    /// In the background: whoever asked may be gone before the answer is there, and the next one will want it.
    fn ask(self: &Arc<Self>, host: &str) -> Asking {
        let (sender, receiver) = oneshot::channel();
        let (names, host) = (Arc::clone(self), host.to_owned());
        self.office.spawn(async move {
            let answer = names.question(&host).await;
            let found = names.keep(&host, answer);
            // Nobody may be waiting any more.
            let _ = sender.send(found);
        });
        receiver.shared()
    }

    async fn question(&self, host: &str) -> Result<(Arc<[IpAddr]>, Duration), String> {
        self.counts.queries.fetch_add(1, Relaxed);
        // Made anew: what the system says of hosts and servers may have changed.
        let resolver = resolver(&self.config, |options| {
            options.use_hosts_file = ResolveHosts::Always;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        })?;
        match tokio::time::timeout(self.config.deadline.get(), resolver.lookup_ip(host)).await {
            Ok(Ok(found)) => {
                let shortest = found.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or_default();
                let addresses: Arc<[IpAddr]> = found.iter().collect();
                if addresses.is_empty() {
                    return Err("the name leads to no address".to_owned());
                }
                Ok((addresses, Duration::from_secs(shortest.into()).clamp(FRESH.0, FRESH.1)))
            }
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => Err("the name leads to no address".to_owned()),
            Ok(Err(NetError::Timeout)) | Err(_) => {
                self.counts.timeouts.fetch_add(1, Relaxed);
                Err(format!("no DNS server answered within {:?}", self.config.deadline.get()))
            }
            Ok(Err(error)) => {
                self.counts.errors.fetch_add(1, Relaxed);
                Err(format!("DNS: {error}"))
            }
        }
    }

    /// What is served from now on.
    fn keep(&self, host: &str, answer: Result<(Arc<[IpAddr]>, Duration), String>) -> Found {
        let mut known = self.lock();
        let last = known.get(host).and_then(|known| known.last.clone().ok());
        let (last, fresh_for) = match (answer, last) {
            (Ok((addresses, ttl)), _) => (Ok(addresses), ttl),
            // Also where a server says that the name is gone: if the service is too, connecting to it will fail.
            (Err(_), Some(last)) => {
                self.counts.stale.fetch_add(1, Relaxed);
                (Ok(last), PAUSE)
            }
            (Err(why), None) => (Err(why.into()), UNKNOWN),
        };
        known.insert(
            host.to_owned(),
            Known { last: last.clone(), fresh_until: Instant::now() + fresh_for, asking: None },
        );
        last
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
