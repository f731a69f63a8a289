//! The error queue of a socket: datagrams that came back as undeliverable (ICMP, `IP_RECVERR`).

use std::io::IoSliceMut;
use std::os::fd::RawFd;

use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg};

/// At most this many at once, so that a flood of errors does not hold the calls.
const MOST: usize = 64;

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
