//! Connections: SIP over TCP and TLS (RFC 3261 section 18, RFC 5923).
//!
//! A runtime of their own carries them, one task each, so that a storm of handshakes takes no time from the workers'
//! calls. `sip::framer` cuts their bytes into messages. A message is posted to the worker that owns its call; a worker
//! sends by [`Streams::send`], which takes no lock and never waits.
//!
//! | file | what |
//! |---|---|
//! | `slots` | the connections that there are, by their ids |
//! | `connection` | the task of one connection |
//! | `accept`, `dial` | how it comes about: by a peer, or by us |
//! | `outstanding` | requests that wait for a response on it |
//! | `limits`, `counts` | what bounds them, and what was counted |
//! | `post` | the way to the workers |
//! | `tls` | certificates, and whom a certificate names |

mod accept;
mod connection;
mod counts;
mod dial;
mod limits;
mod outstanding;
mod post;
mod slots;
#[cfg(test)]
mod tests;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, watch};

use self::counts::Counts;
use self::dial::{Dialer, Order};
use self::limits::Sources;
use self::slots::{Push, Slots};
use self::tls::Tls;
use crate::guard::Guard;
use crate::sip::flow::{ConnectionId, Flow, Loss, Transport};
use crate::sip::time::Time;

pub use self::accept::{Listening, bind};
pub use self::counts::{Event, StreamSample};
pub use self::limits::Limits;
pub use self::post::Post;

/// Messages that wait for the dialer. It only looks up and hands on: a full queue is a machine that does nothing else.
const ORDERS: usize = 8192;
/// How long the connections have, at the end, to write what is queued.
const FAREWELL: Duration = Duration::from_millis(500);

/// All connections of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slots: Slots,
    limits: Limits,
    counts: Counts,
    tls: Tls,
    sources: Sources,
    /// Handshakes under way, by source.
    shaking: Sources,
    guard: Guard,
    /// One permit for each handshake of a peer that may go on.
    handshakes: Arc<Semaphore>,
    orders: mpsc::Sender<Order>,
    /// True once the node ends.
    closing: watch::Sender<bool>,
}

/// What carries the connections: until it is started, messages wait.
#[derive(Debug)]
pub struct Carrier {
    streams: Streams,
    orders: mpsc::Receiver<Order>,
    threads: Threads,
}

/// A runtime that may be dropped within another: it does not wait for its end.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Carrier {
    /// With so many threads, and nothing running yet.
    ///
    /// # Errors
    ///
    /// The system gives no threads.
    pub fn new(threads: usize, limits: Limits, tls: Tls, guard: Guard) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("streams")
            .enable_all()
            .build()?;
        let (sender, orders) = mpsc::channel(ORDERS);
        let shared = Shared {
            slots: Slots::new(limits.connections),
            limits,
            counts: Counts::default(),
            tls,
            sources: Sources::default(),
            shaking: Sources::default(),
            guard,
            handshakes: Arc::new(Semaphore::new(limits.handshakes.min(Semaphore::MAX_PERMITS))),
            orders: sender,
            closing: watch::Sender::new(false),
        };
        Ok(Self { streams: Streams(Arc::new(shared)), orders, threads: Threads(Some(runtime)) })
    }

    /// For those who send.
    pub fn streams(&self) -> Streams {
        self.streams.clone()
    }

    /// Accepts on these sockets, dials, and posts what comes. `local` has an address for each listener of the node, by
    /// index: connections of ours leave from there.
    ///
    /// # Errors
    ///
    /// A socket that the runtime does not take.
    pub fn start(
        self,
        sockets: Vec<Listening>,
        local: Vec<std::net::SocketAddr>,
        post: Post,
    ) -> std::io::Result<Running> {
        let Self { streams, orders, threads } = self;
        if let Some(runtime) = &threads.0 {
            let _entered = runtime.enter();
            for socket in sockets {
                accept::start(&streams, socket, &post)?;
            }
            drop(tokio::spawn(Dialer::new(streams.clone(), local, post).run(orders)));
        }
        Ok(Running { streams, _threads: threads })
    }
}

/// The connections of a running node.
#[derive(Debug)]
pub struct Running {
    streams: Streams,
    /// They end with this.
    _threads: Threads,
}

impl Running {
    /// Write what is queued, as far as the peers take it at once, and close every connection.
    pub async fn close(self) {
        let _ = self.streams.0.closing.send(true);
        let deadline = tokio::time::Instant::now() + FAREWELL;
        while self.streams.0.slots.len() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Streams {
    /// Send by the connection that the flow names, or by one that leads to its peer: opened where there is none. With
    /// `within`, no longer than that is waited for one that opens.
    ///
    /// # Errors
    ///
    /// The message, where it cannot be sent: the peer does not read, or too much waits already. Where that turns out
    /// later, the worker that owns the request gets it by post.
    pub fn send(&self, flow: Flow, message: Bytes, within: Option<Duration>) -> Result<(), Bytes> {
        let message = match flow.connection.and_then(|id| self.0.slots.get(id)) {
            None => message,
            Some(line) => match line.push(message) {
                Push::Taken => return Ok(()),
                Push::Full(message) => {
                    self.0.counts.unsent("queue-full");
                    return Err(message);
                }
                // Closed meanwhile: RFC 3261 section 18.2.2 has another one opened.
                Push::Closed(message) => message,
            },
        };
        self.0.orders.try_send(Order::Send(flow, message, within)).map_err(|error| {
            self.0.counts.unsent("dialer-full");
            match error.into_inner() {
                Order::Send(_, message, _) => message,
                _ => Bytes::new(),
            }
        })
    }

    /// Whom the certificate of the peer names, where it showed one that was verified.
    pub fn identities(&self, connection: Option<ConnectionId>) -> Option<Arc<[Box<str>]>> {
        self.0.slots.get(connection?)?.identities()
    }

    /// What came by this flow is no SIP, or broke RFC 3261: its source is charged for it, unless it came by a connection of
    /// ours or of who has shown a certificate. A datagram comes by none.
    pub fn malformed(&self, now: Time, flow: Flow) {
        let line = flow.connection.and_then(|id| self.0.slots.get(id));
        if line.is_none_or(|line| line.is_strange()) {
            self.0.guard.malformed(now, flow.remote.ip());
        }
    }

    /// The certificates, to change them at a reload.
    pub fn tls(&self) -> &Tls {
        &self.0.tls
    }

    /// What was counted since the start.
    pub fn sample(&self) -> StreamSample {
        self.0.counts.sample(self.0.slots.len())
    }

    /// Messages that wait for the dialer, and how many may.
    pub fn queue(&self) -> (u64, u64) {
        ((ORDERS - self.0.orders.capacity()) as u64, ORDERS as u64)
    }

    /// A message that could not be sent: nobody is told of a response.
    fn undelivered(&self, post: &Post, message: &Bytes, reason: &'static str, why: Loss) {
        self.0.counts.unsent(reason);
        post.unreachable(message, why);
    }
}

/// Returns when the node ends.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// A peer as connections are looked up by.
type Peer = (Transport, std::net::SocketAddr);
