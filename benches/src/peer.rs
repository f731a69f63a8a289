//! The systems that are measured. Each takes calls on one UDP port of loopback and hands them to one carrier.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use trunkline_tests::{LrnServer, Process, Router, Setup, free_udp, is_bound};

use crate::inside::over_http;

/// A running system. It ends when dropped.
pub struct Peer {
    /// As the table shows it.
    pub name: &'static str,
    /// Where it takes calls.
    pub sip: SocketAddr,
    /// The root of its process tree.
    pub id: u32,
    running: Running,
}

impl Peer {
    /// Ends it as an operator would, so that it can write what it writes at its end.
    pub fn end(self) -> Result<()> {
        match self.running {
            Running::Trunkline { mut router, .. } => router.stop(),
            Running::Process { .. } => Ok(()),
        }
    }
}

/// Holds what must live as long as the peer.
enum Running {
    Trunkline { router: Box<Router>, _directory: LrnServer },
    Process { _process: Process, _folder: TempDir },
}

/// Where Trunkline's records go beside its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// JSONL files.
    Files,
    /// JSONL files and SQLite.
    FilesAndSqlite,
}

/// Trunkline's pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stages {
    /// auth, blocklist, lrn, cnam, rate.
    Five,
    /// The one that names a gateway: without it no call goes anywhere.
    RateAlone,
}

/// Trunkline with the five stages, the LRN and CNAM tables over HTTP and cached, journal and stores on.
pub fn trunkline(carrier: SocketAddr, stages: Stages, stores: Stores) -> Result<Peer> {
    let directory = LrnServer::start()?;
    let setup = over_http(Setup::new()?, &directory)
        .plugin("lrn", "config = { table = \"lrn\", header = \"P-LRN\" }")
        .carrier(carrier);
    let setup = match stages {
        Stages::Five => setup,
        Stages::RateAlone => setup.pipeline("default", &["rate"]),
    };
    let (name, setup) = match (stores, stages) {
        (Stores::Files, Stages::Five) => ("Trunkline, records to JSONL", setup.without_sqlite()),
        (Stores::Files, Stages::RateAlone) => ("Trunkline, the stage rate alone, JSONL", setup.without_sqlite()),
        (Stores::FilesAndSqlite, _) => ("Trunkline, records to JSONL and SQLite", setup),
    };
    let router = setup.start()?;
    let (sip, id) = (router.sip(), router.id());
    Ok(Peer { name, sip, id, running: Running::Trunkline { router: Box::new(router), _directory: directory } })
}

/// Debian's Kamailio with the same features on: blocklist, LRN and CNAM in memory, record-route, dialog, accounting.
pub fn kamailio(carrier: SocketAddr) -> Result<Peer> {
    kamailio_with(include_str!("../rig/kamailio.cfg"), carrier)
}

/// The same, but each call's routing number is asked for by HTTP, with the shortest timeout that its module knows: 1 s.
pub fn kamailio_asking(directory: &LrnServer, carrier: SocketAddr) -> Result<Peer> {
    let config = include_str!("../rig/kamailio_lrn.cfg").replace("@lrn@", &directory.address.to_string());
    kamailio_with(&config, carrier)
}

fn kamailio_with(config: &str, carrier: SocketAddr) -> Result<Peer> {
    let folder = TempDir::with_prefix("trunkline-kamailio-")?;
    let sip = free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let config = config.replace("@listen@", &sip.to_string()).replace("@carrier@", &carrier.to_string());
    let file = folder.path().join("kamailio.cfg");
    fs::write(&file, config)?;
    let mut process = Process::start(Path::new("kamailio"), folder.path().join("kamailio.log"), |command| {
        command.args(["-DD", "-m", "512", "-M", "16", "-f"]).arg(&file).arg("-Y").arg(folder.path());
        command.arg("-w").arg(folder.path());
    })?;
    process.wait_until(Duration::from_secs(20), |_| is_bound(sip)).context("Kamailio does not start")?;
    let id = process.id();
    Ok(Peer { name: "Kamailio", sip, id, running: Running::Process { _process: process, _folder: folder } })
}

/// What the kernel alone takes: a relay that reads no byte of a message.
pub fn floor(carrier: SocketAddr) -> Result<Peer> {
    let folder = TempDir::with_prefix("trunkline-floor-")?;
    let sip = free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let program = std::env::current_exe()?.with_file_name("floor");
    let mut process = Process::start(&program, folder.path().join("floor.log"), |command| {
        command.args([sip.to_string(), carrier.to_string()]);
    })?;
    process.wait_until(Duration::from_secs(5), |_| is_bound(sip)).context("the relay does not start")?;
    let id = process.id();
    Ok(Peer { name: "kernel floor", sip, id, running: Running::Process { _process: process, _folder: folder } })
}
