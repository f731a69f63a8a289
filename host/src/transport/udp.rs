//! Datagrams in batches: one system call receives up to 32, one sends up to 32 to as many peers.
//!
//! Every worker has a socket of its own on each address (`SO_REUSEPORT`): the kernel gives it the datagrams of its calls,
//! those of one call in order. ICMP errors come back through the socket's error queue (`IP_RECVERR`).

mod batch;
mod errors;
mod steer;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use self::batch::{BATCH, Inbound, Outbound};
use self::errors::Watch;
pub use self::steer::{owner, steer};

/// Datagrams that wait for room in the kernel's buffer. Beyond, the newest are dropped: SIP sends them again.
const QUEUE: usize = 4096;
/// What the kernel is asked to hold for us in either direction. It may give less (`net.core.rmem_max`).
const KERNEL_BUFFER: usize = 4 << 20;

/// Bind an address, as one of several sockets on it.
pub fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
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
    io: Arc<UdpSocket>,
    errors: Watch,
    inbound: Inbound,
    outbound: Outbound,
    queue: VecDeque<(SocketAddr, Bytes)>,
    /// Datagrams received and sent.
    pub carried: (u64, u64),
    /// Datagrams dropped because the kernel took no more, and those that it refused.
    pub unsent: u64,
}

impl Socket {
    /// Within a tokio runtime.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let io = Arc::new(UdpSocket::from_std(socket)?);
        Ok(Self {
            errors: Watch::new(Arc::clone(&io)),
            io,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            queue: VecDeque::new(),
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
            match self.io.poll_recv_ready(cx)? {
                Poll::Ready(()) => {}
                Poll::Pending if returned > 0 => return Poll::Ready(Ok(returned)),
                Poll::Pending => return Poll::Pending,
            }
            let mut count = 0;
            let inbound = &mut self.inbound;
            let received = self.io.try_io(Interest::READABLE, || {
                count = inbound.receive(fd, &mut datagram)?;
                // Fewer than there was room for: the socket is empty, and the next datagram is news to the reactor.
                if count < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            return match received {
                // No longer ready: ask to be woken.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && count == 0 => continue,
                // What ICMP has told of an earlier datagram was reported by this call, and is taken from the queue by
                // the next.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    Poll::Ready(match errors::drain(fd, unreachable) {
                        0 if !is_undelivered(&error) => Err(error),
                        count => Ok(returned + count.max(1)),
                    })
                }
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
        let (mut tried_again, mut full) = (false, false);
        while !self.queue.is_empty() {
            if !matches!(self.io.poll_send_ready(cx), Poll::Ready(Ok(()))) {
                return;
            }
            if full {
                // After an error the runtime takes a socket for closed, and so for ready, for ever. The worker does what
                // else there is to do, and comes back.
                cx.waker().wake_by_ref();
                return;
            }
            let (outbound, waiting) = (&mut self.outbound, self.queue.make_contiguous());
            match self.io.try_io(Interest::WRITABLE, || Ok(outbound.send(fd, waiting)?)) {
                Ok(sent) => {
                    self.carried.1 += sent as u64;
                    self.queue.drain(..sent.max(1));
                    tried_again = false;
                }
                // No longer ready: ask to be woken.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => full = true,
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
    }
}

/// Errors of earlier datagrams, which the system reports with the next call whatever it is.
fn is_undelivered(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

#[cfg(test)]
mod tests;
