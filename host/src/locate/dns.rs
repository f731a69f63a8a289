//! One question to the DNS, its answer kept for its time to live. While no server answers, the last answer serves.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::DnsCounts;
use crate::config::model;

/// Questions under way at once.
const AT_ONCE: usize = 64;
/// Answers remembered; beyond, those whose time is over go, and then new ones are not remembered.
const REMEMBERED: usize = 10_000;
/// Bounds on how long an answer is fresh, whatever its time to live says.
const FRESH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));
/// How long "there is none" is believed at most.
const NEGATIVE: Duration = Duration::from_mins(1);
/// How long the last answer serves before the servers that did not answer are asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// The questions of RFC 3263.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Naptr,
    Srv,
    A,
    Aaaa,
}

/// One record.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Naptr(NAPTR),
    Srv(SRV),
    Address(IpAddr),
}

/// What the servers say; no records: there are none.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) records: Arc<[Record]>,
    pub(super) fresh_until: Instant,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    Timeout,
    Error(String),
}

#[derive(Debug)]
pub(super) struct Dns {
    resolver: TokioResolver,
    memory: Mutex<HashMap<(String, Kind), Answer>>,
    permits: Semaphore,
    counts: Arc<DnsCounts>,
}

impl Dns {
    pub(super) fn new(config: &model::Dns, counts: Arc<DnsCounts>) -> Result<Self, String> {
        Ok(Self {
            resolver: resolver(config, |_| ())?,
            memory: Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
            counts,
        })
    }

    /// The records of this name, asked for at the servers where memory has none that are fresh.
    pub(super) async fn ask(&self, name: &str, kind: Kind, deadline: Instant) -> Result<Answer, Failure> {
        let key = (name.to_ascii_lowercase(), kind);
        let known = self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(fresh) = known.as_ref().filter(|known| known.fresh_until > Instant::now()) {
            return Ok(fresh.clone());
        }
        let asked = timeout_at(deadline, async {
            let _permit = self.permits.acquire().await;
            self.counts.queries.fetch_add(1, Relaxed);
            // The dot keeps the system's search list out.
            self.resolver.lookup(format!("{}.", name.trim_end_matches('.')), record_type(kind)).await
        });
        let failure = match asked.await {
            Ok(Ok(lookup)) => {
                let shortest = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
                let records = lookup.answers().iter().filter_map(|record| read(&record.data)).collect();
                return Ok(self.remember(key, records, Duration::from_secs(shortest.into()), FRESH.1));
            }
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => {
                let ttl = none.negative_ttl.map_or(NEGATIVE, |seconds| Duration::from_secs(seconds.into()));
                return Ok(self.remember(key, Arc::new([]), ttl, NEGATIVE));
            }
            Ok(Err(NetError::Timeout)) | Err(_) => Failure::Timeout,
            Ok(Err(error)) => Failure::Error(error.to_string()),
        };
        match failure {
            Failure::Timeout => self.counts.timeouts.fetch_add(1, Relaxed),
            Failure::Error(_) => self.counts.errors.fetch_add(1, Relaxed),
        };
        let Some(known) = known else { return Err(failure) };
        self.counts.stale.fetch_add(1, Relaxed);
        Ok(self.remember(key, known.records, PAUSE, PAUSE))
    }

    fn remember(&self, key: (String, Kind), records: Arc<[Record]>, ttl: Duration, most: Duration) -> Answer {
        let answer = Answer { records, fresh_until: Instant::now() + ttl.clamp(FRESH.0, most) };
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= REMEMBERED {
            let now = Instant::now();
            memory.retain(|_, answer| answer.fresh_until > now);
        }
        if memory.len() < REMEMBERED {
            memory.insert(key, answer.clone());
        }
        answer
    }
}

/// Asks the servers of `[dns]`, or those of the system, and remembers nothing.
pub(super) fn resolver(config: &model::Dns, more: impl FnOnce(&mut ResolverOpts)) -> Result<TokioResolver, String> {
    let (servers, mut options) = if config.servers.is_empty() {
        read_system_conf().map_err(|error| format!("the system's DNS configuration: {error}"))?
    } else {
        let servers = config.servers.iter().map(name_server).collect();
        (ResolverConfig::from_parts(None, Vec::new(), servers), ResolverOpts::default())
    };
    // Twice within the deadline: a datagram may be lost.
    options.attempts = 2;
    options.timeout = config.deadline.get() / 2;
    options.cache_size = 0;
    more(&mut options);
    let builder = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
    builder.with_options(options).build().map_err(|error| error.to_string())
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

const fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    }
}

/// What the steps need of a record; an alias on the way (CNAME) is none of it.
fn read(data: &RData) -> Option<Record> {
    match data {
        RData::A(address) => Some(Record::Address(IpAddr::V4(address.0))),
        RData::AAAA(address) => Some(Record::Address(IpAddr::V6(address.0))),
        RData::SRV(srv) => Some(Record::Srv(srv.clone())),
        RData::NAPTR(naptr) => Some(Record::Naptr(naptr.clone())),
        _ => None,
    }
}
