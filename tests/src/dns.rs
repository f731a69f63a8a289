//! A DNS server of its own on loopback: Debian's dnsmasq.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::ports::{free_udp, is_bound};
use crate::process::Process;

/// A server that knows what it was told and nothing else. It is killed when dropped.
#[derive(Debug)]
pub struct Dns {
    process: Process,
    _folder: TempDir,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Dns {
    /// With these records in dnsmasq's words, such as `host-record=a.test,127.0.0.1` and
    /// `srv-host=_sip._udp.test,a.test,5060,10,60`. Answers live one second.
    pub fn start(records: &[String]) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-dns-").context("no temporary folder")?;
        let address = free_udp([127, 0, 0, 1].into())?;
        let mut process = Process::start(Path::new("dnsmasq"), folder.path().join("dnsmasq.out"), |command| {
            command
                .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="])
                .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--local-ttl=1", "--local=/test/"])
                .arg(format!("--port={}", address.port()))
                .args(records.iter().map(|record| format!("--{record}")));
        })?;
        process.wait_until(Duration::from_secs(10), |_| is_bound(address))?;
        Ok(Self { process, _folder: folder, address })
    }

    /// It hangs: its socket takes questions, and nobody answers them.
    pub fn hang(&self) -> Result<()> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// It goes on.
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::SIGCONT)
    }
}
