//! `recvmmsg` and `sendmmsg`.

use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::RawFd;

use bytes::Bytes;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

/// Datagrams per system call.
pub(super) const BATCH: usize = 32;
/// The largest datagram (RFC 3261 section 18.1.1).
const LARGEST: usize = 65_535;

/// Room for one batch.
pub(super) struct Inbound {
    buffer: Box<[u8]>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BATCH * LARGEST].into_boxed_slice(), headers: MultiHeaders::preallocate(BATCH, None) }
    }

    pub(super) fn receive(&mut self, fd: RawFd, mut datagram: impl FnMut(SocketAddr, &[u8])) -> nix::Result<usize> {
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = {
            let mut chunks = self.buffer.chunks_exact_mut(LARGEST);
            std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())])
        };
        let received = recvmmsg(fd, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let mut count = 0;
        for message in received {
            count += 1;
            if let (Some(source), Some(bytes)) = (message.address.as_ref().and_then(socket_addr), message.iovs().next())
            {
                datagram(source, bytes);
            }
        }
        Ok(count)
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").finish_non_exhaustive()
    }
}

/// Headers for one batch.
pub(super) struct Outbound {
    headers: MultiHeaders<SockaddrStorage>,
}

impl Outbound {
    pub(super) fn new() -> Self {
        Self { headers: MultiHeaders::preallocate(BATCH, None) }
    }

    /// Send from the front; how many went. An error is that of the first.
    pub(super) fn send(&mut self, fd: RawFd, datagrams: &[(SocketAddr, Bytes)]) -> nix::Result<usize> {
        let datagrams = &datagrams[..datagrams.len().min(BATCH)];
        let slices: smallvec::SmallVec<[[IoSlice<'_>; 1]; BATCH]> =
            datagrams.iter().map(|(_, bytes)| [IoSlice::new(bytes)]).collect();
        let peers: smallvec::SmallVec<[Option<SockaddrStorage>; BATCH]> =
            datagrams.iter().map(|(remote, _)| Some(SockaddrStorage::from(*remote))).collect();
        Ok(sendmmsg(fd, &mut self.headers, slices.iter(), &peers, [], MsgFlags::MSG_DONTWAIT)?.count())
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}

fn socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()))
}
