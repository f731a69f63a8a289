//! The node's sockets, and the names they go by in Via and Record-Route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::Context as _;

use crate::config::model::Config;
use crate::sip::core::Listener;
use crate::sip::flow::Transport;
use crate::transport::stream::{self, Listening};
use crate::transport::udp;

/// Bound sockets.
pub(super) struct Listeners {
    /// By index, as flows name them: UDP first, so that the index is also that of a worker's socket.
    pub(super) named: Vec<Listener>,
    /// Per worker, a socket for each address of UDP.
    pub(super) sets: Vec<Vec<UdpSocket>>,
    /// One socket for each address of TCP and TLS.
    pub(super) streams: Vec<Listening>,
}

impl Listeners {
    /// Binds every address: of UDP once per worker.
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let failed = |asked: &SocketAddr| {
            format!("listen.udp: {asked} cannot be bound: is it an address of this host, and free?")
        };
        for asked in &config.listen.udp {
            udp::is_free(*asked).with_context(|| failed(asked))?;
        }
        let mut addresses = Vec::new();
        let mut sets = Vec::new();
        for _ in 0..workers(config) {
            let mut set = Vec::new();
            for (index, asked) in config.listen.udp.iter().enumerate() {
                // Port 0: the first worker's socket decides for all.
                let address = addresses.get(index).copied().unwrap_or(*asked);
                let bound = udp::bind(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
                let (address, socket) = bound.with_context(|| failed(asked))?;
                if addresses.len() == index {
                    addresses.push(address);
                }
                set.push(socket);
            }
            sets.push(set);
        }
        steer(&sets);
        let advertise = config.listen.advertise.as_deref();
        let mut named: Vec<Listener> =
            addresses.into_iter().map(|bound| listener(Transport::Udp, bound, advertise)).collect();
        let tcp = config.listen.tcp.iter().map(|address| (Transport::Tcp, None, *address));
        let tls = config.listen.tls.iter().enumerate();
        let tls = tls.map(|(index, listener)| (Transport::Tls, Some(index), listener.bind));
        let mut streams = Vec::new();
        for (transport, tls, asked) in tcp.chain(tls) {
            let bound = stream::bind(asked).and_then(|socket| Ok((socket.local_addr()?, socket)));
            let (address, socket) = bound.with_context(|| {
                format!("listen.{transport}: {asked} cannot be bound: is it an address of this host, and free?")
            })?;
            streams.push(Listening { listener: named.len() as u16, tls, socket });
            named.push(listener(transport, address, advertise));
        }
        Ok(Self { named, sets, streams })
    }
}

/// Every datagram to the worker that owns its call. Without it workers hand over what is not theirs, at some cost.
fn steer(sets: &[Vec<UdpSocket>]) {
    let Some(first) = sets.first().filter(|_| sets.len() > 1) else { return };
    for socket in first {
        if let Err(error) = udp::steer(socket, sets.len()) {
            tracing::warn!(%error, "the kernel does not steer datagrams by Call-ID: calls cost more");
        }
    }
}

/// Worker threads: as configured, else one per core. A branch names its worker with a byte.
fn workers(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    if config.node.workers == 0 { cores() } else { config.node.workers }.clamp(1, 255)
}

fn listener(transport: Transport, bound: SocketAddr, advertise: Option<&str>) -> Listener {
    let (host, port) = match advertise {
        // A port that is advertised is that of UDP and TCP: TLS never shares it.
        Some(name) if transport == Transport::Tls => (split_port(name, 0).0, bound.port()),
        Some(name) => split_port(name, bound.port()),
        None => (in_uri(if bound.ip().is_unspecified() { outward(bound) } else { bound.ip() }), bound.port()),
    };
    Listener { transport, bound, host: host.into(), port }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn split_port(name: &str, default: u16) -> (String, u16) {
    match name.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) if !host.starts_with('[') || host.ends_with(']') => (host.to_owned(), port),
        _ => (name.to_owned(), default),
    }
}

fn in_uri(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The address by which this host would send to the outside. A connected UDP socket tells; nothing is sent.
fn outward(bound: SocketAddr) -> IpAddr {
    // RFC 5737 and RFC 3849: addresses for documentation.
    let (any, outside, loopback): (IpAddr, IpAddr, IpAddr) = if bound.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::LOCALHOST.into())
    } else {
        let outside = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        (Ipv6Addr::UNSPECIFIED.into(), outside.into(), Ipv6Addr::LOCALHOST.into())
    };
    let probe = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((outside, 9))?;
        socket.local_addr()
    });
    probe.map_or(loopback, |address| address.ip())
}
