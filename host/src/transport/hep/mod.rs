//! A copy of every message to a Homer collector, by HEPv3: lossy, and never on the time of a call.
//!
//! A worker puts copies into a bounded queue and goes on; a task of the back office sends them. When the queue is full
//! or the collector is not there, copies are dropped and counted.

mod encode;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::mpsc;

use crate::sip::flow::Flow;

pub use self::encode::encode;

/// Copies that wait for the sender.
const QUEUE: usize = 8192;
/// How long the collector's name may take to resolve, and how long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// One message on its way in or out.
#[derive(Debug)]
pub struct Copied {
    /// Microseconds since 1970.
    pub at: u64,
    /// Whether it came in.
    pub received: bool,
    /// Between which listener and which peer.
    pub flow: Flow,
    /// As it was on the wire.
    pub message: Bytes,
}

/// Takes copies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mirror {
    queue: mpsc::Sender<Copied>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Mirror {
    /// Sends copies to `collector`, `HOST:PORT`, as the capture agent `id`; `local` has an address for each listener by
    /// index. Within the back office.
    pub fn start(collector: String, id: u32, local: Vec<SocketAddr>) -> Self {
        let (queue, copies) = mpsc::channel(QUEUE);
        let counts = Arc::<Counts>::default();
        drop(tokio::spawn(run(collector, id, local, copies, Arc::clone(&counts))));
        Self { queue, counts }
    }

    /// Take a copy, or count that there was no room for it.
    pub fn copy(&self, at: u64, received: bool, flow: Flow, message: &Bytes) {
        if self.queue.try_send(Copied { at, received, flow, message: message.clone() }).is_err() {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Copies that wait, and how many may.
    pub fn queue(&self) -> (u64, u64) {
        ((QUEUE - self.queue.capacity()) as u64, QUEUE as u64)
    }

    /// Copies sent and copies dropped since the start.
    pub fn counts(&self) -> (u64, u64) {
        (self.counts.sent.load(Relaxed), self.counts.dropped.load(Relaxed))
    }
}

async fn run(
    collector: String,
    id: u32,
    local: Vec<SocketAddr>,
    mut copies: mpsc::Receiver<Copied>,
    counts: Arc<Counts>,
) {
    loop {
        let socket = match tokio::time::timeout(RETRY, connect(&collector)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                tracing::warn!(collector, %error, "HEP collector not reached");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            Err(_) => continue,
        };
        loop {
            let Some(copied) = copies.recv().await else { return };
            let here = local.get(usize::from(copied.flow.listener)).copied();
            let packet = here.and_then(|here| encode(&copied, here, id));
            let sent = match packet {
                Some(packet) => socket.send(&packet).await.is_ok(),
                None => false,
            };
            if sent { &counts.sent } else { &counts.dropped }.fetch_add(1, Relaxed);
        }
    }
}

async fn connect(collector: &str) -> std::io::Result<UdpSocket> {
    let address = lookup_host(collector).await?.next();
    let address = address.ok_or_else(|| std::io::Error::other("the name leads to no address"))?;
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}
