//! A Memcached of our own, from Debian's package, on a free port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::ports::free_tcp;
use crate::process::Process;

/// A private server. It ends when dropped.
#[derive(Debug)]
pub struct Memcached {
    address: SocketAddr,
    _server: Process,
    _folder: TempDir,
}

impl Memcached {
    /// Starts it and waits until it takes connections.
    pub fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-memcached-").context("no temporary folder")?;
        let address = free_tcp()?;
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut server = Process::start(Path::new("memcached"), folder.path().join("memcached.log"), |command| {
            // As root it wants to be told whom to become.
            command.args(["-l", &host, "-p", &port, "-U", "0", "-m", "8", "-u", "nobody"]);
        })?;
        server.wait_until(Duration::from_secs(20), |_| TcpStream::connect(address).is_ok())?;
        Ok(Self { address, _server: server, _folder: folder })
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        format!("memcached://{}", self.address)
    }

    /// Puts a value under a key.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "set {key} 0 0 {}\r\n{value}\r\n", value.len())?;
        let mut answer = [0; 8];
        stream.read_exact(&mut answer)?;
        ensure!(&answer == b"STORED\r\n", "memcached: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }
}
