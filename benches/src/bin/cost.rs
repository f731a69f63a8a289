//! What a call costs: the same SIPp load through Trunkline, through Debian's Kamailio, and through a relay that reads
//! nothing, one after the other in the same run.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use trunkline_benches::cpu;
use trunkline_benches::peer::{self, Peer, Stores};
use trunkline_benches::report::{Report, Row};
use trunkline_tests::{Load, Sipp};

/// Every number of the pool once, so that what can be cached is cached before anything is measured.
const WARM_UP: Load = Load { calls: 10_000, rate: 1_000 };

#[derive(Parser)]
struct Arguments {
    /// Calls per second
    #[arg(long, value_delimiter = ',', default_value = "500,1000,2000")]
    rates: Vec<u32>,
    /// How long each rate is held
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Which::value_variants().to_vec())]
    peers: Vec<Which>,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// The systems by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// A relay that reads nothing
    Floor,
    /// Debian's Kamailio
    Kamailio,
    /// Trunkline with the file store
    Trunkline,
    /// Trunkline with the file store and SQLite
    TrunklineSqlite,
}

impl Which {
    fn start(self, carrier: SocketAddr) -> Result<Peer> {
        match self {
            Self::Floor => peer::floor(carrier),
            Self::Kamailio => peer::kamailio(carrier),
            Self::Trunkline => peer::trunkline(carrier, Stores::Files),
            Self::TrunklineSqlite => peer::trunkline(carrier, Stores::FilesAndSqlite),
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let callee = Sipp::callee("callee", &[])?;
    let peers: Vec<Peer> = arguments.peers.iter().map(|which| which.start(callee.address())).collect::<Result<_>>()?;
    for peer in &peers {
        eprintln!("warming {} …", peer.name);
        place(peer, WARM_UP)?;
    }
    let mut report = Report::new();
    for rate in &arguments.rates {
        for peer in &peers {
            let row = measure(peer, Load { calls: rate * arguments.seconds, rate: *rate })?;
            eprintln!(
                "{} at {rate} calls/s: {} µs per call, {} failed, {} sent again",
                row.peer, row.cpu_micros_per_call, row.failed, row.retransmissions
            );
            report.rows.push(row);
        }
    }
    println!("{}", report.write(&arguments.out, "cost")?);
    Ok(())
}

fn measure(peer: &Peer, load: Load) -> Result<Row> {
    let before = cpu::micros(peer.id)?;
    let counts = place(peer, load)?;
    let used = cpu::micros(peer.id)? - before;
    Ok(Row {
        peer: peer.name,
        rate: load.rate,
        calls: load.calls,
        failed: counts.failed,
        retransmissions: counts.retransmissions,
        cpu_micros_per_call: used / u64::from(load.calls),
        pss_mib: cpu::pss_mib(peer.id),
    })
}

fn place(peer: &Peer, load: Load) -> Result<trunkline_tests::Counts> {
    let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "1000")];
    Sipp::caller("caller", &words, peer.sip, load)?.wait()
}
