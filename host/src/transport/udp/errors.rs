//! The error queue of a socket: datagrams that came back as undeliverable (ICMP, `IP_RECVERR`).
//!
//! A system call on the socket that comes after an error fails with it, but not every one: `sendmmsg` that has sent
//! something before it met the error tells only how much, and the error is gone from the socket while its datagram
//! stays in the queue. And an error makes a socket neither readable nor newly writable. So the queue is [watched](Watch)
//! for itself.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// At most this many at once, so that a flood of errors does not hold the calls.
const MOST: usize = 64;

/// Waits for the next error of a socket.
pub(super) struct Watch {
    io: Arc<AsyncFd<UdpSocket>>,
    next: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
}

impl Watch {
    pub(super) fn new(io: Arc<AsyncFd<UdpSocket>>) -> Self {
        let next = next(Arc::clone(&io));
        Self { io, next }
    }

    /// Hand every error that came to `unreachable`, as [`drain`] does; woken by the next. How many.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, mut unreachable: impl FnMut(&[u8])) -> usize {
        let mut all = 0;
        while let Poll::Ready(told) = self.next.as_mut().poll(cx) {
            self.next = next(Arc::clone(&self.io));
            if told.is_err() {
                // The runtime ends.
                break;
            }
            let _ = self.io.try_io(Interest::ERROR, |_| {
                let count = drain(self.io.as_raw_fd(), &mut unreachable);
                all += count;
                // The queue is empty, and the next error is news to the reactor.
                if count < MOST { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            if all >= MOST {
                cx.waker().wake_by_ref();
                break;
            }
        }
        all
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

fn next(io: Arc<AsyncFd<UdpSocket>>) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> {
    Box::pin(async move { io.ready(Interest::ERROR).await.map(drop) })
}

/// Hand every error that waits to `unreachable`: the beginning of the datagram that was not delivered. How many.
pub(super) fn drain(fd: RawFd, mut unreachable: impl FnMut(&[u8])) -> usize {
    let mut buffer = [0_u8; 2048];
    for count in 0..MOST {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(length) = recvmsg::<SockaddrStorage>(fd, &mut slices, None, flags).map(|message| message.bytes) else {
            return count;
        };
        unreachable(&buffer[..length]);
    }
    MOST
}
