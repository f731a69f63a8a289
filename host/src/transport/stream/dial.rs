//! Connections that we open: one task that knows which connection leads to which peer.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::slots::Push;
use super::{Peer, Post, Streams, tls};
use crate::sip::flow::{ConnectionId, Flow, Transport};

/// How long a peer that did not answer at all is left alone: its calls go to the next route at once meanwhile. One that
/// refused is asked again, since that costs no wait.
const ASIDE: Duration = Duration::from_secs(10);
/// Peers left alone at once; beyond, the oldest are asked again.
const MOST_ASIDE: usize = 4096;

/// What the dialer is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Send this to the peer of the flow.
    Send(Flow, Bytes),
    /// This connection leads to that peer.
    Name(Peer, ConnectionId),
    /// It has ended, and leads to none of these any more.
    Gone(Vec<Peer>, ConnectionId),
    /// That peer did not answer.
    Silent(Peer),
}

pub(super) struct Dialer {
    streams: Streams,
    /// By listener.
    local: Vec<SocketAddr>,
    post: Post,
    peers: HashMap<Peer, ConnectionId>,
    aside: HashMap<Peer, Instant>,
}

impl Dialer {
    pub(super) fn new(streams: Streams, local: Vec<SocketAddr>, post: Post) -> Self {
        Self { streams, local, post, peers: HashMap::new(), aside: HashMap::new() }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Send(flow, message) => self.send(flow, message),
                // A connection that works keeps its name: nobody takes another's peer over.
                Order::Name(peer, id) => {
                    if self.peers.get(&peer).is_none_or(|known| self.streams.0.slots.get(*known).is_none()) {
                        self.peers.insert(peer, id);
                    }
                }
                Order::Gone(peers, id) => {
                    for peer in peers {
                        if self.peers.get(&peer) == Some(&id) {
                            self.peers.remove(&peer);
                        }
                    }
                }
                Order::Silent(peer) => {
                    let now = Instant::now();
                    if self.aside.len() >= MOST_ASIDE {
                        self.aside.retain(|_, until| *until > now);
                    }
                    if self.aside.len() < MOST_ASIDE {
                        self.aside.insert(peer, now + ASIDE);
                    }
                }
            }
        }
    }

    fn send(&mut self, flow: Flow, message: Bytes) {
        let peer = (flow.transport, flow.remote);
        let known = self.peers.get(&peer).and_then(|id| self.streams.0.slots.get(*id));
        let message = match known.map_or(Push::Closed(Bytes::new()), |line| line.push(message.clone())) {
            Push::Taken => return,
            Push::Full(message) => return self.streams.undelivered(&self.post, &message, "queue-full"),
            Push::Closed(_) => message,
        };
        if self.aside.get(&peer).is_some_and(|until| *until > Instant::now()) {
            return self.streams.undelivered(&self.post, &message, "set-aside");
        }
        self.aside.remove(&peer);
        let Some(place) = self.streams.0.slots.open(self.streams.0.limits.queue, true) else {
            return self.streams.undelivered(&self.post, &message, "connections");
        };
        // It waits in the queue until the connection is there, with all that follows it.
        let _ = place.0.push(message);
        self.peers.insert(peer, place.0.id);
        let connection = Connection::new(self.streams.clone(), self.post.clone(), place, flow);
        let local = self.local.get(usize::from(flow.listener)).copied();
        drop(tokio::spawn(connect(self.streams.clone(), connection, flow, local)));
    }
}

/// Open a connection and carry it to its end.
async fn connect(streams: Streams, connection: Connection, flow: Flow, local: Option<SocketAddr>) {
    let limits = &streams.0.limits;
    let opened = timeout(limits.connect_timeout, async {
        let io = open(flow.remote, local).await?;
        if flow.transport != Transport::Tls {
            return Ok::<_, io::Error>((Some(io), None));
        }
        Ok((None, Some(streams.0.tls.connect(flow.remote, io).await?)))
    });
    match opened.await {
        Ok(Ok((Some(io), _))) => connection.carry(io).await,
        Ok(Ok((_, Some((io, identities))))) => {
            if let Some(identities) = identities {
                connection.line().identify(identities);
            }
            connection.carry(io).await;
        }
        Ok(Ok((None, None))) => connection.fail("connect-failed").await,
        Ok(Err(error)) => {
            tracing::debug!(peer = %flow.remote, transport = %flow.transport, %error, "not connected");
            if tls::is_tls(&error) {
                streams.0.counts.handshake_failed(tls::reason(&error));
            }
            connection.fail("connect-failed").await;
        }
        Err(_) => {
            tracing::debug!(peer = %flow.remote, transport = %flow.transport, "not connected in time");
            let _ = streams.0.orders.send(Order::Silent((flow.transport, flow.remote))).await;
            connection.fail("connect-timeout").await;
        }
    }
}

/// From the listener's own address, where it has one.
async fn open(remote: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local.filter(|local| !local.ip().is_unspecified() && local.is_ipv4() == remote.is_ipv4()) {
        socket.bind((local.ip(), 0).into())?;
    }
    let io = socket.connect(remote).await?;
    io.set_nodelay(true)?;
    Ok(io)
}
