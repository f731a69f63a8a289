//! Datagrams in batches: one system call receives up to 32, one sends up to 32 to as many peers.
//!
//! Every worker has a socket of its own on each address (`SO_REUSEPORT`): the kernel gives it the datagrams of its calls,
//! those of one call in order. ICMP errors come back through the socket's error queue (`IP_RECVERR`).

mod batch;
mod errors;
mod steer;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use self::batch::{BATCH, Inbound, Outbound};
use self::errors::Watch;
pub use self::steer::{owner, steer};

/// Datagrams that wait for room in the kernel's buffer. Beyond, the newest are dropped: SIP sends them again.
const QUEUE: usize = 4096;
/// What the kernel is asked to hold for us in either direction. It may give less (`net.core.rmem_max`).
const KERNEL_BUFFER: usize = 4 << 20;

/// Bind an address, as one of several sockets on it.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
    }
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // A smaller buffer is no reason not to start.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Whether nobody else has this address. [`bind`] cannot tell: with `SO_REUSEPORT` a second node would quietly get a
/// part of the first one's datagrams.
pub fn is_free(address: SocketAddr) -> io::Result<()> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())
}

/// One worker's socket on one address.
#[derive(Debug)]
pub struct Socket {
    /// Asked for what comes alone: each datagram that the kernel has sent is room for another, and would wake the worker.
    io: Arc<AsyncFd<UdpSocket>>,
    errors: Watch,
    inbound: Inbound,
    outbound: Outbound,
    queue: VecDeque<(SocketAddr, Bytes)>,
    /// Tells of room in the kernel's buffer, while there is none.
    room: Option<AsyncFd<UdpSocket>>,
    /// Datagrams received and sent.
    pub carried: (u64, u64),
    /// Datagrams dropped because the kernel took no more, and those that it refused.
    pub unsent: u64,
}

impl Socket {
    /// Within a tokio runtime.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let io = Arc::new(told_of(socket, Interest::READABLE | Interest::ERROR)?);
        Ok(Self {
            errors: Watch::new(Arc::clone(&io)),
            io,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            queue: VecDeque::new(),
            room: None,
            carried: (0, 0),
            unsent: 0,
        })
    }

    /// Receive one batch: how many datagrams and errors. Pending when there is none, and then woken by the next.
    ///
    /// An ICMP error that waits is handed to `unreachable` first: as much of the undelivered datagram as came back.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        mut datagram: impl FnMut(SocketAddr, &[u8]),
        mut unreachable: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let fd = self.io.as_raw_fd();
        let returned = self.errors.poll(cx, &mut unreachable);
        loop {
            match self.io.poll_read_ready(cx)? {
                Poll::Ready(_) => {}
                Poll::Pending if returned > 0 => return Poll::Ready(Ok(returned)),
                Poll::Pending => return Poll::Pending,
            }
            let mut count = 0;
            let inbound = &mut self.inbound;
            let received = self.io.try_io(Interest::READABLE, |_| {
                count = inbound.receive(fd, &mut datagram)?;
                // Fewer than there was room for: the socket is empty, and the next datagram is news to the reactor.
                if count < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            return match received {
                // No longer ready: ask to be woken.
                Err(error) if is_busy(&error) && count == 0 => continue,
                // What ICMP has told of an earlier datagram was reported by this call, and is taken from the queue by
                // the next.
                Err(error) if !is_busy(&error) => Poll::Ready(match errors::drain(fd, unreachable) {
                    0 if !is_undelivered(&error) => Err(error),
                    count => Ok(returned + count.max(1)),
                }),
                _ => {
                    self.carried.0 += count as u64;
                    Poll::Ready(Ok(returned + count))
                }
            };
        }
    }

    /// Send at the next flush.
    pub fn queue(&mut self, remote: SocketAddr, bytes: Bytes) {
        if self.queue.len() < QUEUE {
            self.queue.push_back((remote, bytes));
        } else {
            self.unsent += 1;
        }
    }

    /// Send what is queued, as far as the kernel takes it; woken when it takes more.
    pub fn flush(&mut self, cx: &mut Context<'_>, mut unreachable: impl FnMut(&[u8])) {
        let fd = self.io.as_raw_fd();
        let mut tried_again = false;
        while !self.queue.is_empty() {
            let (outbound, waiting) = (&mut self.outbound, self.queue.make_contiguous());
            match outbound.send(fd, waiting).map_err(io::Error::from) {
                Ok(sent) => {
                    self.carried.1 += sent as u64;
                    self.queue.drain(..sent.max(1));
                    tried_again = false;
                }
                Err(error) if is_busy(&error) => return self.wait_for_room(cx),
                // An earlier datagram's error, as a rule; it must not cost this one its way. One that is too large can
                // put its own error into the queue: it is tried once more and no oftener.
                Err(error)
                    if errors::drain(fd, &mut unreachable) > 0
                        && (is_undelivered(&error) || !std::mem::replace(&mut tried_again, true)) => {}
                // This one datagram cannot be sent: no route, too large, forbidden.
                Err(error) => {
                    if let Some((remote, bytes)) = self.queue.pop_front() {
                        tracing::debug!(%remote, %error, "datagram not sent");
                        unreachable(&bytes);
                    }
                    self.unsent += 1;
                    tried_again = false;
                }
            }
        }
        self.room = None;
    }

    /// Have the worker come back when the kernel takes more, or at once where that cannot be known.
    fn wait_for_room(&mut self, cx: &mut Context<'_>) {
        if self.room.is_none() {
            let again = self.io.get_ref().try_clone().ok();
            self.room = again.and_then(|socket| told_of(socket, Interest::WRITABLE).ok());
        }
        match self.room.as_ref().map(|room| room.poll_write_ready(cx)) {
            Some(Poll::Pending) => {}
            // It was so before the last try. Whoever asks again is told how it is then, also after an error, which would
            // count as room for ever.
            Some(Poll::Ready(_)) | None => {
                self.room = None;
                cx.waker().wake_by_ref();
            }
        }
    }
}

/// A socket of which the reactor tells this alone. tokio's own are always told of both directions.
#[allow(unsafe_code, reason = "its descriptor must stay open, and the only owner of it is what is returned")]
fn told_of(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    // SAFETY: a `UdpSocket` has the same open descriptor as long as it lives, and the `AsyncFd` owns it.
    let told = unsafe { AsyncFd::register_with_interest(socket, interest) };
    told.map_err(io::Error::from)
}

/// Nothing to receive, or no room to send.
fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Errors of earlier datagrams, which the system reports with the next call whatever it is.
fn is_undelivered(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

#[cfg(test)]
mod tests;
