//! The questions of RFC 3263 section 4 in their order.

use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::dns::{Answer, Dns, Failure, Kind, Record};
use super::{Place, Ranked, Reach};
use crate::sip::decision::Destination;
use crate::sip::flow::Transport;

/// Servers of one service whose addresses are asked for.
const MOST_SERVERS: usize = 16;
/// Addresses of one server.
const MOST_ADDRESSES: usize = 4;
/// Before the first question.
const LONGEST: Duration = Duration::from_hours(1);

/// One walk through the questions.
pub(super) struct Steps<'a> {
    dns: &'a Dns,
    reach: &'a Reach,
    deadline: Instant,
    fresh_until: Instant,
}

impl<'a> Steps<'a> {
    pub(super) fn new(dns: &'a Dns, reach: &'a Reach, deadline: Instant) -> Self {
        Self { dns, reach, deadline, fresh_until: Instant::now() + LONGEST }
    }

    /// Until the first of the answers that came has to be asked for again.
    pub(super) fn fresh_for(&self) -> Duration {
        self.fresh_until.saturating_duration_since(Instant::now())
    }

    /// Every server of the place, in no order. None: it is nowhere.
    pub(super) async fn walk(&mut self, place: &Place) -> Result<Vec<Ranked>, Failure> {
        let host = &place.host;
        let otherwise = place.transport.unwrap_or(if place.secure { Transport::Tls } else { Transport::Udp });
        // A port says that there is no service to look for (section 4.2).
        if let Some(port) = place.port {
            return self.server(host, otherwise, port).await;
        }
        let services = match place.transport {
            Some(transport) => vec![(transport, service(transport, host))],
            None => self.services(place).await?,
        };
        for (transport, name) in services {
            let found = self.service(&name, transport).await?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        self.server(host, otherwise, otherwise.default_port()).await
    }

    /// The services that the place offers and this node can use, most wanted first (section 4.1).
    async fn services(&mut self, place: &Place) -> Result<Vec<(Transport, String)>, Failure> {
        let usable =
            |transport: &Transport| self.reach.has(*transport) && (!place.secure || *transport == Transport::Tls);
        let answer = self.dns.ask(&place.host, Kind::Naptr, self.deadline).await?;
        let mut offers: Vec<_> = answer.records.iter().filter_map(offer).filter(|offer| usable(&offer.1)).collect();
        offers.sort_by_key(|(rank, _, _)| *rank);
        let services = if offers.is_empty() {
            let all = [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().filter(usable);
            all.map(|transport| (transport, service(transport, &place.host))).collect()
        } else {
            offers.into_iter().map(|(_, transport, name)| (transport, name)).collect()
        };
        self.note(&answer);
        Ok(services)
    }

    /// The servers of a service; `None` where there is no such service.
    async fn service(&mut self, name: &str, transport: Transport) -> Result<Option<Vec<Ranked>>, Failure> {
        let answer = self.ask(name, Kind::Srv).await?;
        if answer.records.is_empty() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for record in answer.records.iter().take(MOST_SERVERS) {
            // RFC 2782: a target of `.` says that the service is decidedly not there.
            let Record::Srv(srv) = record else { continue };
            if srv.target.is_root() {
                continue;
            }
            let servers = self.server(&srv.target.to_ascii(), transport, srv.port).await?;
            found.extend(servers.into_iter().map(|server| Ranked {
                priority: srv.priority,
                weight: srv.weight,
                ..server
            }));
        }
        Ok(Some(found))
    }

    /// The addresses of one server, those of IPv4 first; of the families that the node has listeners for.
    async fn server(&mut self, host: &str, transport: Transport, port: u16) -> Result<Vec<Ranked>, Failure> {
        let mut addresses = SmallVec::new();
        let (v4, v6) = self.reach.families(transport);
        for kind in [v4.then_some(Kind::A), v6.then_some(Kind::Aaaa)].into_iter().flatten() {
            let answer = self.ask(host, kind).await?;
            let found = answer.records.iter().filter_map(|record| match record {
                Record::Address(ip) => Some(Destination { transport, address: (*ip, port).into() }),
                _ => None,
            });
            addresses.extend(found.take(MOST_ADDRESSES));
        }
        Ok(if addresses.is_empty() { Vec::new() } else { vec![Ranked { priority: 0, weight: 0, addresses }] })
    }

    async fn ask(&mut self, name: &str, kind: Kind) -> Result<Answer, Failure> {
        let answer = self.dns.ask(name, kind, self.deadline).await?;
        self.note(&answer);
        Ok(answer)
    }

    fn note(&mut self, answer: &Answer) {
        self.fresh_until = self.fresh_until.min(answer.fresh_until);
    }
}

/// The name of a service's SRV records (section 4.1).
fn service(transport: Transport, host: &str) -> String {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    };
    format!("{prefix}.{host}")
}

/// A NAPTR record that leads to a SIP service: its rank, the transport, and the name of the SRV records.
fn offer(record: &Record) -> Option<((u16, u16), Transport, String)> {
    let Record::Naptr(naptr) = record else { return None };
    let transport = match naptr.services.to_ascii_uppercase().as_slice() {
        b"SIP+D2U" => Transport::Udp,
        b"SIP+D2T" => Transport::Tcp,
        b"SIPS+D2T" => Transport::Tls,
        _ => return None,
    };
    // Section 4.1: the flag of records that lead to SRV.
    let leads = naptr.flags.eq_ignore_ascii_case(b"s") && !naptr.replacement.is_root();
    leads.then(|| ((naptr.order, naptr.preference), transport, naptr.replacement.to_ascii()))
}
