//! Connections that we open: one task that knows which connection leads to which peer.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::slots::{Line, Push};
use super::{Peer, Post, Streams, tls};
use crate::sip::flow::{ConnectionId, Flow, Loss, Transport};

/// How long a peer that did not answer at all is left alone: its calls go to the next route at once meanwhile. One that
/// refused is asked again, since that costs no wait.
const ASIDE: Duration = Duration::from_secs(10);
/// Peers left alone at once; beyond, the oldest are asked again.
const MOST_ASIDE: usize = 4096;

/// What the dialer is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Send this to the peer of the flow; where a connection must be opened, only if that takes no longer than said.
    Send(Flow, Bytes, Option<Duration>),
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
                Order::Send(flow, message, within) => self.send(flow, message, within),
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

    fn send(&mut self, flow: Flow, message: Bytes, within: Option<Duration>) {
        let peer = (flow.transport, flow.remote);
        let known = self.peers.get(&peer).and_then(|id| self.streams.0.slots.get(*id));
        let message = match known {
            None => message,
            Some(line) => match self.queue(&line, message, within) {
                None => return,
                Some(message) => message,
            },
        };
        if self.aside.get(&peer).is_some_and(|until| *until > Instant::now()) {
            return self.streams.undelivered(&self.post, &message, "set-aside", Loss::NoConnection);
        }
        self.aside.remove(&peer);
        let Some(place) = self.streams.0.slots.open(self.streams.0.limits.queue, true) else {
            return self.streams.undelivered(&self.post, &message, "connections", Loss::Other);
        };
        // It waits until the connection is there, with all that follows it.
        let _ = self.queue(&place.0, message, within);
        self.peers.insert(peer, place.0.id);
        let connection = Connection::new(self.streams.clone(), self.post.clone(), place, flow);
        let local = self.local.get(usize::from(flow.listener)).copied();
        drop(tokio::spawn(connect(self.streams.clone(), connection, flow, local)));
    }

    /// Queue a message: at once, or when the connection is there. Given back where that has ended meanwhile.
    fn queue(&self, line: &Arc<Line>, message: Bytes, within: Option<Duration>) -> Option<Bytes> {
        if let Some(within) = within.filter(|_| line.is_opening()) {
            if line.reserve(message.len()) {
                drop(tokio::spawn(wait(self.streams.clone(), self.post.clone(), Arc::clone(line), message, within)));
            } else {
                self.streams.undelivered(&self.post, &message, "queue-full", Loss::Other);
            }
            return None;
        }
        match line.push(message) {
            Push::Taken => None,
            Push::Full(message) => {
                self.streams.undelivered(&self.post, &message, "queue-full", Loss::Other);
                None
            }
            Push::Closed(message) => Some(message),
        }
    }
}

/// Queue a message as soon as the connection is there; whoever sent it is told where that takes too long.
async fn wait(streams: Streams, post: Post, line: Arc<Line>, message: Bytes, within: Duration) {
    let open = timeout(within, line.comes_about()).await.unwrap_or(Err("connect-timeout"));
    line.written(message.len());
    if let Err(reason) = open {
        return streams.undelivered(&post, &message, reason, Loss::NoConnection);
    }
    match line.push(message) {
        Push::Taken => {}
        Push::Full(message) => streams.undelivered(&post, &message, "queue-full", Loss::Other),
        Push::Closed(message) => streams.undelivered(&post, &message, "connection-lost", Loss::Other),
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
