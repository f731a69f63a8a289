//! The stage: stand-ins, tables and the configuration of a router between them, all in one temporary folder.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::carrier::Carrier;
use super::directory::{self, Directory};

/// Everything around the router. It ends when dropped.
pub(super) struct Scene {
    /// Holds the configuration, its tables, the journal and the stores.
    pub(super) folder: TempDir,
    /// Where the router listens for SIP.
    pub(super) sip: SocketAddr,
    /// Where the router listens for HTTP.
    pub(super) admin: SocketAddr,
    /// Answers `GET /lrn/{number}`.
    pub(super) lrn: Directory,
    _cnam: Directory,
    _carrier: Carrier,
    /// A carrier that is dead: its port is taken, so that nobody else answers there, and never read.
    _dead: UdpSocket,
}

/// The file that `trunkline run -c` is given.
pub(super) const CONFIG: &str = "trunkline.toml";
/// The SIPp scenario for `--keep`.
pub(super) const SCENARIO: &str = "uac.xml";

impl Scene {
    /// Starts the stand-ins and writes the files.
    pub(super) async fn set() -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-demo-").context("no temporary folder")?;
        let crashing = crashing_plugin()?;
        let (carrier, lrn, cnam) = (
            Carrier::start().await.context("the stand-in carrier has no port")?,
            Directory::start(directory::ported).await.context("the stand-in LRN service has no port")?,
            Directory::start(directory::named).await.context("the stand-in CNAM service has no port")?,
        );
        let dead = UdpSocket::bind("127.0.0.1:0")?;
        let sip = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = include_str!("trunkline.toml")
            .replace("@sip@", &sip.to_string())
            .replace("@admin@", &admin.to_string())
            .replace("@lrn@", &lrn.address.to_string())
            .replace("@cnam@", &cnam.address.to_string())
            .replace("@carrier@", &carrier.address.to_string())
            .replace("@dead@", &dead.local_addr()?.to_string())
            .replace("@crashing@", &crashing.display().to_string());
        for (name, text) in [
            (CONFIG, config.as_str()),
            (SCENARIO, include_str!("uac.xml")),
            ("accounts.csv", include_str!("tables/accounts.csv")),
            ("blocked.csv", include_str!("tables/blocked.csv")),
            ("npanxx.csv", include_str!("tables/npanxx.csv")),
            ("deck.csv", include_str!("tables/deck.csv")),
        ] {
            fs::write(folder.path().join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(Self { folder, sip, admin, lrn, _cnam: cnam, _carrier: carrier, _dead: dead })
    }

    /// A file of the folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// `faults/traps.wasm` among the plugins that were built or installed with this program.
fn crashing_plugin() -> Result<PathBuf> {
    let program = std::env::current_exe().context("where this program is")?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let given = std::env::var_os("TRUNKLINE_PLUGINS").map(PathBuf::from);
    let near = ["plugins", "../plugins", "../../plugins"].map(|way| folder.join(way));
    given
        .into_iter()
        .chain(near)
        .chain([PathBuf::from("/usr/lib/trunkline/plugins")])
        .map(|plugins| plugins.join("faults/traps.wasm"))
        .find_map(|file| file.canonicalize().ok())
        .context(
            "the crashing plugin `faults/traps.wasm` is not built: run `cargo xtask plugins`, or `cargo xtask demo`",
        )
}
