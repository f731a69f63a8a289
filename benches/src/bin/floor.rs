//! The kernel floor: receives a datagram, sends it on, reads no byte of it. Blocking sockets, one thread.
//!
//! `floor LISTEN CARRIER`: what comes from the carrier goes to whom spoke last, all else goes to the carrier.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut address = || -> Result<SocketAddr> {
        arguments.next().context("usage: floor LISTEN CARRIER")?.parse().context("not an address")
    };
    let (listen, carrier) = (address()?, address()?);
    let socket = UdpSocket::bind(listen)?;
    let mut buffer = vec![0; 65_535];
    let mut caller = None;
    loop {
        let (length, peer) = socket.recv_from(&mut buffer)?;
        let next = if peer == carrier {
            caller
        } else {
            caller = Some(peer);
            Some(carrier)
        };
        if let Some(next) = next {
            socket.send_to(&buffer[..length], next)?;
        }
    }
}
