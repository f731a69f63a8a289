//! Connections that peers open.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::limits::Admitted;
use super::{Post, Streams, tls};
use crate::sip::flow::{Flow, Transport};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// A wait for the system to have file descriptors again.
const BREATH: Duration = Duration::from_millis(50);

/// A bound socket, and the listener that it is for the rest of the node.
#[derive(Debug)]
pub struct Listening {
    /// Index into the node's listeners.
    pub listener: u16,
    /// Index into the certificates, where it speaks TLS.
    pub tls: Option<usize>,
    /// From [`bind`].
    pub socket: TcpListener,
}

/// Bind an address. Fails where somebody else has it.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a node before this one, which wait for their end, do not hold the address.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accept on this socket until the node ends. Within the runtime that carries connections.
pub(super) fn start(streams: &Streams, listening: Listening, post: &Post) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(listening.socket)?;
    let door = Door { streams: streams.clone(), post: post.clone(), listener: listening.listener, tls: listening.tls };
    drop(tokio::spawn(async move {
        let mut closing = door.streams.0.closing.subscribe();
        loop {
            tokio::select! {
                accepted = socket.accept() => match accepted {
                    Ok((io, remote)) => door.admit(io, remote),
                    Err(error) => {
                        tracing::warn!(%error, "connection not accepted");
                        door.streams.0.counts.closed("accept-failed");
                        tokio::time::sleep(BREATH).await;
                    }
                },
                () = super::closed(&mut closing) => return,
            }
        }
    }));
    Ok(())
}

struct Door {
    streams: Streams,
    post: Post,
    listener: u16,
    tls: Option<usize>,
}

impl Door {
    /// Take a connection on, or close it at once where a limit is reached.
    fn admit(&self, io: TcpStream, remote: SocketAddr) {
        let shared = &self.streams.0;
        let limits = &shared.limits;
        if shared.guard.is_banned(remote.ip()) {
            shared.counts.closed("banned");
            return;
        }
        let Some(admitted) = shared.sources.admit(remote.ip(), limits.per_source) else {
            shared.counts.closed("per-source");
            return;
        };
        // Taken before the place: a storm of half-open handshakes leaves the places to those who have come through.
        let handshake = if self.tls.is_some() {
            let Some(own) = shared.shaking.admit(remote.ip(), limits.handshakes_per_source) else {
                shared.counts.handshake_failed("too-many-of-source");
                return;
            };
            let Ok(permit) = shared.handshakes.clone().try_acquire_owned() else {
                shared.counts.handshake_failed("too-many");
                return;
            };
            Some((permit, own))
        } else {
            None
        };
        let Some(place) = shared.slots.open(limits.queue, false) else {
            shared.counts.closed("connections");
            return;
        };
        let _ = io.set_nodelay(true);
        let transport = if self.tls.is_some() { Transport::Tls } else { Transport::Tcp };
        let flow = Flow::to(self.listener, transport, remote);
        let connection = Connection::new(self.streams.clone(), self.post.clone(), place, flow);
        let tls = self.tls;
        drop(tokio::spawn(async move {
            match tls {
                None => carry(connection, io, admitted).await,
                Some(index) => {
                    let streams = connection.streams().clone();
                    let handshake_timeout = streams.0.limits.handshake_timeout;
                    let shaken = timeout(handshake_timeout, streams.0.tls.accept(index, io)).await;
                    drop(handshake);
                    match shaken {
                        Ok(Ok((io, identities))) => {
                            if let Some(identities) = identities {
                                connection.line().identify(identities);
                            }
                            carry(connection, io, admitted).await;
                        }
                        Ok(Err(error)) => {
                            tracing::debug!(peer = %remote, %error, "TLS handshake failed");
                            streams.0.counts.handshake_failed(tls::reason(&error));
                            streams.0.guard.malformed(streams.0.guard.now(), remote.ip());
                            connection.fail("handshake").await;
                        }
                        Err(_) => {
                            streams.0.counts.handshake_failed("timeout");
                            streams.0.guard.malformed(streams.0.guard.now(), remote.ip());
                            connection.fail("handshake").await;
                        }
                    }
                }
            }
        }));
    }
}

/// With its place among those of its source until it ends.
async fn carry<S>(connection: Connection, io: S, admitted: Admitted)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send,
{
    connection.introduce().await;
    connection.carry(io).await;
    drop(admitted);
}
