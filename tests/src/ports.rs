//! Free ports, so that any number of tests can run beside each other.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context, Result};

/// A UDP port that nobody uses at the moment.
pub fn free_udp(ip: IpAddr) -> Result<SocketAddr> {
    Ok(UdpSocket::bind((ip, 0)).with_context(|| format!("no free UDP port on {ip}"))?.local_addr()?)
}

/// A TCP port that nobody uses at the moment.
pub fn free_tcp() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free TCP port")?.local_addr()?)
}

/// A TCP port of this address that nobody uses at the moment.
pub fn free_tcp_on(ip: IpAddr) -> Result<SocketAddr> {
    Ok(TcpListener::bind((ip, 0)).with_context(|| format!("no free TCP port on {ip}"))?.local_addr()?)
}

/// Whether somebody has bound this UDP port, as the kernel tells.
pub fn is_bound(address: SocketAddr) -> bool {
    is_in(if address.is_ipv6() { "udp6" } else { "udp" }, address)
}

/// Whether somebody listens on this TCP port, as the kernel tells.
pub(crate) fn is_listening(address: SocketAddr) -> bool {
    is_in(if address.is_ipv6() { "tcp6" } else { "tcp" }, address)
}

fn is_in(table: &str, address: SocketAddr) -> bool {
    let port = format!(":{:04X}", address.port());
    fs::read_to_string(format!("/proc/net/{table}")).is_ok_and(|text| {
        text.lines().filter_map(|line| line.split_ascii_whitespace().nth(1)).any(|local| local.ends_with(&port))
    })
}
